"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TABLES = (
    "sites",
    "reports",
    "heartbeats",
    "dead_letters",
    "misdetections",
    "prototypes",
    "recall_tallies",
    "shadow_reports",
    "hazards",
    "verdicts",
    "swap_receipts",
    "mode_states",
    "campaigns",
    "stages",
    "images",
    "evaluations",
    "releases",
    "orders",
    "rollouts",
    "idempotency",
)


def upgrade() -> None:
    """Bring the schema to this revision."""
    _create_received()
    _create_evidence()
    _create_recall()
    _create_events()
    _create_campaigns()
    _create_results()
    _create_releases()


def _create_received() -> None:
    """Sites, their messages, and what was refused."""
    op.create_table(
        "sites",
        sa.Column("site", sa.String(length=40), nullable=False),
        sa.Column("added_at", WHOLE, nullable=False),
        sa.Column("revoked", sa.Boolean(), nullable=False),
        sa.Column("ledger_n", WHOLE, nullable=False),
        sa.Column("ledger_hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("site", name=op.f("pk_sites")),
    )
    op.create_table(
        "reports",
        sa.Column("id", WHOLE, nullable=False),
        sa.Column("site", sa.String(length=80), nullable=False),
        sa.Column("message_id", sa.String(length=80), nullable=False),
        sa.Column("kind", sa.String(length=80), nullable=False),
        sa.Column("at_utc", WHOLE, nullable=False),
        sa.Column("received_at", WHOLE, nullable=False),
        sa.Column("length_bytes", WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reports")),
        sa.UniqueConstraint("site", "message_id", name=op.f("uq_reports_site_message_id")),
    )
    op.create_index("ix_reports_kind_site", "reports", ["kind", "site"])
    op.create_table(
        "heartbeats",
        sa.Column("site", sa.String(length=40), nullable=False),
        sa.Column("message_id", sa.String(length=80), nullable=False),
        sa.Column("received_at", WHOLE, nullable=False),
        sa.Column("length_bytes", WHOLE, nullable=False),
        sa.Column("heartbeat", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("site", name=op.f("pk_heartbeats")),
    )
    op.create_table(
        "dead_letters",
        sa.Column("id", WHOLE, nullable=False),
        sa.Column("subject", sa.String(length=160), nullable=False),
        sa.Column("message_id", sa.String(length=80), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.Column("received_at", WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dead_letters")),
        sa.UniqueConstraint("subject", "message_id", name=op.f("uq_dead_letters_subject_message_id")),
    )


def _create_evidence() -> None:
    """Misdetections and prototypes, one row per report."""
    op.create_table(
        "misdetections",
        sa.Column("report_id", WHOLE, nullable=False),
        sa.Column("site", sa.String(length=80), nullable=False),
        sa.Column("camera", sa.String(length=80), nullable=False),
        sa.Column("kind", sa.String(length=80), nullable=False),
        sa.Column("class_name", sa.String(length=80), nullable=False),
        sa.Column("condition", sa.String(length=80), nullable=False),
        sa.Column("box", sa.Text(), nullable=False),
        sa.Column("size", sa.String(length=80), nullable=False),
        sa.Column("region", sa.String(length=80), nullable=False),
        sa.Column("evidence", sa.String(length=80), nullable=False),
        sa.Column("probability", sa.Double(), nullable=False),
        sa.Column("minute_utc", WHOLE, nullable=False),
        sa.Column("model_digest", sa.String(length=80), nullable=False),
        sa.Column("sharpness", sa.String(length=80), nullable=False),
        sa.Column("occlusion", sa.String(length=80), nullable=False),
        sa.ForeignKeyConstraint(
            ["report_id"], ["reports.id"], name=op.f("fk_misdetections_report_id_reports"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("report_id", name=op.f("pk_misdetections")),
    )
    op.create_index("ix_misdetections_mode", "misdetections", ["class_name", "condition", "kind"])
    op.create_table(
        "prototypes",
        sa.Column("report_id", WHOLE, nullable=False),
        sa.Column("site", sa.String(length=80), nullable=False),
        sa.Column("camera", sa.String(length=80), nullable=False),
        sa.Column("class_name", sa.String(length=80), nullable=False),
        sa.Column("condition", sa.String(length=80), nullable=False),
        sa.Column("vector", sa.Text(), nullable=False),
        sa.Column("embedding_digest", sa.String(length=80), nullable=False),
        sa.Column("tracks", WHOLE, nullable=False),
        sa.Column("noise_sigma", sa.Double(), nullable=False),
        sa.Column("minute_utc", WHOLE, nullable=False),
        sa.ForeignKeyConstraint(
            ["report_id"], ["reports.id"], name=op.f("fk_prototypes_report_id_reports"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("report_id", name=op.f("pk_prototypes")),
    )


def _create_recall() -> None:
    """Tallies and shadow runs, one row per report."""
    op.create_table(
        "recall_tallies",
        sa.Column("report_id", WHOLE, nullable=False),
        sa.Column("site", sa.String(length=80), nullable=False),
        sa.Column("camera", sa.String(length=80), nullable=False),
        sa.Column("class_name", sa.String(length=80), nullable=False),
        sa.Column("condition", sa.String(length=80), nullable=False),
        sa.Column("source", sa.String(length=80), nullable=False),
        sa.Column("model_digest", sa.String(length=80), nullable=False),
        sa.Column("supported", WHOLE, nullable=False),
        sa.Column("detected", WHOLE, nullable=False),
        sa.Column("minute_utc", WHOLE, nullable=False),
        sa.ForeignKeyConstraint(
            ["report_id"],
            ["reports.id"],
            name=op.f("fk_recall_tallies_report_id_reports"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("report_id", name=op.f("pk_recall_tallies")),
    )
    op.create_table(
        "shadow_reports",
        sa.Column("report_id", WHOLE, nullable=False),
        sa.Column("site", sa.String(length=80), nullable=False),
        sa.Column("report", sa.Text(), nullable=False),
        sa.Column("candidate_digest", sa.String(length=80), nullable=False),
        sa.ForeignKeyConstraint(
            ["report_id"],
            ["reports.id"],
            name=op.f("fk_shadow_reports_report_id_reports"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("report_id", name=op.f("pk_shadow_reports")),
    )
    op.create_index("ix_shadow_reports_candidate_digest", "shadow_reports", ["candidate_digest"])


def _create_events() -> None:
    """Hazards, verdicts of operators, and results of rollout orders."""
    op.create_table(
        "hazards",
        sa.Column("site", sa.String(length=40), nullable=False),
        sa.Column("event", sa.String(length=26), nullable=False),
        sa.Column("camera", sa.String(length=80), nullable=False),
        sa.Column("class_name", sa.String(length=80), nullable=False),
        sa.Column("state", sa.String(length=80), nullable=False),
        sa.Column("condition", sa.String(length=80), nullable=False),
        sa.Column("zone", sa.String(length=80), nullable=True),
        sa.Column("severity", WHOLE, nullable=False),
        sa.Column("confidence", sa.Double(), nullable=False),
        sa.Column("box", sa.Text(), nullable=False),
        sa.Column("started_at_utc", WHOLE, nullable=False),
        sa.Column("at_utc", WHOLE, nullable=False),
        sa.Column("model_digest", sa.String(length=80), nullable=False),
        sa.PrimaryKeyConstraint("site", "event", name=op.f("pk_hazards")),
    )
    op.create_index("ix_hazards_started_at_utc", "hazards", ["started_at_utc"])
    op.create_table(
        "verdicts",
        sa.Column("report_id", WHOLE, nullable=False),
        sa.Column("site", sa.String(length=80), nullable=False),
        sa.Column("camera", sa.String(length=80), nullable=False),
        sa.Column("verdict", sa.String(length=80), nullable=False),
        sa.Column("class_name", sa.String(length=80), nullable=False),
        sa.Column("event", sa.String(length=80), nullable=True),
        sa.Column("condition", sa.String(length=80), nullable=False),
        sa.Column("minute_utc", WHOLE, nullable=False),
        sa.ForeignKeyConstraint(
            ["report_id"], ["reports.id"], name=op.f("fk_verdicts_report_id_reports"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("report_id", name=op.f("pk_verdicts")),
    )
    op.create_table(
        "swap_receipts",
        sa.Column("report_id", WHOLE, nullable=False),
        sa.Column("site", sa.String(length=80), nullable=False),
        sa.Column("sequence", WHOLE, nullable=False),
        sa.Column("digest", sa.String(length=80), nullable=False),
        sa.Column("previous_digest", sa.String(length=80), nullable=True),
        sa.Column("channel", sa.String(length=80), nullable=False),
        sa.Column("outcome", sa.String(length=80), nullable=False),
        sa.Column("reason", sa.String(length=80), nullable=False),
        sa.Column("frames_lost", WHOLE, nullable=False),
        sa.Column("at_utc", WHOLE, nullable=False),
        sa.ForeignKeyConstraint(
            ["report_id"], ["reports.id"], name=op.f("fk_swap_receipts_report_id_reports"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("report_id", name=op.f("pk_swap_receipts")),
    )


def _create_campaigns() -> None:
    """States of failure modes, campaigns and their stages."""
    op.create_table(
        "mode_states",
        sa.Column("mode", sa.String(length=160), nullable=False),
        sa.Column("status", sa.String(length=80), nullable=False),
        sa.Column("since", WHOLE, nullable=False),
        sa.Column("campaign", sa.String(length=40), nullable=True),
        sa.Column("baseline_digest", sa.String(length=80), nullable=True),
        sa.Column("baseline_rate", sa.Double(), nullable=True),
        sa.Column("assigned_class", sa.String(length=80), nullable=True),
        sa.PrimaryKeyConstraint("mode", name=op.f("pk_mode_states")),
    )
    op.create_table(
        "campaigns",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("state", sa.String(length=80), nullable=False),
        sa.Column("plan", sa.Text(), nullable=False),
        sa.Column("started_by", sa.String(length=80), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("attempt", WHOLE, nullable=False),
        sa.Column("created_at", WHOLE, nullable=False),
        sa.Column("updated_at", WHOLE, nullable=False),
        sa.Column("ended_at", WHOLE, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_campaigns")),
    )
    op.create_table(
        "stages",
        sa.Column("id", WHOLE, nullable=False),
        sa.Column("campaign", sa.String(length=40), nullable=False),
        sa.Column("stage", sa.String(length=80), nullable=False),
        sa.Column("input_digest", sa.String(length=80), nullable=False),
        sa.Column("state", sa.String(length=80), nullable=False),
        sa.Column("started_at", WHOLE, nullable=False),
        sa.Column("progress", sa.Double(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("output", sa.Text(), nullable=False),
        sa.Column("metrics", sa.Text(), nullable=False),
        sa.Column("runs", WHOLE, nullable=False),
        sa.Column("ended_at", WHOLE, nullable=True),
        sa.ForeignKeyConstraint(["campaign"], ["campaigns.id"], name=op.f("fk_stages_campaign_campaigns")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stages")),
        sa.UniqueConstraint(
            "campaign", "stage", "input_digest", name=op.f("uq_stages_campaign_stage_input_digest")
        ),
    )


def _create_results() -> None:
    """Images and evaluations of campaigns."""
    op.create_table(
        "images",
        sa.Column("id", WHOLE, nullable=False),
        sa.Column("campaign", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=160), nullable=False),
        sa.Column("mode", sa.String(length=160), nullable=False),
        sa.Column("kept", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.String(length=160), nullable=False),
        sa.Column("thumbnail", sa.Text(), nullable=False),
        sa.Column("provenance", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["campaign"], ["campaigns.id"], name=op.f("fk_images_campaign_campaigns")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_images")),
        sa.UniqueConstraint("campaign", "name", name=op.f("uq_images_campaign_name")),
    )
    op.create_table(
        "evaluations",
        sa.Column("id", WHOLE, nullable=False),
        sa.Column("campaign", sa.String(length=40), nullable=False),
        sa.Column("model_digest", sa.String(length=80), nullable=False),
        sa.Column("role", sa.String(length=80), nullable=False),
        sa.Column("class_name", sa.String(length=80), nullable=False),
        sa.Column("condition", sa.String(length=80), nullable=False),
        sa.Column("metrics", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["campaign"], ["campaigns.id"], name=op.f("fk_evaluations_campaign_campaigns")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_evaluations")),
        sa.UniqueConstraint(
            "campaign",
            "model_digest",
            "role",
            "class_name",
            "condition",
            name=op.f("uq_evaluations_campaign_model_digest_role_class_name_condition"),
        ),
    )


def _create_releases() -> None:
    """Releases, rollout orders, rollouts, and answered requests."""
    op.create_table(
        "releases",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("channel", sa.String(length=10), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("version", WHOLE, nullable=False),
        sa.Column("length_bytes", WHOLE, nullable=False),
        sa.Column("parent_digest", sa.String(length=80), nullable=True),
        sa.Column("campaign", sa.String(length=40), nullable=True),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("signed_at", WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("digest", "channel", name=op.f("pk_releases")),
    )
    op.create_table(
        "orders",
        sa.Column("site", sa.String(length=40), nullable=False),
        sa.Column("sequence", WHOLE, nullable=False),
        sa.Column("digest", sa.String(length=80), nullable=False),
        sa.Column("channel", sa.String(length=80), nullable=False),
        sa.Column("issued_at", WHOLE, nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("site", "sequence", name=op.f("pk_orders")),
    )
    op.create_table(
        "rollouts",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("campaign", sa.String(length=40), nullable=True),
        sa.Column("digest", sa.String(length=80), nullable=False),
        sa.Column("previous_digest", sa.String(length=80), nullable=True),
        sa.Column("phase", sa.String(length=80), nullable=False),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", WHOLE, nullable=False),
        sa.Column("updated_at", WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rollouts")),
    )
    op.create_table(
        "idempotency",
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("resource", sa.String(length=80), nullable=False),
        sa.Column("at", WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_idempotency")),
    )


def downgrade() -> None:
    """Remove every table of this revision."""
    for table in reversed(TABLES):
        op.drop_table(table)
