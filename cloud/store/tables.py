"""The tables of the cloud's store, as SQLAlchemy knows them; a migration brings a database to this state.

Nothing here reads or writes. Times are whole seconds since 1970 (UTC), digests are sha256 hex, `_json`
columns hold canonical JSON text. There is no column that could hold a site's pixels.
"""

from sqlalchemy import (
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _text(name: str, *, nullable: bool = False) -> Column[str]:
    return Column(name, String(80), nullable=nullable)


def _number(name: str, *, nullable: bool = False) -> Column[int]:
    return Column(name, Integer, nullable=nullable)


def _real(name: str) -> Column[float]:
    return Column(name, Float, nullable=False)


def _report() -> Column[int]:
    return Column("report", ForeignKey("reports.id", ondelete="CASCADE"), primary_key=True)


def _campaign() -> Column[str]:
    return Column("campaign", ForeignKey("campaigns.id"), nullable=False)


sites = Table(
    "sites",
    metadata,
    Column("site", String(40), primary_key=True),
    _number("added_at"),
    Column("revoked", Boolean, nullable=False, default=False),
    Column("ledger_n", Integer, nullable=False, default=0),
    Column("ledger_hash", String(64), nullable=False, default=""),
)

reports = Table(
    "reports",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    _text("site"),
    _text("message_id"),
    _text("kind"),
    _number("at_utc"),
    _number("received_at"),
    _number("length_bytes"),
    UniqueConstraint("site", "message_id"),
    Index("ix_reports_kind_site", "kind", "site"),
)

misdetections = Table(
    "misdetections",
    metadata,
    _report(),
    *(_text(name) for name in ("site", "camera", "kind", "class_name", "light", "weather")),
    *(_text(name) for name in ("sharpness", "size", "region", "occlusion")),
    *(_real(name) for name in ("cx", "cy", "w", "h")),
    _text("evidence"),
    _real("probability"),
    _number("minute_utc"),
    _text("model_digest"),
    Index("ix_misdetections_mode", "class_name", "light", "weather", "kind"),
)

prototypes = Table(
    "prototypes",
    metadata,
    _report(),
    *(_text(name) for name in ("site", "camera", "class_name", "light", "weather", "embedding_digest")),
    Column("vector_json", Text, nullable=False),
    _real("scale"),
    _number("tracks"),
    _real("noise_sigma"),
    _real("epsilon"),
    _number("minute_utc"),
)

recall_tallies = Table(
    "recall_tallies",
    metadata,
    _report(),
    *(_text(name) for name in ("site", "camera", "class_name", "light", "weather", "source", "model_digest")),
    _number("supported"),
    _number("detected"),
    _number("minute_utc"),
)

shadow_reports = Table(
    "shadow_reports",
    metadata,
    _report(),
    *(_text(name) for name in ("site", "incumbent_digest", "candidate_digest")),
    Column("final", Boolean, nullable=False),
    Column("payload_json", Text, nullable=False),
    _number("minute_utc"),
    Index("ix_shadow_reports_candidate_digest", "candidate_digest"),
)

swap_receipts = Table(
    "swap_receipts",
    metadata,
    _report(),
    *(_text(name) for name in ("site", "digest", "channel", "outcome", "reason")),
    _text("previous_digest", nullable=True),
    _number("sequence"),
    _number("frames_lost"),
    _number("at_utc"),
)

hazards = Table(
    "hazards",
    metadata,
    Column("site", String(40), primary_key=True),
    Column("event", String(26), primary_key=True),
    *(_text(name) for name in ("camera", "class_name", "state", "light", "weather")),
    _text("zone", nullable=True),
    _number("severity"),
    *(_real(name) for name in ("confidence", "cx", "cy", "w", "h")),
    _number("started_at_utc"),
    _number("at_utc"),
    _text("model_digest"),
    Index("ix_hazards_started_at_utc", "started_at_utc"),
)

verdicts = Table(
    "verdicts",
    metadata,
    _report(),
    *(_text(name) for name in ("site", "camera", "verdict", "class_name", "light", "weather")),
    _text("event", nullable=True),
    _number("minute_utc"),
)

heartbeats = Table(
    "heartbeats",
    metadata,
    Column("site", String(40), primary_key=True),
    _text("message_id"),
    _number("at_utc"),
    _number("received_at"),
    _number("length_bytes"),
    Column("payload_json", Text, nullable=False),
)

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("subject", String(160), nullable=False),
    _text("message_id"),
    Column("reason", Text, nullable=False),
    Column("data", LargeBinary, nullable=False),
    _number("received_at"),
    UniqueConstraint("subject", "message_id"),
)

mode_states = Table(
    "mode_states",
    metadata,
    Column("mode", String(160), primary_key=True),
    _text("status"),
    _number("since"),
    Column("campaign", String(40), nullable=True),
    _text("baseline_digest", nullable=True),
    Column("baseline_rate", Float, nullable=True),
    Column("assigned_class", String(80), nullable=True),
)

campaigns = Table(
    "campaigns",
    metadata,
    Column("id", String(40), primary_key=True),
    _text("state"),
    Column("plan_json", Text, nullable=False),
    _text("started_by"),
    Column("reason", Text, nullable=False, default=""),
    Column("attempt", Integer, nullable=False, default=0),
    _number("created_at"),
    _number("updated_at"),
    _number("ended_at", nullable=True),
)

stages = Table(
    "stages",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    _campaign(),
    _text("stage"),
    _text("input_digest"),
    _text("state"),
    Column("progress", Float, nullable=False, default=0.0),
    Column("note", Text, nullable=False, default=""),
    Column("output_json", Text, nullable=False, default="{}"),
    Column("figures_json", Text, nullable=False, default="{}"),
    Column("runs", Integer, nullable=False, default=1),
    _number("started_at"),
    _number("ended_at", nullable=True),
    UniqueConstraint("campaign", "stage", "input_digest"),
)

images = Table(
    "images",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    _campaign(),
    Column("name", String(160), nullable=False),
    Column("mode", String(160), nullable=False),
    Column("kept", Boolean, nullable=False),
    Column("reason", String(160), nullable=False, default=""),
    Column("thumbnail", Text, nullable=False, default=""),
    Column("provenance_json", Text, nullable=False, default="{}"),
    UniqueConstraint("campaign", "name"),
)

releases = Table(
    "releases",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("channel", String(10), primary_key=True),
    _text("name"),
    _number("version"),
    Column("length_bytes", Integer, nullable=False),
    _text("parent_digest", nullable=True),
    Column("campaign", String(40), nullable=True),
    Column("description_json", Text, nullable=False),
    _number("signed_at"),
)

rollouts = Table(
    "rollouts",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("campaign", String(40), nullable=True),
    _text("digest"),
    _text("previous_digest", nullable=True),
    _text("phase"),
    Column("paused", Boolean, nullable=False, default=False),
    Column("state_json", Text, nullable=False),
    Column("reason", Text, nullable=False, default=""),
    _number("created_at"),
    _number("updated_at"),
)

orders = Table(
    "orders",
    metadata,
    Column("site", String(40), primary_key=True),
    Column("sequence", Integer, primary_key=True),
    _text("digest"),
    _text("channel"),
    _number("issued_at"),
    Column("payload_json", Text, nullable=False),
)

evaluations = Table(
    "evaluations",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    _campaign(),
    _text("model_digest"),
    _text("role"),
    _text("class_name"),
    _text("condition"),
    Column("figures_json", Text, nullable=False),
    UniqueConstraint("campaign", "model_digest", "role", "class_name", "condition"),
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("key", String(200), primary_key=True),
    Column("resource", String(80), nullable=False),
    _number("at"),
)
