"""Rows of the store from which failure modes are computed: fires at night that one site missed."""

from typing import Any

from cloud.store.report_records import MisdetectionRow, RecallCount
from messaging.reports import ErrorKind, EvidenceSource
from messaging.taxonomy import Condition, Light, RegionBin, SizeBin, Weather
from tests.support.cloud.sample_reports import MINUTE, OLD

NIGHT = Condition(Light.NIGHT, Weather.CLEAR)


def misdetection_row(**changes: Any) -> MisdetectionRow:
    values: dict[str, Any] = {
        "site": "harbour",
        "camera": "north",
        "kind": ErrorKind.MISSED,
        "class_name": "fire",
        "condition": NIGHT,
        "box": (0.5, 0.5, 0.1, 0.1),
        "size": SizeBin.SMALL,
        "region": RegionBin.MIDDLE,
        "evidence": EvidenceSource.TEACHER,
        "probability": 1.0,
        "minute_utc": MINUTE,
        "model_digest": OLD,
    }
    return MisdetectionRow(**{**values, **changes})


def recall_count(supported: int, detected: int, **changes: Any) -> RecallCount:
    values: dict[str, Any] = {
        "site": "harbour",
        "class_name": "fire",
        "condition": NIGHT,
        "source": EvidenceSource.TEACHER,
        "model_digest": OLD,
    }
    return RecallCount(**{**values, **changes}, supported=supported, detected=detected)
