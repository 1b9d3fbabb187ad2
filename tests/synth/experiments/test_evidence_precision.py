"""Judging evidence by exact labels: which reports are right, which missed tracks are found."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from edge.evidence.collector import Evidence
from edge.evidence.sources import ThresholdedDetections
from edge.vision.detections import Detections
from messaging.reports import ErrorKind, EvidenceSource
from messaging.taxonomy import DEFAULT_TAXONOMY
from synth.experiments import evidence_precision
from synth.experiments.evidence_precision import CONDITIONS, FrameTruth, TrackCounts, main
from synth.street import DrawnBox
from tests.support.edge.model_bundles import describe
from tests.support.fake_detector import FakeDetector
from tests.support.messaging.samples import MISDETECTION

DESCRIPTION = describe()
FIRE, SMOKE = (DESCRIPTION.class_names.index(name) for name in ("fire", "smoke"))
BOX, ELSEWHERE = (10.0, 10.0, 50.0, 50.0), (100.0, 100.0, 140.0, 140.0)


def detections(*boxes: tuple[tuple[float, ...], int]) -> ThresholdedDetections:
    found = Detections.of([list(xyxy) for xyxy, _ in boxes], [0.9] * len(boxes), [c for _, c in boxes])
    return ThresholdedDetections.of(found, DESCRIPTION)


def truth(reported: ThresholdedDetections, *boxes: DrawnBox) -> FrameTruth:
    return FrameTruth(boxes, (), reported, None, DESCRIPTION.class_names)


def evidence(kind: ErrorKind, class_name: str, xyxy: tuple[float, ...] = BOX, **changes: object) -> Evidence:
    report = MISDETECTION.model_copy(update={"kind": kind, "class_name": class_name, **changes})
    return Evidence(report, "track", None, np.asarray(xyxy, np.float32))


FIRE_BOX = DrawnBox("fire", BOX, 7)


@pytest.mark.parametrize("class_name", ["fire", "unknown"])
def test_a_miss_is_right_where_a_hazard_is_and_no_detection(class_name: str) -> None:
    unreported = truth(detections(), FIRE_BOX)
    assert unreported.missed_by(evidence(ErrorKind.MISSED, class_name)) == {7}
    assert unreported.confirms(evidence(ErrorKind.MISSED, class_name))
    assert not unreported.confirms(evidence(ErrorKind.MISSED, class_name, ELSEWHERE))
    reported = truth(detections((BOX, FIRE)), FIRE_BOX)
    assert not reported.confirms(evidence(ErrorKind.MISSED, class_name))


def test_a_miss_of_the_frame_before_is_right_too() -> None:
    later = FrameTruth((), (FIRE_BOX,), detections(), detections(), DESCRIPTION.class_names)
    assert later.missed_by(evidence(ErrorKind.MISSED, "fire")) == {7}


def test_a_false_alarm_is_right_where_no_hazard_of_the_class_is() -> None:
    street = truth(detections((ELSEWHERE, FIRE)), FIRE_BOX)
    assert street.confirms(evidence(ErrorKind.FALSE_ALARM, "fire", ELSEWHERE))
    assert not street.confirms(evidence(ErrorKind.FALSE_ALARM, "fire"))


def test_a_poor_box_is_right_on_a_hazard_of_its_class() -> None:
    street = truth(detections((BOX, FIRE)), FIRE_BOX)
    assert street.confirms(evidence(ErrorKind.POOR_BOX, "fire"))
    assert not street.confirms(evidence(ErrorKind.POOR_BOX, "smoke"))


def test_a_wrong_class_is_right_on_a_hazard_of_another_class_and_the_teacher_names_the_true_one() -> None:
    street = truth(detections((BOX, SMOKE)), FIRE_BOX)
    assert street.confirms(evidence(ErrorKind.WRONG_CLASS, "smoke"))
    assert not street.confirms(evidence(ErrorKind.WRONG_CLASS, "fire"))
    assert street.confirms(evidence(ErrorKind.WRONG_CLASS, "fire", evidence=EvidenceSource.TEACHER))


def test_a_track_counts_as_missed_if_reported_in_less_than_half_of_its_frames() -> None:
    counts, tracks = evidence_precision.SourceCounts(), TrackCounts()
    tracks.frames.update({1: 10, 2: 10, 3: 2})
    tracks.reported.update({1: 4, 2: 5})
    tracks.evidence[EvidenceSource.MOTION] |= {1, 2, 3}
    tracks.close(counts)
    assert (counts.tracks, counts.missed_tracks, counts.found[EvidenceSource.MOTION]) == (2, 1, 1)


def test_the_measurement_writes_a_precision_and_a_recall_of_every_source_with_evidence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A detector that detects one box in the corner of every frame misses all drawn hazards."""
    monkeypatch.setattr(
        evidence_precision, "OnnxDetector", lambda path: FakeDetector(DESCRIPTION, "d" * 64, path.name)
    )
    monkeypatch.setattr(evidence_precision, "CONDITIONS", CONDITIONS[-1:])
    out = tmp_path / "evidence.json"
    arguments = ["good", "--teacher", "good", "--cameras", "1", "--frames", "20", "--out", str(out)]
    monkeypatch.setattr(sys, "argv", ["evidence_precision", *arguments])
    main()
    figures = {f["name"]: f for f in json.loads(out.read_text())["figures"]}
    recalls = [name for name in figures if name.endswith("_missed_recall")]
    assert {name.removesuffix("_missed_recall") for name in recalls} == set(evidence_precision.EDGE_SOURCES)
    assert all(0.0 <= figures[name]["value"] <= 1.0 for name in figures)
    assert DEFAULT_TAXONOMY.names == DESCRIPTION.class_names
