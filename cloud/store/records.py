"""Campaigns, failure modes' states, releases and rollouts as records, validated where nonsense would spread.

Metrics, outputs and other `Mapping` fields hold plain JSON values. Reports of sites: `report_records`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from cloud.store.mapping import Json, Record
from messaging.releases import Role


class ModeStatus(StrEnum):
    """Life of a failure mode."""

    OPEN = "open"
    IN_CAMPAIGN = "in_campaign"
    WAITING = "waiting"
    CLOSED = "closed"
    REOPENED = "reopened"


class ModeState(Record):
    """The stored part of a failure mode; the rest is computed from evidence.

    `baseline_digest` and `baseline_rate` are the model and the misdetection rate (per supported track) when
    the mode was found: "halved" is measured against them.
    """

    __tablename__ = "mode_states"

    mode: Mapped[str] = mapped_column(String(160), primary_key=True)
    status: Mapped[ModeStatus]
    since: Mapped[int]
    campaign: Mapped[str | None] = mapped_column(String(40), default=None)
    baseline_digest: Mapped[str | None] = mapped_column(default=None)
    baseline_rate: Mapped[float | None] = mapped_column(default=None)
    assigned_class: Mapped[str | None] = mapped_column(default=None)


class ModeChange(Record):
    """One change of the status of a failure mode, with its reason in a sentence.

    `before` is None for the first one that was recorded of a mode whose status had changed earlier.
    """

    __tablename__ = "mode_changes"

    id: Mapped[int] = mapped_column(primary_key=True, init=False, compare=False)
    mode: Mapped[str] = mapped_column(String(160), index=True)
    at: Mapped[int]
    before: Mapped[ModeStatus | None]
    status: Mapped[ModeStatus]
    campaign: Mapped[str | None] = mapped_column(String(40))
    reason: Mapped[str] = mapped_column(Text)


class CampaignState(StrEnum):
    """Life of a campaign. `rejected`: it ran to its end and its candidate was not good enough."""

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
    """What was requested: failure modes (ids), images per mode, training recipe and guard settings.

    `count` images are kept per mode. Without a `seed` it follows from the campaign's id; `options` holds
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
            raise ValueError(f"a campaign needs at least one image per mode; got {self.count}")


class Campaign(Record):
    """One campaign and its state."""

    __tablename__ = "campaigns"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    state: Mapped[CampaignState]
    plan: Mapped[CampaignPlan] = mapped_column(Json(CampaignPlan))
    started_by: Mapped[str]
    reason: Mapped[str] = mapped_column(Text)
    attempt: Mapped[int]
    created_at: Mapped[int]
    updated_at: Mapped[int]
    ended_at: Mapped[int | None]


class StageRecord(Record):
    """One stage of a campaign: unique by campaign, stage and input digest. `runs` counts its beginnings."""

    __tablename__ = "stages"
    __table_args__ = (UniqueConstraint("campaign", "stage", "input_digest"),)

    id: Mapped[int] = mapped_column(primary_key=True, init=False, compare=False)
    campaign: Mapped[str] = mapped_column(ForeignKey("campaigns.id"))
    stage: Mapped[CampaignStage]
    input_digest: Mapped[str]
    state: Mapped[StageState]
    started_at: Mapped[int]
    progress: Mapped[float] = mapped_column(default=0.0)
    note: Mapped[str] = mapped_column(Text, default="")
    output: Mapped[Mapping[str, Any]] = mapped_column(default_factory=dict)
    metrics: Mapped[Mapping[str, Any]] = mapped_column(default_factory=dict)
    runs: Mapped[int] = mapped_column(default=1)
    ended_at: Mapped[int | None] = mapped_column(default=None)


class SyntheticImage(Record):
    """One generated image: kept, or refused with a reason; the thumbnail is a path in the data folder."""

    __tablename__ = "images"
    __table_args__ = (
        UniqueConstraint("campaign", "name"),
        Index("ix_images_campaign", "campaign", "id"),
        Index("ix_images_campaign_mode", "campaign", "mode", "id"),
        Index("ix_images_campaign_kept", "campaign", "kept", "reason", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True, init=False, compare=False)
    campaign: Mapped[str] = mapped_column(ForeignKey("campaigns.id"))
    name: Mapped[str] = mapped_column(String(160))
    mode: Mapped[str] = mapped_column(String(160))
    kept: Mapped[bool]
    reason: Mapped[str] = mapped_column(String(160), default="")
    thumbnail: Mapped[str] = mapped_column(Text, default="")
    provenance: Mapped[Mapping[str, Any]] = mapped_column(default_factory=dict)


HOLDOUT, CONTROL, SHADOW_OF = "holdout", "control", "shadow:"
"""Roles of evaluations: a model on the holdout; a control model on the holdout, which is never a candidate or
the best model; a model in the shadow run of the site whose name follows."""


class EvaluationRow(Record):
    """Metrics of one model in one role for one class and condition (`all` allowed)."""

    __tablename__ = "evaluations"
    __table_args__ = (UniqueConstraint("campaign", "model_digest", "role", "class_name", "condition"),)

    id: Mapped[int] = mapped_column(primary_key=True, init=False, compare=False)
    campaign: Mapped[str] = mapped_column(ForeignKey("campaigns.id"))
    model_digest: Mapped[str]
    role: Mapped[str]
    class_name: Mapped[str]
    condition: Mapped[str]
    metrics: Mapped[Mapping[str, Any]]


class Release(Record):
    """A signed release of a bundle for one channel (`trial` or `service`), as a detector or as a teacher."""

    __tablename__ = "releases"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    channel: Mapped[str] = mapped_column(String(10), primary_key=True)
    name: Mapped[str]
    version: Mapped[int]
    length_bytes: Mapped[int]
    parent_digest: Mapped[str | None]
    campaign: Mapped[str | None] = mapped_column(String(40))
    description: Mapped[Mapping[str, Any]]
    signed_at: Mapped[int]
    role: Mapped[Role] = mapped_column(default=Role.DETECTOR)


class Downgrade(StrEnum):
    """Whose release becomes an older one: that of some sites, which leaves the fleet's, or the fleet's."""

    SITES = "sites"
    FLEET = "fleet"


class Rollout(Record):
    """A rollout and its state machine's state as JSON."""

    __tablename__ = "rollouts"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    campaign: Mapped[str | None] = mapped_column(String(40))
    digest: Mapped[str]
    previous_digest: Mapped[str | None]
    phase: Mapped[str]
    paused: Mapped[bool]
    state: Mapped[Mapping[str, Any]]
    reason: Mapped[str] = mapped_column(Text)
    created_at: Mapped[int]
    updated_at: Mapped[int]


class RolloutEvent(Record):
    """What was done to a rollout: when, by whom (an operator's name, a campaign, or the cloud), and why.

    `action` is a verb of an operator (`started`, `paused`, `resumed`, `approved`, `stopped`, `ordered_back`)
    or the phase that the rollout entered.
    """

    __tablename__ = "rollout_events"

    id: Mapped[int] = mapped_column(primary_key=True, init=False, compare=False)
    rollout: Mapped[str] = mapped_column(ForeignKey("rollouts.id"), index=True)
    at: Mapped[int]
    by: Mapped[str]
    action: Mapped[str] = mapped_column(String(20))
    note: Mapped[str] = mapped_column(Text, default="")


class IssuedOrder(Record):
    """A rollout order that was sent to a site."""

    __tablename__ = "orders"

    site: Mapped[str] = mapped_column(String(40), primary_key=True)
    sequence: Mapped[int] = mapped_column(primary_key=True)
    digest: Mapped[str]
    channel: Mapped[str]
    issued_at: Mapped[int]
    payload: Mapped[Mapping[str, Any]]
    role: Mapped[Role] = mapped_column(default=Role.DETECTOR)


class AnsweredRequest(Record):
    """The resource that a request with this idempotency key made, or the whole answer (status and body).

    `fingerprint` is the sha256 of the request's path and body.
    """

    __tablename__ = "idempotency"

    key: Mapped[str] = mapped_column(String(200), primary_key=True)
    resource: Mapped[str]
    at: Mapped[int]
    fingerprint: Mapped[str] = mapped_column(String(64), default="")
    status: Mapped[int] = mapped_column(default=0)
    body: Mapped[str] = mapped_column(Text, default="")
