"""Reports of sites for the cloud's tests, with ids, and a store to put them into."""

from pathlib import Path
from typing import Any

from ulid import ULID

from cloud.fleet.report_checks import ReportChecks
from cloud.settings import RetentionSettings
from cloud.store.database import Database, open_database
from cloud.store.records import Release
from cloud.store.release_store import ReleaseStore
from cloud.store.report_insertion import Received
from cloud.store.report_store import ReportStore
from messaging.releases import Channel
from messaging.reports import (
    AccountState,
    BoxGeometry,
    CameraHealth,
    ClassPrototype,
    ConditionTags,
    ErrorKind,
    EvidenceSource,
    FrameFlow,
    GuardOutcome,
    GuardReport,
    Heartbeat,
    Misdetection,
    PrivacyBudget,
    RecallTally,
    Report,
    SwapOutcome,
    SwapReason,
    SwapReceipt,
)
from messaging.runtime.quoting import sqlite_url
from messaging.taxonomy import DEFAULT_TAXONOMY, Light, RegionBin, SizeBin, Weather
from messaging.wire_format.codec import Message, encode
from tests.support.fake_detector import describe
from tests.support.messaging.samples import GUARD

OLD, NEW = "0a" * 32, "0b" * 32
EMBEDDING = "e" * 64
MINUTE = 1_799_999_940
NIGHT_RAIN = ConditionTags(
    light=Light.NIGHT, weather=Weather.RAIN, size=SizeBin.SMALL, region=RegionBin.BOTTOM
)
MODE = "pothole.night-rain.missed"


def new_id() -> str:
    return str(ULID())


def message(report: Report, site: str = "harbour", *, at: int = MINUTE) -> Message:
    return Message(new_id(), site, at, report)


def received(report: Report, site: str = "harbour") -> Received:
    sent = message(report, site)
    return Received(sent, len(encode(sent)))


def misdetection(**changes: Any) -> Misdetection:
    values: dict[str, Any] = {
        "camera": "north",
        "kind": ErrorKind.MISSED,
        "class_name": "pothole",
        "tags": NIGHT_RAIN,
        "box": BoxGeometry(cx=0.5, cy=0.8, w=0.1, h=0.05),
        "evidence": EvidenceSource.TEACHER,
        "probability": 0.9,
        "minute_utc": MINUTE,
        "model_digest": OLD,
    }
    return Misdetection(**{**values, **changes})


def tally(**changes: Any) -> RecallTally:
    values: dict[str, Any] = {
        "camera": "north",
        "class_name": "pothole",
        "light": Light.NIGHT,
        "weather": Weather.RAIN,
        "source": EvidenceSource.TEACHER,
        "model_digest": OLD,
        "supported": 40,
        "detected": 10,
        "minute_utc": MINUTE,
    }
    return RecallTally(**{**values, **changes})


def prototype(vector: tuple[int, ...], **changes: Any) -> ClassPrototype:
    values: dict[str, Any] = {
        "camera": "north",
        "class_name": "pothole",
        "tags": NIGHT_RAIN,
        "vector": vector,
        "scale": 0.1,
        "embedding_digest": EMBEDDING,
        "tracks": 20,
        "noise_sigma": 0.1,
        "epsilon": 1.0,
        "epsilon_spent": 1.0,
        "delta": 1e-5,
        "minute_utc": MINUTE,
    }
    return ClassPrototype(**{**values, **changes})


BUDGETS = {
    "bridge": PrivacyBudget(epsilon=8.0, window_days=30, epsilon_left=5.17, account=AccountState.OPEN),
    "market": PrivacyBudget(epsilon=8.0, window_days=30, epsilon_left=0.0, account=AccountState.LOST),
}
"""By camera; the others are of sites that report none."""
FLOWS = {
    "bridge": FrameFlow(
        processed_fps=4.0, skipped_fps=1.0, decode_errors=12, day_fraction=0.55, night_fraction=0.35
    ),
}
"""Likewise."""


def camera_health(name: str, tags: ConditionTags) -> CameraHealth:
    """A connected camera under a condition."""
    return CameraHealth(
        camera=name, frames=18_240, skipped=2_110, dropped=0, failures=0, detections=912, misdetections=157,
        fps=5.0, inference_p50_ms=11.2, inference_p95_ms=17.9, frame_age_s=0.2, connected=True,
        light=tags.light, weather=tags.weather, budget=BUDGETS.get(name),
        flow=FLOWS.get(name),
    )  # fmt: skip


def heartbeat(digest: str | None = OLD, **changes: Any) -> Heartbeat:
    values: dict[str, Any] = {
        "model_digest": digest,
        "previous_digest": None,
        "candidate_digest": None,
        "channel": None,
        "uptime_s": 10,
        "resident_mb": 200.0,
        "outbox_messages": 0,
        "shed": 0,
        "epsilon_spent": 0.0,
        "transport_bytes": 1_830_400,
        "cameras": (),
        "at_utc": MINUTE,
    }
    return Heartbeat(**{**values, **changes})


def swap(sequence: int, digest: str, outcome: SwapOutcome, channel: Channel = Channel.SERVICE) -> SwapReceipt:
    return SwapReceipt(
        sequence=sequence,
        digest=digest,
        previous_digest=None,
        channel=channel,
        outcome=outcome,
        reason=SwapReason.NONE,
        frames_lost=0,
        at_utc=MINUTE,
    )


def counts(store: ReportStore) -> dict[str, int]:
    """Stored reports by kind, heartbeats aside."""
    totals = [total for total in store.lists.ledger_totals(limit=1000) if total.kind != "heartbeat"]
    return {kind: sum(t.count for t in totals if t.kind == kind) for kind in {t.kind for t in totals}}


FOR_EVER = RetentionSettings(evidence_days=36500, shadow_days=36500, hazards_days=36500)
"""Keeps evidence that was found long ago, for a window of failure modes that reaches back to it."""


def open_store(folder: Path) -> tuple[Database, ReportStore]:
    database = open_database(sqlite_url(folder / "store.sqlite"), clock=lambda: MINUTE)
    return database, ReportStore(database)


def checks_of(database: Database) -> ReportChecks:
    """Checks of the default classes, and of a release of the embedding of `prototype` with 4 coordinates."""
    releases = ReleaseStore(database)
    description = describe("first").model_dump(mode="json")
    releases.put_release(Release(OLD, Channel.SERVICE, "first", 1, 100, None, None, description, MINUTE))
    day_s = 86_400
    return ReportChecks(ReportStore(database), releases, lambda: DEFAULT_TAXONOMY, max_age_s=30 * day_s)


def guard(digest: str, previous_digest: str, at_utc: int, **changes: object) -> GuardReport:
    """A guard report about a model beside the one before it, at a time in seconds since 1970."""
    about = {"model_digest": digest, "previous_digest": previous_digest, "minute_utc": at_utc // 60 * 60}
    return GUARD.model_copy(update={**about, **changes})


def guards_of_rollout(digest: str, previous_digest: str, at_utc: int) -> list[tuple[str, GuardReport]]:
    """The reports of north and south by site."""
    worse = guard(
        *(digest, previous_digest, at_utc), outcome=GuardOutcome.WORSE, latency_ms=310.0, teacher_recall=None
    )
    return [("north", guard(digest, previous_digest, at_utc)), ("south", worse)]
