"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this revision."""
    _create_what_sites_said()
    _create_evidence()
    _create_recall()
    _create_events()
    _create_campaigns()
    _create_results()
    _create_releases()


def _create_what_sites_said() -> None:
    """Reports as they came, their sites, and what was refused."""
    op.create_table(
        "sites",
        sa.Column("site", sa.String(length=40), nullable=False),
        sa.Column("added_at", sa.Integer(), nullable=False),
        sa.Column("revoked", sa.Boolean(), nullable=False),
        sa.Column("ledger_n", sa.Integer(), nullable=False),
        sa.Column("ledger_hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("site", name=op.f("pk_sites")),
    )
    op.create_table(
        "reports",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("site", sa.String(length=80), nullable=False),
        sa.Column("message_id", sa.String(length=80), nullable=False),
        sa.Column("kind", sa.String(length=80), nullable=False),
        sa.Column("at_utc", sa.Integer(), nullable=False),
        sa.Column("received_at", sa.Integer(), nullable=False),
        sa.Column("length_bytes", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reports")),
        sa.UniqueConstraint("site", "message_id", name=op.f("uq_reports_site_message_id")),
    )
    with op.batch_alter_table("reports", schema=None) as batch_op:
        batch_op.create_index("ix_reports_kind_site", ["kind", "site"], unique=False)
    op.create_table(
        "heartbeats",
        sa.Column("site", sa.String(length=40), nullable=False),
        sa.Column("message_id", sa.String(length=80), nullable=False),
        sa.Column("at_utc", sa.Integer(), nullable=False),
        sa.Column("received_at", sa.Integer(), nullable=False),
        sa.Column("length_bytes", sa.Integer(), nullable=False),
        sa.Column("payload_json", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("site", name=op.f("pk_heartbeats")),
    )
    op.create_table(
        "dead_letters",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("subject", sa.String(length=160), nullable=False),
        sa.Column("message_id", sa.String(length=80), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.Column("received_at", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dead_letters")),
        sa.UniqueConstraint("subject", "message_id", name=op.f("uq_dead_letters_subject_message_id")),
    )


def _create_evidence() -> None:
    """Misdetections and prototypes, one row a report."""
    op.create_table(
        "misdetections",
        sa.Column("report", sa.Integer(), nullable=False),
        sa.Column("site", sa.String(length=80), nullable=False),
        sa.Column("camera", sa.String(length=80), nullable=False),
        sa.Column("kind", sa.String(length=80), nullable=False),
        sa.Column("class_name", sa.String(length=80), nullable=False),
        sa.Column("light", sa.String(length=80), nullable=False),
        sa.Column("weather", sa.String(length=80), nullable=False),
        sa.Column("sharpness", sa.String(length=80), nullable=False),
        sa.Column("size", sa.String(length=80), nullable=False),
        sa.Column("region", sa.String(length=80), nullable=False),
        sa.Column("occlusion", sa.String(length=80), nullable=False),
        sa.Column("cx", sa.Float(), nullable=False),
        sa.Column("cy", sa.Float(), nullable=False),
        sa.Column("w", sa.Float(), nullable=False),
        sa.Column("h", sa.Float(), nullable=False),
        sa.Column("evidence", sa.String(length=80), nullable=False),
        sa.Column("probability", sa.Float(), nullable=False),
        sa.Column("minute_utc", sa.Integer(), nullable=False),
        sa.Column("model_digest", sa.String(length=80), nullable=False),
        sa.ForeignKeyConstraint(
            ["report"], ["reports.id"], name=op.f("fk_misdetections_report_reports"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("report", name=op.f("pk_misdetections")),
    )
    with op.batch_alter_table("misdetections", schema=None) as batch_op:
        batch_op.create_index(
            "ix_misdetections_mode", ["class_name", "light", "weather", "kind"], unique=False
        )
    op.create_table(
        "prototypes",
        sa.Column("report", sa.Integer(), nullable=False),
        sa.Column("site", sa.String(length=80), nullable=False),
        sa.Column("camera", sa.String(length=80), nullable=False),
        sa.Column("class_name", sa.String(length=80), nullable=False),
        sa.Column("light", sa.String(length=80), nullable=False),
        sa.Column("weather", sa.String(length=80), nullable=False),
        sa.Column("embedding_digest", sa.String(length=80), nullable=False),
        sa.Column("vector_json", sa.Text(), nullable=False),
        sa.Column("scale", sa.Float(), nullable=False),
        sa.Column("tracks", sa.Integer(), nullable=False),
        sa.Column("noise_sigma", sa.Float(), nullable=False),
        sa.Column("epsilon", sa.Float(), nullable=False),
        sa.Column("minute_utc", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["report"], ["reports.id"], name=op.f("fk_prototypes_report_reports"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("report", name=op.f("pk_prototypes")),
    )


def _create_recall() -> None:
    """Tallies and shadow runs, one row a report."""
    op.create_table(
        "recall_tallies",
        sa.Column("report", sa.Integer(), nullable=False),
        sa.Column("site", sa.String(length=80), nullable=False),
        sa.Column("camera", sa.String(length=80), nullable=False),
        sa.Column("class_name", sa.String(length=80), nullable=False),
        sa.Column("light", sa.String(length=80), nullable=False),
        sa.Column("weather", sa.String(length=80), nullable=False),
        sa.Column("source", sa.String(length=80), nullable=False),
        sa.Column("model_digest", sa.String(length=80), nullable=False),
        sa.Column("supported", sa.Integer(), nullable=False),
        sa.Column("detected", sa.Integer(), nullable=False),
        sa.Column("minute_utc", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["report"], ["reports.id"], name=op.f("fk_recall_tallies_report_reports"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("report", name=op.f("pk_recall_tallies")),
    )
    op.create_table(
        "shadow_reports",
        sa.Column("report", sa.Integer(), nullable=False),
        sa.Column("site", sa.String(length=80), nullable=False),
        sa.Column("incumbent_digest", sa.String(length=80), nullable=False),
        sa.Column("candidate_digest", sa.String(length=80), nullable=False),
        sa.Column("final", sa.Boolean(), nullable=False),
        sa.Column("payload_json", sa.Text(), nullable=False),
        sa.Column("minute_utc", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["report"], ["reports.id"], name=op.f("fk_shadow_reports_report_reports"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("report", name=op.f("pk_shadow_reports")),
    )
    with op.batch_alter_table("shadow_reports", schema=None) as batch_op:
        batch_op.create_index("ix_shadow_reports_candidate_digest", ["candidate_digest"], unique=False)


def _create_events() -> None:
    """Hazards, operators' verdicts, and what became of swaps."""
    op.create_table(
        "hazards",
        sa.Column("site", sa.String(length=40), nullable=False),
        sa.Column("event", sa.String(length=26), nullable=False),
        sa.Column("camera", sa.String(length=80), nullable=False),
        sa.Column("class_name", sa.String(length=80), nullable=False),
        sa.Column("state", sa.String(length=80), nullable=False),
        sa.Column("light", sa.String(length=80), nullable=False),
        sa.Column("weather", sa.String(length=80), nullable=False),
        sa.Column("zone", sa.String(length=80), nullable=True),
        sa.Column("severity", sa.Integer(), nullable=False),
        sa.Column("confidence", sa.Float(), nullable=False),
        sa.Column("cx", sa.Float(), nullable=False),
        sa.Column("cy", sa.Float(), nullable=False),
        sa.Column("w", sa.Float(), nullable=False),
        sa.Column("h", sa.Float(), nullable=False),
        sa.Column("started_at_utc", sa.Integer(), nullable=False),
        sa.Column("at_utc", sa.Integer(), nullable=False),
        sa.Column("model_digest", sa.String(length=80), nullable=False),
        sa.PrimaryKeyConstraint("site", "event", name=op.f("pk_hazards")),
    )
    with op.batch_alter_table("hazards", schema=None) as batch_op:
        batch_op.create_index("ix_hazards_started_at_utc", ["started_at_utc"], unique=False)
    op.create_table(
        "verdicts",
        sa.Column("report", sa.Integer(), nullable=False),
        sa.Column("site", sa.String(length=80), nullable=False),
        sa.Column("camera", sa.String(length=80), nullable=False),
        sa.Column("verdict", sa.String(length=80), nullable=False),
        sa.Column("class_name", sa.String(length=80), nullable=False),
        sa.Column("light", sa.String(length=80), nullable=False),
        sa.Column("weather", sa.String(length=80), nullable=False),
        sa.Column("event", sa.String(length=80), nullable=True),
        sa.Column("minute_utc", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["report"], ["reports.id"], name=op.f("fk_verdicts_report_reports"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("report", name=op.f("pk_verdicts")),
    )
    op.create_table(
        "swap_receipts",
        sa.Column("report", sa.Integer(), nullable=False),
        sa.Column("site", sa.String(length=80), nullable=False),
        sa.Column("digest", sa.String(length=80), nullable=False),
        sa.Column("channel", sa.String(length=80), nullable=False),
        sa.Column("outcome", sa.String(length=80), nullable=False),
        sa.Column("reason", sa.String(length=80), nullable=False),
        sa.Column("previous_digest", sa.String(length=80), nullable=True),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("frames_lost", sa.Integer(), nullable=False),
        sa.Column("at_utc", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["report"], ["reports.id"], name=op.f("fk_swap_receipts_report_reports"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("report", name=op.f("pk_swap_receipts")),
    )


def _create_campaigns() -> None:
    """Failure modes' states, campaigns and their stages."""
    op.create_table(
        "mode_states",
        sa.Column("mode", sa.String(length=160), nullable=False),
        sa.Column("status", sa.String(length=80), nullable=False),
        sa.Column("since", sa.Integer(), nullable=False),
        sa.Column("campaign", sa.String(length=40), nullable=True),
        sa.Column("baseline_digest", sa.String(length=80), nullable=True),
        sa.Column("baseline_rate", sa.Float(), nullable=True),
        sa.Column("assigned_class", sa.String(length=80), nullable=True),
        sa.PrimaryKeyConstraint("mode", name=op.f("pk_mode_states")),
    )
    op.create_table(
        "campaigns",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("state", sa.String(length=80), nullable=False),
        sa.Column("plan_json", sa.Text(), nullable=False),
        sa.Column("started_by", sa.String(length=80), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Integer(), nullable=False),
        sa.Column("updated_at", sa.Integer(), nullable=False),
        sa.Column("ended_at", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_campaigns")),
    )
    op.create_table(
        "stages",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("campaign", sa.String(length=40), nullable=False),
        sa.Column("stage", sa.String(length=80), nullable=False),
        sa.Column("input_digest", sa.String(length=80), nullable=False),
        sa.Column("state", sa.String(length=80), nullable=False),
        sa.Column("progress", sa.Float(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("output_json", sa.Text(), nullable=False),
        sa.Column("figures_json", sa.Text(), nullable=False),
        sa.Column("runs", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.Integer(), nullable=False),
        sa.Column("ended_at", sa.Integer(), nullable=True),
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
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("campaign", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=160), nullable=False),
        sa.Column("mode", sa.String(length=160), nullable=False),
        sa.Column("kept", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.String(length=160), nullable=False),
        sa.Column("thumbnail", sa.Text(), nullable=False),
        sa.Column("provenance_json", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["campaign"], ["campaigns.id"], name=op.f("fk_images_campaign_campaigns")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_images")),
        sa.UniqueConstraint("campaign", "name", name=op.f("uq_images_campaign_name")),
    )
    op.create_table(
        "evaluations",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("campaign", sa.String(length=40), nullable=False),
        sa.Column("model_digest", sa.String(length=80), nullable=False),
        sa.Column("role", sa.String(length=80), nullable=False),
        sa.Column("class_name", sa.String(length=80), nullable=False),
        sa.Column("condition", sa.String(length=80), nullable=False),
        sa.Column("figures_json", sa.Text(), nullable=False),
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
    """Releases, orders, rollouts, and requests that were answered already."""
    op.create_table(
        "releases",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("channel", sa.String(length=10), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("length_bytes", sa.Integer(), nullable=False),
        sa.Column("parent_digest", sa.String(length=80), nullable=True),
        sa.Column("campaign", sa.String(length=40), nullable=True),
        sa.Column("description_json", sa.Text(), nullable=False),
        sa.Column("signed_at", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("digest", "channel", name=op.f("pk_releases")),
    )
    op.create_table(
        "orders",
        sa.Column("site", sa.String(length=40), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(length=80), nullable=False),
        sa.Column("channel", sa.String(length=80), nullable=False),
        sa.Column("issued_at", sa.Integer(), nullable=False),
        sa.Column("payload_json", sa.Text(), nullable=False),
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
        sa.Column("state_json", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Integer(), nullable=False),
        sa.Column("updated_at", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rollouts")),
    )
    op.create_table(
        "idempotency",
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("resource", sa.String(length=80), nullable=False),
        sa.Column("at", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_idempotency")),
    )


def downgrade() -> None:
    """Take it back."""
    op.drop_table("verdicts")
    op.drop_table("swap_receipts")
    op.drop_table("stages")
    with op.batch_alter_table("shadow_reports", schema=None) as batch_op:
        batch_op.drop_index("ix_shadow_reports_candidate_digest")

    op.drop_table("shadow_reports")
    op.drop_table("recall_tallies")
    op.drop_table("prototypes")
    with op.batch_alter_table("misdetections", schema=None) as batch_op:
        batch_op.drop_index("ix_misdetections_mode")

    op.drop_table("misdetections")
    op.drop_table("images")
    op.drop_table("evaluations")
    op.drop_table("sites")
    op.drop_table("rollouts")
    with op.batch_alter_table("reports", schema=None) as batch_op:
        batch_op.drop_index("ix_reports_kind_site")

    op.drop_table("reports")
    op.drop_table("releases")
    op.drop_table("orders")
    op.drop_table("mode_states")
    op.drop_table("idempotency")
    op.drop_table("heartbeats")
    with op.batch_alter_table("hazards", schema=None) as batch_op:
        batch_op.drop_index("ix_hazards_started_at_utc")

    op.drop_table("hazards")
    op.drop_table("dead_letters")
    op.drop_table("campaigns")
