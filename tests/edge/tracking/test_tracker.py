import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.tracking.tracker import ByteTracker, Track, TrackerSettings, TrackState, TrackUpdate
from edge.vision.detections import Detections
from tests.support.edge.model_bundles import describe

FIRE, SMOKE, POTHOLE = 0, 1, 3
BOX = (100.0, 100.0, 140.0, 150.0)


def tracker(thresholds: dict[str, float] | None = None, **changes: float) -> ByteTracker:
    return ByteTracker(describe(thresholds), TrackerSettings(**changes))  # type: ignore[arg-type]  # floats only


def seen(*boxes: tuple[float, ...], confidence: float = 0.8, class_id: int = FIRE) -> Detections:
    n = len(boxes)
    return Detections.of(boxes, [confidence] * n, [class_id] * n, embedding=np.ones((n, 4)))


def shifted(dx: float, box: tuple[float, ...] = BOX) -> tuple[float, ...]:
    return box[0] + dx, box[1], box[2] + dx, box[3]


def run(subject: ByteTracker, frames: list[Detections], fps: float = 10.0) -> list[TrackUpdate]:
    return [subject.update(d, i / fps) for i, d in enumerate(frames)]


def test_a_track_is_tentative_then_confirmed_then_lost_then_ended() -> None:
    updates = run(tracker(lost_s=1.0), [seen(BOX)] * 3 + [Detections.empty(4)] * 12)
    assert [u.active[0].state for u in updates[:3]] == [
        TrackState.TENTATIVE,
        TrackState.TENTATIVE,
        TrackState.CONFIRMED,
    ]
    assert [u.lost[0].state for u in updates[3:12]] == [TrackState.LOST] * 9
    ended = [t for u in updates for t in u.ended]
    assert [(t.id, t.hits, t.unseen, t.state) for t in ended] == [(1, 3, 11, TrackState.LOST)]


def test_a_tentative_track_that_is_not_detected_again_ends_soon() -> None:
    updates = run(tracker(), [seen(BOX)] + [Detections.empty(4)] * 8)
    assert not any(u.lost for u in updates)
    assert [t.state for u in updates for t in u.ended] == [TrackState.TENTATIVE]


def test_a_weak_box_keeps_a_track_but_starts_none() -> None:
    updates = run(tracker(), [seen(BOX)] * 3 + [seen(BOX, shifted(200), confidence=0.2)] * 3)
    last = updates[-1].active
    assert [(t.id, t.hits, t.strong_hits) for t in last] == [(1, 6, 3)]
    assert [s.strong for s in last[0].history] == [True] * 3 + [False] * 3


def test_a_weak_box_does_not_continue_a_lost_track() -> None:
    updates = run(tracker(), [seen(BOX)] * 3 + [Detections.empty(4)] * 3 + [seen(BOX, confidence=0.2)])
    assert updates[-1].active == ()
    assert updates[-1].lost[0].unseen == 4


@pytest.mark.parametrize(("threshold", "tracks"), [(0.15, 1), (0.4, 0)], ids=["weak class", "usual class"])
def test_a_new_track_needs_its_own_class_threshold_and_no_more(threshold: float, tracks: int) -> None:
    updates = run(tracker({"pothole": threshold}), [seen(BOX, confidence=0.2, class_id=POTHOLE)] * 3)
    assert len(updates[-1].active) == tracks


def test_the_floor_is_what_the_weakest_class_needs() -> None:
    assert tracker({"pothole": 0.1}).floor == pytest.approx(0.05)
    assert tracker().floor == pytest.approx(0.16)


def test_tracks_never_change_their_class() -> None:
    updates = run(tracker(), [seen(BOX, class_id=FIRE)] * 3 + [seen(BOX, class_id=SMOKE)] * 3)
    assert {(t.id, t.class_id) for u in updates for t in u.active} == {(1, FIRE), (2, SMOKE)}


def test_a_track_found_again_has_the_number_of_frames_without_detection() -> None:
    updates = run(tracker(), [seen(BOX)] * 4 + [Detections.empty(4)] * 5 + [seen(BOX)])
    found = updates[-1].active[0]
    assert (found.id, found.state, found.history[-1].missed_frames_before) == (1, TrackState.CONFIRMED, 5)


def test_a_lost_track_has_a_box_where_it_should_be_now() -> None:
    updates = run(tracker(), [seen(shifted(5.0 * i)) for i in range(12)] + [Detections.empty(4)] * 4)
    predicted = updates[-1].lost[0].xyxy
    assert predicted[0] == pytest.approx(100 + 5 * 15, abs=6)


@given(gaps=st.lists(st.integers(1, 6), min_size=25, max_size=25))
@settings(max_examples=25, deadline=None)
def test_uneven_frame_times_do_not_break_a_steady_track(gaps: list[int]) -> None:
    subject, time_s, ids = tracker(), 0.0, set()
    for gap in gaps:
        time_s += gap * 0.05
        ids |= {t.id for t in subject.update(seen(shifted(40.0 * time_s)), time_s).active}
    assert ids == {1}


def test_two_objects_that_pass_each_other_keep_their_numbers() -> None:
    frames = [seen(shifted(8.0 * i), shifted(200 - 8.0 * i, (100, 128, 140, 178))) for i in range(26)]
    updates = run(tracker(), frames)
    first, last = updates[0].active, updates[-1].active
    lower = next(t.id for t in first if t.xyxy[1] == 128)
    assert next(t.id for t in last if t.xyxy[1] == 128) == lower
    assert {t.id for u in updates for t in u.active} == {1, 2}


def test_the_embedding_is_the_mean_of_the_strong_detections() -> None:
    subject = tracker()
    for i, confidence in enumerate((0.8, 0.8, 0.2, 0.8)):
        update = subject.update(
            Detections.of([BOX], [confidence], [FIRE], embedding=np.full((1, 4), float(i))), i / 10
        )
    mean = update.active[0].embedding
    assert mean is not None
    assert mean.tolist() == pytest.approx([(0 + 1 + 3) / 3] * 4)


def test_time_never_runs_backwards() -> None:
    subject = tracker()
    subject.update(seen(BOX), 2.0)
    with pytest.raises(ValueError, match=r"frame at 1\.000 s comes after one at 2\.000 s"):
        subject.update(seen(BOX), 1.0)


def test_the_end_of_the_footage_ends_every_track() -> None:
    subject = tracker()
    run(subject, [seen(BOX)] * 3)
    assert [t.id for t in subject.end()] == [1]
    assert subject.update(Detections.empty(4), 9.0).ended == ()


def test_another_bundle_of_the_same_classes_keeps_the_tracks() -> None:
    subject = tracker()
    run(subject, [seen(BOX)] * 3)
    subject.describe(describe({"fire": 0.9}))
    assert [t.id for t in subject.update(seen(BOX), 0.3).active] == [1]
    assert not [t for t in subject.update(seen(BOX, shifted(300)), 0.4).active if t.id == 2]


Footage = list[tuple[Detections, npt.NDArray[np.int64]]]


def footage(seed: int, *, objects: int = 8, frames: int = 200) -> Footage:
    """Drifting boxes with jitter, missed frames and weak scores; (detections, object of each row)."""
    rng = np.random.default_rng(seed)
    corner = rng.uniform([20, 20], [500, 250], (objects, 2))
    size = rng.uniform(30, 80, (objects, 2))
    velocity = rng.uniform(-1.0, 1.0, (objects, 2))
    found = []
    for i in range(frames):
        at = corner + velocity * i + rng.normal(0, 0.8, corner.shape)
        boxes = np.concatenate([at, at + size], axis=1)
        confidence = np.where(rng.random(objects) < 0.15, 0.3, 0.85)
        rows = np.flatnonzero(rng.random(objects) > 0.08)
        found.append((Detections.of(boxes[rows], confidence[rows], np.zeros(len(rows))), rows))
    return found


def best_overlap(xyxy: npt.NDArray[np.float32], detections: Detections) -> int:
    return int(np.abs(detections.xyxy - xyxy).sum(axis=1).argmin())


def identity_agreement(ours: dict[tuple[int, int], int], theirs: dict[tuple[int, int], int]) -> float:
    """Fraction of (frame, object) that both follow in which a one-to-one map of numbers agrees."""
    common = ours.keys() & theirs.keys()
    counts: dict[tuple[int, int], int] = {}
    for key in common:
        counts[ours[key], theirs[key]] = counts.get((ours[key], theirs[key]), 0) + 1
    agreed, used_ours, used_theirs = 0, set(), set()
    for (a, b), n in sorted(counts.items(), key=lambda item: -item[1]):
        if a not in used_ours and b not in used_theirs:
            agreed += n
            used_ours.add(a)
            used_theirs.add(b)
    return agreed / len(common)


def our_numbers(found: Footage, fps: float) -> dict[tuple[int, int], int]:
    subject, numbers = tracker(lost_s=1.0, confirm_hits=2), {}
    for i, (detections, objects) in enumerate(found):
        for track in subject.update(detections, i / fps).active:
            if track.state is TrackState.CONFIRMED:
                numbers[i, int(objects[best_overlap(track.xyxy, detections)])] = track.id
    return numbers


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_identities_agree_with_the_trackers_package(seed: int) -> None:
    trackers = pytest.importorskip("trackers")
    supervision = pytest.importorskip("supervision")
    found = footage(seed)
    oracle = trackers.ByteTrackTracker(
        lost_track_buffer=30,
        frame_rate=30.0,
        track_activation_threshold=0.4,
        high_conf_det_threshold=0.4,
        minimum_consecutive_frames=2,
        minimum_iou_threshold=0.2,
    )
    theirs = {}
    for i, (detections, objects) in enumerate(found):
        answer = oracle.update(
            supervision.Detections(
                xyxy=detections.xyxy.copy(),
                confidence=detections.confidence.copy(),
                class_id=detections.class_id.copy(),
            )
        )
        for xyxy, number in zip(answer.xyxy, answer.tracker_id, strict=True):
            if number >= 0:
                theirs[i, int(objects[best_overlap(xyxy, detections)])] = int(number)
    ours = our_numbers(found, 30.0)
    assert len(ours) >= 0.97 * len(theirs)
    assert identity_agreement(ours, theirs) >= 0.95
    truth = {key: key[1] for key in ours}
    assert identity_agreement(ours, truth) >= 0.95


def test_a_snapshot_is_not_touched_by_later_frames() -> None:
    subject = tracker()
    first: Track = subject.update(seen(BOX), 0.0).active[0]
    before = first.xyxy.copy()
    subject.update(seen(shifted(10)), 0.1)
    assert first.hits == 1
    assert (first.xyxy == before).all()
    assert len(first.history) == 1
