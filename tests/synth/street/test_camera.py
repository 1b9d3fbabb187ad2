"""A running street camera and its footage: tracks, determinism, truth beside the video."""

import json
from collections import defaultdict
from pathlib import Path

import cv2
import numpy as np
import pytest

from messaging.errors import ConfigurationError
from messaging.taxonomy import Condition
from synth.street import DRAWN_CLASSES, StreetCamera, Truth, WorldName, draw_still, read_truth, write_footage

NIGHT = Condition.parse("night-clear")
SMALL = (320, 180)


def camera(seed: int = 1, **changes: object) -> StreetCamera:
    order: dict[str, object] = {
        "world": WorldName.FOOTAGE,
        "seed": seed,
        "condition": NIGHT,
        "size": SMALL,
        **changes,
    }
    return StreetCamera(**order)  # type: ignore[arg-type]  # the tables hold wrong values on purpose


@pytest.fixture(scope="module")
def minutes() -> list[tuple[int, str, int]]:
    """Two minutes of a busy camera: (frame, class, track) of every box."""
    busy = camera(hazard_weights={**dict.fromkeys(DRAWN_CLASSES, 0.4), "garbage": 4.0}, spawn_per_s=1.4)
    return [(f.index, b.class_name, b.track) for f in busy.frames(600) for b in f.boxes]


def test_two_minutes_have_sixty_tracks_of_the_requested_class(minutes: list[tuple[int, str, int]]) -> None:
    assert len({track for _, name, track in minutes if name == "garbage"}) >= 60
    assert {name for _, name, _ in minutes} == set(DRAWN_CLASSES)


def test_tracks_keep_their_class_and_last_seconds_without_long_gaps(
    minutes: list[tuple[int, str, int]],
) -> None:
    seen, classes = defaultdict(list), defaultdict(set)
    for index, name, track in minutes:
        seen[track].append(index)
        classes[track].add(name)
    spans = [frames[-1] - frames[0] + 1 for frames in seen.values()]
    assert all(len(names) == 1 for names in classes.values())
    assert max(spans) <= 51
    assert np.median(spans) >= 18
    covered = [len(frames) / (frames[-1] - frames[0] + 1) for frames in seen.values()]
    assert np.mean(np.asarray(covered) > 0.8) > 0.8


def test_a_track_moves_smoothly() -> None:
    last: dict[int, tuple[float, float, float, float]] = {}
    jumps = []
    for frame in camera(seed=4, classes=("pothole", "fallen_person"), spawn_per_s=0.8).frames(60):
        for box in frame.boxes:
            if box.track in last:
                jumps.append(max(abs(a - b) for a, b in zip(box.xyxy, last[box.track], strict=True)))
            last[box.track] = box.xyxy
    assert jumps
    assert np.percentile(jumps, 90) <= 6


def test_any_stretch_of_frames_equals_the_same_stretch_of_the_whole() -> None:
    whole = list(camera(seed=2, spawn_per_s=1.0).frames(40))
    part = list(camera(seed=2, spawn_per_s=1.0).frames(4, start=33))
    assert [f.index for f in part] == [33, 34, 35, 36]
    for late, same in zip(part, whole[33:37], strict=True):
        assert np.array_equal(late.image, same.image)
        assert late.boxes == same.boxes
        assert late.time_s == same.index / 5.0


def test_the_street_is_constant_while_objects_move() -> None:
    calm = [f.image.astype(np.int64) for f in camera(seed=3, spawn_per_s=0.0).frames(30, start=5)]
    spread = np.std(np.stack(calm).mean(axis=3), axis=0)
    assert np.median(spread) < 8
    assert spread.max() > 15


def test_a_camera_without_hazards_has_no_boxes() -> None:
    assert all(f.boxes == () for f in camera(spawn_per_s=0.0).frames(5))


@pytest.mark.parametrize(
    ("changes", "phrase"),
    [
        ({"hazard_weights": {"meteor": 1.0}}, "meteor"),
        ({"hazard_weights": {"fire": 0.0}}, "positive sum"),
        ({"spawn_per_s": -1.0}, "spawn_per_s"),
        ({"fps": 0.0}, "fps"),
        ({"classes": ("flood",)}, "flood"),
    ],
)
def test_an_impossible_camera_is_refused(changes: dict[str, object], phrase: str) -> None:
    with pytest.raises(ConfigurationError, match=phrase):
        camera(**changes)


def test_footage_reads_back_with_opencv_and_its_truth(tmp_path: Path) -> None:
    path = write_footage(camera(seed=5, spawn_per_s=1.0), tmp_path / "out" / "street.mp4", frames=25)
    video = cv2.VideoCapture(str(path))
    images = []
    while True:
        found, image = video.read()
        if not found:
            break
        images.append(image)
    assert len(images) == 25
    assert video.get(cv2.CAP_PROP_FPS) == pytest.approx(5.0)
    drawn = list(camera(seed=5, spawn_per_s=1.0).frames(25))
    assert np.abs(images[20].astype(int) - drawn[20].image).mean() < 12
    truth = read_truth(path)
    assert (truth.width, truth.height, truth.fps, truth.condition) == (320, 180, 5.0, NIGHT)
    assert truth.classes == DRAWN_CLASSES
    assert [[(b.class_name, b.xyxy, b.track) for b in boxes] for boxes in truth.frames] == [
        [(b.class_name, b.xyxy, b.track) for b in f.boxes] for f in drawn
    ]
    assert truth.tracks() == {b.track for f in drawn for b in f.boxes}
    assert isinstance(truth, Truth)


def test_the_truth_file_has_the_promised_shape(tmp_path: Path) -> None:
    path = write_footage(camera(seed=5, spawn_per_s=2.0), tmp_path / "a.mp4", frames=6)
    raw = json.loads((tmp_path / "a.truth.json").read_text())
    assert path == tmp_path / "a.mp4"
    assert set(raw) == {"fps", "width", "height", "condition", "classes", "frames"}
    assert raw["condition"] == "night-clear"
    assert [set(f) for f in raw["frames"]] == [{"index", "boxes"}] * 6


@pytest.mark.parametrize("text", [None, "not json", "{}", '{"frames": 3}'])
def test_a_broken_truth_is_refused_by_name(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "a.truth.json").write_text(text)
    with pytest.raises(ConfigurationError, match=r"a\.truth\.json is not the truth"):
        read_truth(tmp_path / "a.mp4")


def test_a_video_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot write"):
        write_footage(camera(), tmp_path / "street.nonsense", frames=1)


def test_stills_and_cameras_of_a_world_are_other_streets_for_other_seeds() -> None:
    frame = next(iter(camera(seed=6, spawn_per_s=0.0).frames(1))).image.astype(int)
    still = draw_still(world=WorldName.FOOTAGE, seed=7, condition=NIGHT, size=SMALL, hazards=0).image
    assert np.abs(frame - still).mean() > 5
