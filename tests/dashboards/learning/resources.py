"""Failure modes, their histories and campaigns for tests of this folder."""

from typing import Any

from messaging.api.mode_history import ModeHistoryResource
from messaging.resources import CampaignResource, FailureModeResource

NOW = 1_800_000_000
DAY = 86_400
RECALL = {"supported": 92, "detected": 31, "value": 0.34, "low": 0.25, "high": 0.44}


def mode(**changed: Any) -> FailureModeResource:
    """A failure mode that is open, with fields changed."""
    fields: dict[str, Any] = {
        "id": "fire.night-clear.missed", "class_name": "fire", "condition": "night-clear", "kind": "missed",
        "status": "open", "status_since": NOW - 3 * DAY, "campaign": None, "harm": 12.5,
        "frequency_per_hour": 1.5, "severity": 5, "count": 92, "count_in_service": 92, "sites": ("north",),
        "cameras": ("north/bridge",), "site_count": 1, "camera_count": 1, "sources": {"teacher": 61},
        "geometry": (), "first_seen_utc": NOW - 4 * DAY, "last_seen_utc": NOW - 60, "recall": RECALL,
        "target": 0.8, "rate": None, "baseline_rate": None,
    }  # fmt: skip
    return FailureModeResource.model_validate(fields | changed)


def history(**changed: Any) -> ModeHistoryResource:
    """Two days of evidence, one of recall, a campaign and a change of status, with fields changed."""
    fields: dict[str, Any] = {
        "id": "fire.night-clear.missed", "since": NOW - 30 * DAY, "until": NOW, "target": 0.8,
        "evidence": (
            {"at": NOW - 2 * DAY, "sources": {"teacher": 5, "motion": 2}},
            {"at": NOW - DAY, "sources": {"teacher": 4}},
        ),
        "recall": ({"at": NOW - DAY, "recall": RECALL},),
        "campaigns": (
            {"campaign": "C1", "started_at": NOW - DAY, "ended_at": None, "state": "running", "reason": ""},
        ),
        "changes": (
            {"at": NOW - 3 * DAY, "before": "closed", "status": "open", "campaign": None,
             "reason": "recall fell below 80 %"},
        ),
        "heat_map": {"columns": 2, "rows": 1, "boxes": 3, "values": ((0.0, 3.0),)},
    }  # fmt: skip
    return ModeHistoryResource.model_validate(fields | changed)


def campaign(**changed: Any) -> CampaignResource:
    """A running campaign, with fields changed."""
    fields: dict[str, Any] = {
        "id": "C1", "state": "running", "reason": "", "started_by": "ana",
        "modes": ("fire.night-clear.missed",), "count": 60, "seed": 7, "attempt": 1, "incumbent_digest": None,
        "candidate_digest": None, "created_at": NOW - DAY, "updated_at": NOW, "ended_at": None, "stages": (),
        "images_kept": 45, "images_refused": {},
    }  # fmt: skip
    return CampaignResource.model_validate(fields | changed)
