"""Changes of the status of failure modes are kept with their reasons; reports are found by time."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
REASON = "the status when changes began to be recorded"


def upgrade() -> None:
    """Bring the schema to this revision; the status of every mode as it is becomes its first change."""
    changes = op.create_table(
        "mode_changes",
        sa.Column("id", WHOLE, nullable=False),
        sa.Column("mode", sa.String(length=160), nullable=False),
        sa.Column("at", WHOLE, nullable=False),
        sa.Column("before", sa.String(length=80), nullable=True),
        sa.Column("status", sa.String(length=80), nullable=False),
        sa.Column("campaign", sa.String(length=40), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mode_changes")),
    )
    op.create_index(op.f("ix_mode_changes_mode"), "mode_changes", ["mode"])
    states = sa.table("mode_states", *(sa.column(name) for name in ("mode", "since", "status", "campaign")))
    known = sa.select(
        states.c.mode, states.c.since, sa.null(), states.c.status, states.c.campaign, sa.literal(REASON)
    )
    names = ["mode", "at", "before", "status", "campaign", "reason"]
    op.execute(changes.insert().from_select(names, known))
    op.create_index("ix_misdetections_minute", "misdetections", ["minute_utc", "site"])
    op.create_index("ix_reports_received", "reports", ["received_at", "site", "kind", "length_bytes"])


def downgrade() -> None:
    """Go back to the revision before; the history of failure modes is forgotten."""
    op.drop_index("ix_reports_received", "reports")
    op.drop_index("ix_misdetections_minute", "misdetections")
    op.drop_index(op.f("ix_mode_changes_mode"), "mode_changes")
    op.drop_table("mode_changes")
