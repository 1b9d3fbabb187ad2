"""Reports of sites as records: one per report, the latest state of hazards and heartbeats, and totals.

The totals (`RecallCount`, `LedgerTotal`) are sums over rows and have no table of their own.
"""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from cloud.store.mapping import Box, Json, Record
from messaging.releases import Channel
from messaging.reports import (
    ErrorKind,
    EvidenceSource,
    GuardReport,
    HazardState,
    Heartbeat,
    ShadowReport,
    SwapOutcome,
    SwapReason,
    Verdict,
)
from messaging.taxonomy import Condition, Occlusion, RegionBin, Sharpness, SizeBin


class Site(Record):
    """A known site, and the highest entry of its ledger that was received.

    Reports of a quarantined site are stored, but nothing is learned from them. `site_group`: users may be
    limited to the sites of some groups; empty for none. `key` is the public key (hex) with which the site's
    gate signs, since `key_since`: the first that it showed after its enrolment. `ledger_fault`: why what it
    signed contradicts itself, or empty.
    """

    __tablename__ = "sites"

    site: Mapped[str] = mapped_column(String(40), primary_key=True)
    added_at: Mapped[int]
    revoked: Mapped[bool] = mapped_column(default=False)
    ledger_n: Mapped[int] = mapped_column(default=0)
    ledger_hash: Mapped[str] = mapped_column(String(64), default="")
    quarantined: Mapped[bool] = mapped_column(default=False)
    site_group: Mapped[str] = mapped_column(String(40), default="")
    key: Mapped[str] = mapped_column(String(64), default="")
    key_since: Mapped[int] = mapped_column(default=0)
    ledger_fault: Mapped[str] = mapped_column(Text, default="")


class StoredReport(Record):
    """That a report was received: the same message of a site is stored once.

    The first report of a message has the message's entry of the site's ledger, as the site signed it.
    """

    __tablename__ = "reports"
    __table_args__ = (
        UniqueConstraint("site", "message_id"),
        Index("ix_reports_kind_site", "kind", "site"),
        Index("ix_reports_site_kind", "site", "kind", "length_bytes"),
        Index("ix_reports_site_ledger", "site", "ledger_n"),
        Index("ix_reports_received", "received_at", "site", "kind", "length_bytes"),
    )

    id: Mapped[int] = mapped_column(primary_key=True, init=False, compare=False)
    site: Mapped[str]
    message_id: Mapped[str]
    kind: Mapped[str]
    at_utc: Mapped[int]
    received_at: Mapped[int]
    length_bytes: Mapped[int]
    ledger_n: Mapped[int | None] = mapped_column(default=None)
    ledger_hash: Mapped[str | None] = mapped_column(String(64), default=None)


class ReportRecord(Record):
    """Root of the records that hold what one stored report contains."""

    __abstract__ = True

    report_id: Mapped[int] = mapped_column(
        ForeignKey("reports.id", ondelete="CASCADE"),
        primary_key=True,
        init=False,
        compare=False,
        sort_order=-2,
    )
    site: Mapped[str] = mapped_column(sort_order=-1)


class MisdetectionRow(ReportRecord):
    """One misdetection with its site; the box is centre and size as fractions of the frame."""

    __tablename__ = "misdetections"
    __table_args__ = (
        Index("ix_misdetections_mode", "class_name", "condition", "kind", "minute_utc", "report_id"),
        Index("ix_misdetections_minute", "minute_utc", "site"),
        Index("ix_misdetections_site", "site", "minute_utc", "report_id"),
        Index("ix_misdetections_order", "minute_utc", "report_id"),
        Index("ix_misdetections_class", "class_name", "minute_utc", "report_id"),
        Index("ix_misdetections_evidence", "evidence", "minute_utc", "report_id"),
    )

    camera: Mapped[str]
    kind: Mapped[ErrorKind]
    class_name: Mapped[str]
    condition: Mapped[Condition]
    box: Mapped[Box]
    size: Mapped[SizeBin]
    region: Mapped[RegionBin]
    evidence: Mapped[EvidenceSource]
    probability: Mapped[float]
    minute_utc: Mapped[int]
    model_digest: Mapped[str]
    sharpness: Mapped[Sharpness] = mapped_column(default=Sharpness.UNKNOWN)
    occlusion: Mapped[Occlusion] = mapped_column(default=Occlusion.UNKNOWN)

    @property
    def count(self) -> int:
        """As of `EvidenceCount`: it is one misdetection."""
        return 1

    @property
    def first_utc(self) -> int:
        """As of `EvidenceCount`."""
        return self.minute_utc

    @property
    def last_utc(self) -> int:
        """As of `EvidenceCount`."""
        return self.minute_utc


class PrototypeRow(ReportRecord):
    """One camera's prototype; the vector in real values (int8 steps x scale).

    `epsilon_spent` is the privacy budget that the camera had spent with its release; None in rows that are
    older than the column.
    """

    __tablename__ = "prototypes"
    __table_args__ = (Index("ix_prototypes_camera", "site", "camera", "minute_utc"),)

    camera: Mapped[str]
    class_name: Mapped[str]
    condition: Mapped[Condition]
    vector: Mapped[tuple[float, ...]] = mapped_column(Json(tuple[float, ...]))
    embedding_digest: Mapped[str]
    tracks: Mapped[int]
    noise_sigma: Mapped[float]
    minute_utc: Mapped[int]
    epsilon_spent: Mapped[float | None] = mapped_column(default=None)


class RecallRow(ReportRecord):
    """One recall tally with its site."""

    __tablename__ = "recall_tallies"

    camera: Mapped[str]
    class_name: Mapped[str]
    condition: Mapped[Condition]
    source: Mapped[EvidenceSource]
    model_digest: Mapped[str]
    supported: Mapped[int]
    detected: Mapped[int]
    minute_utc: Mapped[int]
    supported_weight: Mapped[float | None] = mapped_column(default=None)
    detected_weight: Mapped[float | None] = mapped_column(default=None)
    squared_weight: Mapped[float | None] = mapped_column(default=None)


class SiteShadow(ReportRecord):
    """One shadow report with its site."""

    __tablename__ = "shadow_reports"

    report: Mapped[ShadowReport] = mapped_column(Json(ShadowReport))
    candidate_digest: Mapped[str] = mapped_column(index=True, init=False)

    def __post_init__(self) -> None:
        self.candidate_digest = self.report.candidate_digest


class SiteGuard(ReportRecord):
    """What a site's guard measured of a model in service."""

    __tablename__ = "guard_reports"
    __table_args__ = (Index("ix_guard_reports_model_digest", "model_digest", "minute_utc"),)

    report: Mapped[GuardReport] = mapped_column(Json(GuardReport))
    model_digest: Mapped[str] = mapped_column(init=False)
    minute_utc: Mapped[int] = mapped_column(init=False)

    def __post_init__(self) -> None:
        self.model_digest, self.minute_utc = self.report.model_digest, self.report.minute_utc


class SwapRow(ReportRecord):
    """What a site did with a rollout order."""

    __tablename__ = "swap_receipts"

    sequence: Mapped[int]
    digest: Mapped[str]
    previous_digest: Mapped[str | None]
    channel: Mapped[Channel]
    outcome: Mapped[SwapOutcome]
    reason: Mapped[SwapReason]
    frames_lost: Mapped[int]
    at_utc: Mapped[int]


class VerdictRow(ReportRecord):
    """An operator's verdict with its site."""

    __tablename__ = "verdicts"

    camera: Mapped[str]
    verdict: Mapped[Verdict]
    class_name: Mapped[str]
    event: Mapped[str | None]
    condition: Mapped[Condition]
    minute_utc: Mapped[int]


class HazardRow(Record):
    """The latest state of one hazard event; the box is centre and size as fractions of the frame."""

    __tablename__ = "hazards"
    __table_args__ = (
        Index("ix_hazards_started", "started_at_utc", "event"),
        Index("ix_hazards_site", "site", "started_at_utc", "event"),
        Index("ix_hazards_camera", "camera", "started_at_utc", "event"),
        Index("ix_hazards_class", "class_name", "started_at_utc", "event"),
        Index("ix_hazards_severity", "severity", "started_at_utc", "event"),
    )

    site: Mapped[str] = mapped_column(String(40), primary_key=True)
    event: Mapped[str] = mapped_column(String(26), primary_key=True)
    camera: Mapped[str]
    class_name: Mapped[str]
    state: Mapped[HazardState]
    condition: Mapped[Condition]
    zone: Mapped[str | None]
    severity: Mapped[int]
    confidence: Mapped[float]
    box: Mapped[Box]
    started_at_utc: Mapped[int]
    at_utc: Mapped[int]
    model_digest: Mapped[str]


class SiteHeartbeat(Record):
    """A site's last heartbeat."""

    __tablename__ = "heartbeats"

    site: Mapped[str] = mapped_column(String(40), primary_key=True)
    message_id: Mapped[str]
    received_at: Mapped[int]
    length_bytes: Mapped[int]
    heartbeat: Mapped[Heartbeat] = mapped_column(Json(Heartbeat))
    sent_at: Mapped[int]


class DeadLetter(Record):
    """A message that was refused and kept for inspection, at most its first 8192 bytes.

    `signed`: whether the site's key has signed it; one that it has not can never be stored.
    """

    __tablename__ = "dead_letters"
    __table_args__ = (UniqueConstraint("subject", "message_id"),)

    id: Mapped[int] = mapped_column(primary_key=True, init=False, compare=False)
    subject: Mapped[str] = mapped_column(String(160))
    message_id: Mapped[str]
    reason: Mapped[str] = mapped_column(Text)
    data: Mapped[bytes]
    received_at: Mapped[int]
    signed: Mapped[bool] = mapped_column(default=True)

    @classmethod
    def of_site(cls, site: str) -> ColumnElement[bool]:
        """That the message is on a subject of the site."""
        return cls.subject.startswith(f"site.{site}.", autoescape=True)

    @property
    def length_bytes(self) -> int:
        """Bytes that were kept."""
        return len(self.data)


@dataclass(frozen=True)
class TrackWeights:
    """Sums of the weights of supported and detected tracks, and of the squares of the supported ones."""

    supported: float = 0.0
    detected: float = 0.0
    squared: float = 0.0

    def __add__(self, other: "TrackWeights") -> "TrackWeights":
        """The sums over both groups of tracks."""
        return TrackWeights(
            self.supported + other.supported, self.detected + other.detected, self.squared + other.squared
        )

    def scaled(self, factor: float) -> "TrackWeights":
        """The sums with every weight multiplied by a factor."""
        return TrackWeights(factor * self.supported, factor * self.detected, factor**2 * self.squared)


@dataclass(frozen=True)
class RecallCount:
    """Summed tallies of one site, class, condition, source and model; without `weights` every one is 1."""

    site: str
    class_name: str
    condition: Condition
    source: EvidenceSource
    model_digest: str
    supported: int
    detected: int
    weights: TrackWeights | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.detected <= self.supported:
            raise ValueError(f"detected {self.detected} must be between 0 and supported {self.supported}")


@dataclass(frozen=True)
class EvidenceCount:
    """Misdetections that differ in box and time alone: their number and the sum of their probabilities.

    `first_utc` and `last_utc` are the minutes of the first and the last of them.
    """

    class_name: str
    condition: Condition
    kind: ErrorKind
    site: str
    camera: str
    model_digest: str
    evidence: EvidenceSource
    size: SizeBin
    region: RegionBin
    count: int
    probability: float
    first_utc: int
    last_utc: int


Evidence = MisdetectionRow | EvidenceCount


@dataclass(frozen=True)
class LedgerTotal:
    """Number and bytes of the messages of one kind that one site sent."""

    site: str
    kind: str
    count: int
    length_bytes: int
