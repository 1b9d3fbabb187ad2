"""Snapshots for sections of the page, and the texts of the rendered tables."""

import re
from html import unescape
from typing import Any

from dashboards.snapshot import Snapshot
from messaging.resources import (
    CampaignResource,
    FailureModeResource,
    HazardResource,
    ImageResource,
    OverviewResource,
    RecallResource,
    StageResource,
)

NOW = 1_800_000_000.0
OVERVIEW = OverviewResource(
    sites=0, sites_online=0, hazards_in_24_h=0, open_failure_modes=0, campaigns_running=0,
    sites_on_current_model=0, current_model=None,
)  # fmt: skip


def snapshot(**parts: Any) -> Snapshot:
    """A snapshot of an empty cloud at `NOW`, with these parts."""
    return Snapshot(NOW, **{"overview": OVERVIEW, **parts})


def row(markup: str, name: str) -> list[str]:
    """The texts of the cells of one table row."""
    cells = markup.split(f'data-row="{name}">')[1].split("</tr>", maxsplit=1)[0]
    return [text(f"<td{cell}") for cell in cells.split("<td")[1:]]


def text(markup: str) -> str:
    """The visible text of markup, on one line."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", markup)).split())


def recall(detected: int, supported: int, interval: tuple[float, float]) -> RecallResource:
    """An estimated recall with this Wilson interval."""
    value = detected / supported if supported else None
    return RecallResource(
        supported=supported, detected=detected, value=value, low=interval[0], high=interval[1]
    )


def failure_mode(**changes: Any) -> FailureModeResource:
    """Missed fires at night on one camera, open; any field may be changed."""
    fields: dict[str, Any] = {
        "id": "fire.night-rain.missed", "class_name": "fire", "condition": "night-rain", "kind": "missed",
        "status": "open", "status_since": 0, "campaign": None, "harm": 12.34, "frequency_per_hour": 1.0,
        "severity": 5, "count": 1_234, "count_in_service": 10, "sites": ("north",), "cameras": ("bridge",),
        "sources": {"motion": 2, "teacher": 30}, "geometry": (), "first_seen_utc": 0, "last_seen_utc": 0,
        "recall": recall(31, 92, (0.25, 0.44)), "target": 0.5, "rate": None, "baseline_rate": None,
    }  # fmt: skip
    return FailureModeResource(**{**fields, **changes})


def hazard(**changes: Any) -> HazardResource:
    """An open fire at the bridge of site north; any field may be changed."""
    fields: dict[str, Any] = {
        "site": "north", "event": "E1", "camera": "bridge", "class_name": "fallen_person", "state": "opened",
        "severity": 5, "confidence": 0.924, "condition": "night-rain", "zone": None,
        "box": (0.5, 0.5, 0.1, 0.1), "started_at_utc": int(NOW) - 43, "at_utc": int(NOW),
        "model_digest": "a" * 64,
    }  # fmt: skip
    return HazardResource(**{**fields, **changes})


def campaign(**changes: Any) -> CampaignResource:
    """A campaign in its training stage; any field may be changed."""
    fields: dict[str, Any] = {
        "id": "C1", "state": "running", "reason": "", "started_by": "operator",
        "modes": ("fallen_person.night-rain.missed",), "count": 60, "seed": 7, "attempt": 1,
        "incumbent_digest": "a" * 64, "candidate_digest": None, "created_at": int(NOW) - 30,
        "updated_at": int(NOW), "ended_at": None, "images_kept": 45, "images_refused": {},
        "stages": (
            StageResource(stage="plan", state="done"),
            StageResource(stage="train", state="running", progress=0.4, note="epoch 2 of 5", seconds_left=90),
            StageResource(stage="roll_out", state="pending"),
        ),
    }  # fmt: skip
    return CampaignResource(**{**fields, **changes})


def image(number: int, *, kept: bool = True, reason: str = "", thumbnail: bool = True) -> ImageResource:
    """A synthetic image with or without thumbnail."""
    return ImageResource(
        id=number, name=f"image-{number}", mode="m", kept=kept, reason=reason,
        thumbnail="/api/v1/t" if thumbnail else None, provenance={},
    )  # fmt: skip
