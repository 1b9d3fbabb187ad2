"""Measures each evidence source as "this is a miss" (and the other kinds) on drawn, labelled footage.

    python -m synth.experiments.evidence_precision SERVICE.onnx [--teacher TEACHER.onnx] [--world reference]
        [--cameras 2] [--frames 150] [--out out/figures/evidence.json]

Precision: fraction of a source's reports that the labels confirm on its frame. Recall: fraction of
the labelled tracks that the detector in service reports in less than half of their frames, which the source
reported at least once. Sources are measured one at a time, each with a collector of its own. The results
feed `edge.evidence.collector.PROBABILITY`; edge itself may not import the drawn streets.
"""

import argparse
import datetime
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from edge.camera.motion_filter import MotionFilter
from edge.evidence.collector import EDGE_SOURCES, Comparisons, Evidence, EvidenceCollector, FrameContext
from edge.evidence.second_views import second_views
from edge.evidence.sources import EvidenceRules, ThresholdedDetections
from edge.evidence.teacher import Teacher, TeacherResult
from edge.tracking.tracker import SPARSE_FRAMES, ByteTracker, TrackerSettings
from edge.vision.conditions import ConditionMemory
from edge.vision.detections import Detections, Floats, iou_matrix
from edge.vision.detector import Detector, Image
from edge.vision.frames import Frame
from edge.vision.onnx_detector import OnnxDetector
from messaging.figures import Figure, write_figures
from messaging.intervals import wilson
from messaging.releases import BundleDescription
from messaging.reports import ErrorKind, EvidenceSource
from messaging.taxonomy import Condition
from synth.street import DrawnBox, StreetCamera, WorldName

CONDITIONS = ("night-clear", "day-rain", "day-fog", "night-rain", "day-clear")
MISSED_FRACTION = 0.5
SHORTEST_TRACK = 5
Key = tuple[EvidenceSource, ErrorKind]


@dataclass
class SourceCounts:
    """Counts over all footage."""

    right: dict[Key, int] = field(default_factory=lambda: defaultdict(int))
    reported: dict[Key, int] = field(default_factory=lambda: defaultdict(int))
    found: dict[EvidenceSource, int] = field(default_factory=lambda: defaultdict(int))
    missed_tracks: int = 0
    tracks: int = 0


@dataclass
class TrackCounts:
    """Frames, reports and evidence of each labelled track of one camera."""

    frames: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    reported: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    evidence: dict[EvidenceSource, set[int]] = field(default_factory=lambda: defaultdict(set))

    def close(self, counts: SourceCounts) -> None:
        """Add the tracks to the counts."""
        long = {t for t, n in self.frames.items() if n >= SHORTEST_TRACK}
        missed = {t for t in long if self.reported[t] < MISSED_FRACTION * self.frames[t]}
        counts.tracks += len(long)
        counts.missed_tracks += len(missed)
        for source, tracks in self.evidence.items():
            counts.found[source] += len(tracks & missed)


@dataclass(frozen=True)
class FrameTruth:
    """The labels of two frames in a row: evidence of a gap has its box on the first of them."""

    boxes: tuple[DrawnBox, ...]
    before: tuple[DrawnBox, ...]
    thresholded: ThresholdedDetections
    before_thresholded: ThresholdedDetections | None
    class_names: tuple[str, ...]

    def reports(self, thresholded: ThresholdedDetections, box: DrawnBox) -> bool:
        """Whether the detector reports a true box."""
        reported = thresholded.reported
        rows = reported.xyxy[reported.class_id == self.class_names.index(box.class_name)]
        least = self._same(box.class_name)
        return bool(len(rows)) and bool(iou_matrix(_array(box.xyxy), rows).max() >= least)

    def _same(self, class_name: str) -> float:
        return self.thresholded.same(self.class_names.index(class_name), EvidenceRules())

    def missed_by(self, evidence: Evidence) -> set[int]:
        """Tracks at the box of the evidence that the detector did not report."""
        name, unknown = evidence.report.class_name, evidence.report.class_name == "unknown"
        found = set()
        for boxes, thresholded in ((self.boxes, self.thresholded), (self.before, self.before_thresholded)):
            for box in boxes:
                least = 0.1 if unknown else self._same(box.class_name)
                near = iou_matrix(evidence.xyxy[None], _array(box.xyxy))[0, 0] >= least
                same = unknown or name == box.class_name
                if thresholded and near and same and not self.reports(thresholded, box):
                    found.add(box.track)
        return found

    def confirms(self, evidence: Evidence) -> bool:
        """Whether the truth agrees with the report."""
        report, xyxy = evidence.report, evidence.xyxy[None]
        overlap = {b.class_name: 0.0 for b in self.boxes}
        for b in self.boxes:
            overlap[b.class_name] = max(overlap[b.class_name], float(iou_matrix(xyxy, _array(b.xyxy))[0, 0]))
        own = overlap.get(report.class_name, 0.0)
        others = max((v for n, v in overlap.items() if n != report.class_name), default=0.0)
        if report.kind is ErrorKind.MISSED:
            return bool(self.missed_by(evidence))
        if report.kind is ErrorKind.FALSE_ALARM:
            return own < 0.1
        if report.kind is ErrorKind.POOR_BOX:
            return own >= 0.3
        teacher_class = report.evidence is EvidenceSource.TEACHER
        return own >= 0.3 if teacher_class else own < 0.3 <= others


@dataclass(frozen=True)
class _OneModel:
    """A teacher that is never swapped."""

    detector: OnnxDetector

    @property
    def description(self) -> BundleDescription:
        return self.detector.description

    def detect_frame(self, image: Image, *, floor: float | None = None) -> tuple[Detector, Detections]:
        return self.detector, self.detector.detect([image], floor=floor)[0]


class CameraEvaluation:
    """The detector in service and every source, one collector each, on one drawn camera."""

    def __init__(self, service: OnnxDetector, teacher: OnnxDetector | None, rules: EvidenceRules) -> None:
        bundle = service.description
        self.service = service
        self.teacher = Teacher(_OneModel(teacher), bundle, SPARSE_FRAMES) if teacher else None
        self.tracker = ByteTracker(bundle, TrackerSettings())
        self.motion, self.memory = MotionFilter(), ConditionMemory()
        self.collectors = {
            s: EvidenceCollector("cam", bundle, rules, sources=frozenset({s})) for s in EDGE_SOURCES
        }
        self.floor = min(self.tracker.floor, self.collectors[EvidenceSource.LOW_MARGIN].floor)
        self.before: tuple[tuple[DrawnBox, ...], ThresholdedDetections | None] = ((), None)

    def _taught(self, frame: Frame, seen: Detections, context: FrameContext) -> TeacherResult | None:
        if self.teacher is None:
            return None
        result = self.teacher.infer(frame.image)
        return self.teacher.observe(frame, seen, context.tags.condition, result)

    def process(
        self, frame: Frame, truth: tuple[DrawnBox, ...], counts: SourceCounts, tracks: TrackCounts
    ) -> None:
        """Run detector, tracker, motion filter, second views and every source on one frame."""
        seen = self.service.detect([frame.image], floor=self.floor)[0]
        context = FrameContext(
            frame,
            self.memory.observe(frame.image, frame.time_s),
            seen,
            self.service.digest,
            self.tracker.update(seen, frame.time_s),
            self.motion.observe(frame.image, frame.time_s),
        )
        comparisons = Comparisons(
            tuple(second_views(self.service, frame.image, self.floor)),
            self._taught(frame, seen, context),
        )
        thresholded = ThresholdedDetections.of(seen, self.service.description)
        names = self.service.description.class_names
        labels = FrameTruth(truth, *self.before[:1], thresholded, self.before[1], names)
        for box in truth:
            tracks.frames[box.track] += 1
            tracks.reported[box.track] += labels.reports(thresholded, box)
        for source, collector in self.collectors.items():
            for evidence in collector.observe(context, comparisons):
                key = source, evidence.report.kind
                counts.reported[key] += 1
                counts.right[key] += labels.confirms(evidence)
                if evidence.report.kind is ErrorKind.MISSED:
                    tracks.evidence[source] |= labels.missed_by(evidence)
        self.before = truth, thresholded


def measure(
    service: OnnxDetector,
    teacher: OnnxDetector | None,
    *,
    world: WorldName,
    cameras: int,
    frames: int,
    rules: EvidenceRules | None = None,
) -> SourceCounts:
    """Run `frames` frames of `cameras` drawn cameras under every condition."""
    counts = SourceCounts()
    for key in CONDITIONS:
        for seed in range(cameras):
            camera = StreetCamera(world=world, seed=900 + seed, condition=Condition.parse(key))
            evaluation = CameraEvaluation(service, teacher, rules or EvidenceRules())
            tracks = TrackCounts()
            for drawn in camera.frames(frames):
                frame = Frame("cam", drawn.image, drawn.index, drawn.time_s, 1_800_000_000 + drawn.time_s)
                evaluation.process(frame, drawn.boxes, counts, tracks)
            tracks.close(counts)
            sys.stderr.write(
                f"{key} camera {seed}: {counts.missed_tracks} of {counts.tracks} tracks missed\n"
            )
    return counts


def figures_of(counts: SourceCounts) -> list[Figure]:
    """One precision per source and kind, one recall per source."""
    figures = []
    for (source, kind), reported in sorted(counts.reported.items()):
        right = counts.right[source, kind]
        figures.append(
            Figure(
                f"{source}_{kind}_precision",
                right / reported,
                "fraction",
                None,
                reported,
                wilson(right, reported),
            )
        )
    for source in sorted(EDGE_SOURCES):
        if counts.missed_tracks:
            found = counts.found[source]
            figures.append(
                Figure(
                    f"{source}_missed_recall",
                    found / counts.missed_tracks,
                    "fraction",
                    None,
                    counts.missed_tracks,
                    wilson(found, counts.missed_tracks),
                )
            )
    return figures


def _array(xyxy: tuple[float, float, float, float]) -> Floats:
    return np.asarray([xyxy], np.float32)


def main() -> None:
    """Measure, print and write the figures."""
    parser = argparse.ArgumentParser(description="How often each evidence source is right.")
    parser.add_argument("service", type=Path)
    parser.add_argument("--teacher", type=Path)
    parser.add_argument("--world", type=WorldName, default=WorldName.REFERENCE)
    parser.add_argument("--cameras", type=int, default=2)
    parser.add_argument("--frames", type=int, default=150)
    parser.add_argument("--out", type=Path, default=Path("out/figures/evidence.json"))
    wanted = parser.parse_args()
    cv2.setNumThreads(1)
    teacher = OnnxDetector(wanted.teacher) if wanted.teacher else None
    counts = measure(
        OnnxDetector(wanted.service),
        teacher,
        world=wanted.world,
        cameras=wanted.cameras,
        frames=wanted.frames,
    )
    figures = figures_of(counts)
    for f in figures:
        low, high = f.interval or (0.0, 0.0)
        sys.stdout.write(f"{f.name:44} {f.value:6.3f}  [{low:.2f}, {high:.2f}]  n={f.n}\n")
    command = " ".join(["python -m synth.experiments.evidence_precision", *sys.argv[1:]])
    write_figures(wanted.out, figures, command=command, now=datetime.datetime.now(datetime.UTC))


if __name__ == "__main__":
    main()
