"""`python -m cloud.starting_detector.photograph_figures`: a detector on real photographs and films.

Evaluates on the split `val` of the data sets, which no shipped detector has learned from, and on the clips by
the edge's own replay, hazard rules included. Writes figures with counts and 95 % Wilson intervals.
"""

import argparse
import datetime
import json
import logging
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloud.detector.bundle_export import export_bundle
from cloud.detector.weights import read_weights
from cloud.errors import DataRefused
from cloud.evaluation.evaluate import Tally, evaluate
from cloud.starting_detector import STARTING_WEIGHTS
from cloud.starting_detector.photographs import VAL, HazardPhotograph, read_photographs
from edge.vision.detector import Detector
from edge.vision.onnx_detector import OnnxDetector
from messaging.figures import Figure, write_figures
from messaging.intervals import wilson
from messaging.runtime.program import configure_logging, exit_code_of
from messaging.taxonomy import Light

logger = logging.getLogger(__name__)

PRECISION_TARGET = ">= 0.5"
NIGHT_FIRE_FILM = "aagooo_fire_night.mp4"
WITHOUT_HAZARD = "intel_*.mp4"
ALL_FRAMES = 1_000_000
CLIP_LIMIT_S = 900.0


@dataclass(frozen=True)
class RequiredRecall:
    """A required figure: the recall of a class on the photographs `of`, false reports among them counted."""

    name: str
    class_name: str
    target: str
    of: Callable[[HazardPhotograph], bool]


def _street(light: Light) -> Callable[[HazardPhotograph], bool]:
    return lambda p: p.source == "amsterdam" and p.file.condition.light is light


ROWS = (
    RequiredRecall("street_rubbish_day", "garbage", ">= 0.6", _street(Light.DAY)),
    RequiredRecall("street_rubbish_night", "garbage", ">= 0.4", _street(Light.NIGHT)),
    RequiredRecall("pothole_near", "pothole", ">= 0.5", lambda p: p.range == "near"),
    RequiredRecall("fire", "fire", ">= 0.4", lambda p: True),
    RequiredRecall("smoke", "smoke", ">= 0.3", lambda p: True),
    RequiredRecall("fallen_person", "fallen_person", ">= 0.5", lambda p: True),
)


def photograph_figures(detector: Detector, photographs: Sequence[HazardPhotograph]) -> list[Figure]:
    """Recall and precision of the required rows, then recall of every source, class and light."""
    figures = []
    for row in ROWS:
        tally = _tally(detector, [p for p in photographs if row.of(p)], row.class_name)
        figures += _pair(row.name, tally, row.target, PRECISION_TARGET)
    for source in sorted({p.source for p in photographs}):
        some = [p for p in photographs if p.source == source]
        for tally in evaluate(detector, (p.file.open() for p in some)).tallies:
            figures += _pair(f"{source}_{tally.class_name}_{tally.condition}", tally, None, None)
    return figures


def clip_figures(bundle: Path, clips: Path) -> list[Figure]:
    """Share of a film's frames with its fire reported; false events per camera-hour of hazard-free clips."""
    film = _replayed(clips / NIGHT_FIRE_FILM, bundle)
    with_fire = int(film["frames_with"].get("fire", 0))
    free = [_replayed(clip, bundle) for clip in sorted(clips.glob(WITHOUT_HAZARD))]
    if not free:
        raise DataRefused(f"{clips} holds no clip {WITHOUT_HAZARD}; give the folder of the clips")
    seconds = sum(float(clip["footage_s"]) for clip in free)
    events = sum(sum(clip["hazards"].values()) for clip in free)
    frames = int(film["frames"])
    return [
        Figure(
            "fire_in_night_film", with_fire / frames, "ratio", ">= 0.3", frames, wilson(with_fire, frames)
        ),
        Figure(
            "false_events_per_camera_hour",
            events * 3600 / seconds,
            "events per hour",
            "<= 1",
            n=round(seconds),
        ),
    ]


def _replayed(clip: Path, bundle: Path) -> dict[str, Any]:
    """The edge's replay of a clip, as its command prints it. Raises `DataRefused` when it fails."""
    command = [sys.executable, "-m", "edge.cli", "replay", str(clip), "--bundle", str(bundle)]
    command += ["--frames", str(ALL_FRAMES), "--json"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=CLIP_LIMIT_S, check=False)
    if run.returncode != 0:
        raise DataRefused(f"clip {clip} was not replayed: {run.stderr.strip()[-300:]}")
    result: dict[str, Any] = json.loads(run.stdout)
    logger.info("%s: %d frames, hazards %s", clip.name, result["frames"], result["hazards"] or "none")
    return result


def _tally(detector: Detector, photographs: Sequence[HazardPhotograph], class_name: str) -> Tally | None:
    return evaluate(detector, (p.file.open() for p in photographs)).of_class(class_name)


def _pair(
    name: str, tally: Tally | None, recall_target: str | None, precision_target: str | None
) -> list[Figure]:
    """Recall and precision as figures; None where there is no true, or no reported, box."""
    if tally is None:
        return [
            Figure(f"{name}_recall", None, "ratio", recall_target, 0),
            Figure(f"{name}_precision", None, "ratio", precision_target, 0),
        ]
    recall = Figure(
        f"{name}_recall", tally.recall, "ratio", recall_target, tally.truths, tally.recall_interval
    )
    precision = Figure(
        f"{name}_precision",
        tally.precision,
        "ratio",
        precision_target,
        tally.reported,
        tally.precision_interval,
    )
    return [recall, precision]


def run(given: argparse.Namespace) -> None:
    """Measure and write the figures."""
    with tempfile.TemporaryDirectory() as folder:
        bundle = Path(folder) / "model.onnx"
        export_bundle(read_weights(given.weights), bundle)
        figures = photograph_figures(OnnxDetector(bundle), read_photographs(given.photographs, VAL))
        if given.clips is not None:
            figures += clip_figures(bundle, given.clips)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    now = datetime.datetime.now(datetime.UTC)
    write_figures(given.out, figures, command="make photographs", now=now)
    for figure in figures:
        if figure.target is not None:
            holds = "holds" if figure.holds else "does not hold"
            logger.info("%s: %s of %s, %s %s", figure.name, figure.value_text, figure.n, figure.target, holds)


def main() -> int:
    """Entry point; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m cloud.starting_detector.photograph_figures", description=__doc__
    )
    parser.add_argument(
        "--weights", type=Path, default=STARTING_WEIGHTS, help="default: the starting detector"
    )
    parser.add_argument(
        "--photographs", type=Path, action="append", required=True, help="a data set; may be repeated"
    )
    parser.add_argument("--clips", type=Path, help="folder of the clips")
    parser.add_argument("--out", type=Path, required=True, help="file for the figures")
    given = parser.parse_args()
    configure_logging()
    return exit_code_of(lambda: run(given))


if __name__ == "__main__":
    raise SystemExit(main())
