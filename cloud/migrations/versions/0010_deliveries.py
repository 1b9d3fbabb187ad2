"""What operators make of hazards, and deliveries of their changes to other systems."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.create_table(
        "hazard_handling",
        sa.Column("site", sa.String(length=40), nullable=False),
        sa.Column("event", sa.String(length=26), nullable=False),
        sa.Column("status", sa.String(length=80), nullable=False),
        sa.Column("at_utc", WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("site", "event", name=op.f("pk_hazard_handling")),
    )
    op.create_table(
        "deliveries",
        sa.Column("id", WHOLE, nullable=False),
        sa.Column("integration", sa.String(length=40), nullable=False),
        sa.Column("change_id", sa.String(length=32), nullable=False),
        sa.Column("change", sa.String(length=80), nullable=False),
        sa.Column("changed_at", WHOLE, nullable=False),
        sa.Column("hazard", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=80), nullable=False),
        sa.Column("queued_at", WHOLE, nullable=False),
        sa.Column("due_at", WHOLE, nullable=False),
        sa.Column("attempts", WHOLE, nullable=False),
        sa.Column("ended_at", WHOLE, nullable=True),
        sa.Column("seconds", sa.Double(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
    )
    op.create_index("ix_deliveries_integration_state", "deliveries", ["integration", "state", "queued_at"])


def downgrade() -> None:
    """Go back to the revision before; what waits to be delivered is lost."""
    for table in ("deliveries", "hazard_handling"):
        op.drop_table(table)
