"""The outcome of one run of the real loop: rows, figures with intervals, and notes.

When the campaign was stopped, its candidate is measured all the same, and a note states where and why it was
stopped. The control arm is the control model of the campaign's training, without any synthetic image.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from cloud.demo.outcome import CloudState, images_of, promoted_model, samples_of, site_bytes, stage_times
from cloud.demo.photographs.roles import POTHOLE, of_highways, read_photographs
from cloud.demo.photographs.scenario import RealInput
from cloud.demo.photographs.truth import (
    LOOSE_IOU,
    RoadMetrics,
    frames_with_fire,
    other_evaluation,
    road_ap50,
    road_metrics,
    scores_of,
)
from cloud.demo.result import DemoResult, Measured, Row, Score
from cloud.settings import DataFolder
from edge.vision.detector import Detector
from edge.vision.onnx_detector import OnnxDetector
from messaging.figures import Figure
from messaging.intervals import newcombe_difference, sign_test, wilson

ROADS, OTHERS = "val roads", "other val"
NOTHING = Score(0, 0, 0)


@dataclass(frozen=True)
class Arms:
    """The bundles to compare. `candidate` is the campaign's, whether it was put in service or not."""

    before: Path
    candidate: Path | None
    control: Path | None


@dataclass(frozen=True)
class RealTruth:
    """Everything that was counted with labels, by arm, and the frames of the fire video."""

    roads: Mapping[str, RoadMetrics]
    loose: Mapping[str, RoadMetrics]
    others: Mapping[str, Mapping[tuple[str, str], Score]]
    fire_frames: Mapping[str, tuple[int, int]]
    ap50: Mapping[str, float | None]


def read_truth(arms: Arms, given: RealInput) -> RealTruth:
    """Read the labels of `val` and run every arm on its photographs, once."""
    val = read_photographs(given.photographs, "val")
    roads = [photograph for photograph in val if of_highways(photograph)]
    others = [photograph for photograph in val if not of_highways(photograph)]
    detectors: dict[str, Detector] = {
        name: OnnxDetector(path, threads=2) for name, path in vars(arms).items() if path is not None
    }
    return RealTruth(
        roads={n: road_metrics(d, roads) for n, d in detectors.items()},
        loose={n: road_metrics(d, roads, LOOSE_IOU) for n, d in detectors.items()},
        others={n: scores_of(other_evaluation(d, others)) for n, d in detectors.items()},
        fire_frames={n: frames_with_fire(d, given.clip) for n, d in detectors.items()},
        ap50={n: road_ap50(d, roads) for n, d in detectors.items()},
    )


def real_outcome(
    work: Path, evidence: CloudState, measured: Measured, truth: RealTruth, cameras: Mapping[str, list[str]]
) -> DemoResult:
    """Compile the result; `cameras` are the camera names of each site."""
    last = evidence.campaigns[-1]
    return DemoResult(
        rows=tuple(_rows(truth)),
        sites=tuple(site_bytes(work, site, names) for site, names in cameras.items()),
        images=images_of(evidence),
        stages_s=stage_times(last),
        measured=measured,
        failure_modes=tuple(mode.model_dump(mode="json") for mode in evidence.modes),
        samples=samples_of(DataFolder(work / "cloud").campaign(last.id)),
        notes=tuple(_notes(evidence, truth)),
    )


def figures_of_real(result: DemoResult, truth: RealTruth) -> list[Figure]:
    """Counts and 95 % intervals. Only the run time has a target; the rest is recorded as measured."""
    figures = [Figure("real_minutes", result.measured.minutes, "min", "<= 15")]
    for arm, roads in truth.roads.items():
        figures += [
            _percentage(f"small_pothole_recall_{arm}", roads.small_score.found, roads.small_score.truth),
            _percentage(f"small_pothole_recall_iou30_{arm}", *_found(truth.loose[arm].small_score)),
            _percentage(f"small_pothole_precision_{arm}", *_reported(roads.small_score)),
            _percentage(f"large_pothole_recall_{arm}", *_found(roads.large_score)),
            _percentage(f"large_pothole_precision_{arm}", *_reported(roads.large_score)),
            Figure(
                f"false_potholes_on_empty_roads_{arm}",
                roads.false_on_empty,
                "boxes",
                n=roads.empty_photographs,
            ),
            Figure(f"pothole_ap50_{arm}", truth.ap50[arm], "ratio", n=len(roads.small) + len(roads.large)),
            _percentage(f"night_fire_frames_{arm}", *truth.fire_frames[arm]),
        ]
    for arm in ("candidate", "control"):
        if arm in truth.roads:
            figures += _gain("small_pothole_gain", "before", arm, truth.roads)
            figures += _gain("small_pothole_gain_iou30", "before", arm, truth.loose)
    if {"candidate", "control"} <= set(truth.roads):
        figures += _gain("small_pothole_gain", "control", "candidate", truth.roads)
        figures += _gain("small_pothole_gain_iou30", "control", "candidate", truth.loose)
    return figures


def _percentage(name: str, part: int, whole: int) -> Figure:
    if not whole:
        return Figure(name, None, "%", n=0)
    low, high = wilson(part, whole)
    return Figure(name, 100 * part / whole, "%", n=whole, interval=(100 * low, 100 * high))


def _found(score: Score) -> tuple[int, int]:
    return score.found, score.truth


def _reported(score: Score) -> tuple[int, int]:
    return score.found, score.found + score.false


def _gain(name: str, one: str, other: str, roads: Mapping[str, RoadMetrics]) -> list[Figure]:
    """Points of recall on small potholes from one arm to another, and the paired one-sided p-value."""
    before, after = roads[one].small, roads[other].small
    if not before:
        return []
    low, high = newcombe_difference((sum(before), len(before)), (sum(after), len(after)))
    gained = sum(b > a for a, b in zip(before, after, strict=True))
    lost = sum(a > b for a, b in zip(before, after, strict=True))
    label = f"{name}_{one}_to_{other}"
    return [
        Figure(
            f"{label}_points",
            100 * (sum(after) - sum(before)) / len(before),
            "points",
            n=len(before),
            interval=(100 * low, 100 * high),
        ),
        Figure(f"{label}_p", sign_test(gained, lost), "one-sided sign test", n=gained + lost),
    ]


def _rows(truth: RealTruth) -> Iterator[Row]:
    after = "candidate" if "candidate" in truth.roads else "before"
    old, new = truth.roads["before"], truth.roads[after]
    yield Row(POTHOLE, f"{ROADS}, under 32 px", True, old.small_score, new.small_score)
    yield Row(POTHOLE, f"{ROADS}, 32 px and more", False, old.large_score, new.large_score)
    before, behind = truth.others["before"], truth.others[after]
    for key in sorted({*before, *behind}):
        pair = before.get(key, NOTHING), behind.get(key, NOTHING)
        if pair[0].truth:
            yield Row(key[0], f"{OTHERS}, {key[1]}", False, *pair)


def _notes(evidence: CloudState, truth: RealTruth) -> Iterator[str]:
    last = evidence.campaigns[-1]
    aimed = ", ".join(last.modes)
    if promoted_model(last):
        yield f"The campaign for {aimed} ended with its candidate in service."
    else:
        ended = f"The campaign for {aimed} ended {last.state}"
        yield f"{ended}: {last.reason or 'no reason given'}. No other model was put in service."
        if last.candidate_digest:
            yield "The figures called after are those of its candidate."
    verified = next((s.metrics for s in last.stages if s.stage == "verify"), {})
    for mode, row in verified.items():
        if isinstance(row, dict):
            yield f"At the edge {mode} is {row['status']}."
    for arm, (burning, frames) in truth.fire_frames.items():
        yield (f"Night fire video (no ground truth), {arm}: fire in {burning} of {frames} frames.")
