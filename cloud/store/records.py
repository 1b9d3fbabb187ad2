"""What the store hands out: frozen values, one a row, validated where a nonsense would spread.

Nothing here knows SQL. Times are seconds since 1970 (UTC), digests sha256 hex, figures plain JSON values.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from messaging.reports import ErrorKind, EvidenceSource
from messaging.taxonomy import Condition, RegionBin, SizeBin


@dataclass(frozen=True)
class Site:
    """A site that is known, and the highest entry of its ledger that was received."""

    site: str
    added_at: int
    revoked: bool = False
    ledger_n: int = 0
    ledger_hash: str = ""


@dataclass(frozen=True)
class MisdetectionRow:
    """One misdetection with the site it came from."""

    site: str
    camera: str
    kind: ErrorKind
    class_name: str
    condition: Condition
    size: SizeBin
    region: RegionBin
    evidence: EvidenceSource
    probability: float
    minute_utc: int
    model_digest: str


@dataclass(frozen=True)
class PrototypeRow:
    """One camera's prototype, in real values (steps x scale)."""

    site: str
    camera: str
    class_name: str
    condition: Condition
    vector: tuple[float, ...]
    embedding_digest: str
    tracks: int
    noise_sigma: float
    minute_utc: int


@dataclass(frozen=True)
class RecallCount:
    """Summed tallies of one site, class, condition, source and model."""

    site: str
    class_name: str
    condition: Condition
    source: EvidenceSource
    model_digest: str
    supported: int
    detected: int

    def __post_init__(self) -> None:
        if not 0 <= self.detected <= self.supported:
            raise ValueError(f"detected {self.detected} must lie between 0 and supported {self.supported}")


@dataclass(frozen=True)
class HazardRow:
    """The latest state of one hazard event."""

    site: str
    event: str
    camera: str
    class_name: str
    state: str
    condition: Condition
    zone: str | None
    severity: int
    confidence: float
    box: tuple[float, float, float, float]
    started_at_utc: int
    at_utc: int
    model_digest: str


@dataclass(frozen=True)
class SwapRow:
    """What a site did with an order."""

    site: str
    sequence: int
    digest: str
    previous_digest: str | None
    channel: str
    outcome: str
    reason: str
    frames_lost: int
    at_utc: int


@dataclass(frozen=True)
class DeadLetter:
    """A message that was refused and kept aside for inspection."""

    id: int
    subject: str
    message_id: str
    reason: str
    length_bytes: int
    received_at: int


@dataclass(frozen=True)
class LedgerTotal:
    """What one site sent of one kind."""

    site: str
    kind: str
    count: int
    length_bytes: int


class ModeStatus(StrEnum):
    """Life of a failure mode."""

    OPEN = "open"
    IN_CAMPAIGN = "in_campaign"
    WAITING = "waiting"
    CLOSED = "closed"
    REOPENED = "reopened"


@dataclass(frozen=True)
class ModeState:
    """The remembered part of a failure mode; the rest is recomputed from evidence.

    `baseline_digest` and `baseline_rate` are the model and the misdetection rate (per supported track) when
    the mode was found: "halved" is measured against them.
    """

    mode: str
    status: ModeStatus
    since: int
    campaign: str | None = None
    baseline_digest: str | None = None
    baseline_rate: float | None = None
    assigned_class: str | None = None


class CampaignState(StrEnum):
    """Life of a campaign. `rejected`: it ran well and its candidate was not good enough."""

    AWAITING_APPROVAL = "awaiting_approval"
    QUEUED = "queued"
    RUNNING = "running"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    FAILED = "failed"
    REJECTED = "rejected"
    DONE = "done"


ACTIVE_STATES = (CampaignState.QUEUED, CampaignState.RUNNING, CampaignState.CANCELLING)
RESUMABLE_STATES = (CampaignState.CANCELLED, CampaignState.FAILED)


class CampaignStage(StrEnum):
    """The stages of a campaign in their order."""

    PLAN = "plan"
    SYNTHESISE = "synthesise"
    FILTER = "filter"
    TRAIN = "train"
    EVALUATE = "evaluate"
    TRIAL = "trial"
    SHADOW = "shadow"
    SERVICE = "service"
    ROLL_OUT = "roll_out"
    VERIFY = "verify"


class StageState(StrEnum):
    """Life of one stage of a campaign."""

    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class CampaignPlan:
    """What was asked for: failure modes (ids), images a mode, training recipe and guard settings.

    `count` images are kept a mode. Without a `seed` it follows from the campaign's id; `options` holds
    overrides for the stages (plain JSON values).
    """

    modes: tuple[str, ...]
    count: int
    seed: int | None = None
    incumbent_digest: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.modes or len(set(self.modes)) != len(self.modes):
            raise ValueError(f"a campaign needs distinct failure modes, at least one; got {self.modes}")
        if self.count < 1:
            raise ValueError(f"a campaign needs at least one image a mode; got {self.count}")


@dataclass(frozen=True)
class Campaign:
    """One campaign and where it stands."""

    id: str
    state: CampaignState
    plan: CampaignPlan
    started_by: str
    reason: str
    attempt: int
    created_at: int
    updated_at: int
    ended_at: int | None


@dataclass(frozen=True)
class StageRecord:
    """One stage's row: unique by campaign, stage and input digest. `runs` counts how often it began."""

    campaign: str
    stage: CampaignStage
    input_digest: str
    state: StageState
    progress: float
    note: str
    output: Mapping[str, Any]
    figures: Mapping[str, Any]
    runs: int
    started_at: int
    ended_at: int | None


@dataclass(frozen=True)
class SyntheticImage:
    """One painted image: kept, or refused with a reason; the thumbnail is a path in the data folder."""

    campaign: str
    name: str
    mode: str
    kept: bool
    reason: str = ""
    thumbnail: str = ""
    provenance: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Release:
    """A signed release of a bundle for one channel (`trial` or `service`)."""

    digest: str
    channel: str
    name: str
    version: int
    length_bytes: int
    parent_digest: str | None
    campaign: str | None
    description: Mapping[str, Any]
    signed_at: int


@dataclass(frozen=True)
class Rollout:
    """A rollout and its state machine's state as JSON."""

    id: str
    campaign: str | None
    digest: str
    previous_digest: str | None
    phase: str
    paused: bool
    state: Mapping[str, Any]
    reason: str
    created_at: int
    updated_at: int


@dataclass(frozen=True)
class IssuedOrder:
    """A rollout order that was sent to a site."""

    site: str
    sequence: int
    digest: str
    channel: str
    issued_at: int
    payload: Mapping[str, Any]


@dataclass(frozen=True)
class EvaluationRow:
    """Figures of one model on one data role for one class (`all` allowed) and condition."""

    campaign: str
    model_digest: str
    role: str
    class_name: str
    condition: str
    figures: Mapping[str, Any]
