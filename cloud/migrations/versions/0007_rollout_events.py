"""What is done to rollouts is recorded; their phase `partial` is `wide`."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.create_table(
        "rollout_events",
        sa.Column("id", WHOLE, nullable=False),
        sa.Column("rollout", sa.String(length=40), nullable=False),
        sa.Column("at", WHOLE, nullable=False),
        sa.Column("by", sa.String(length=80), nullable=False),
        sa.Column("action", sa.String(length=20), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["rollout"], ["rollouts.id"], name=op.f("fk_rollout_events_rollout_rollouts")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rollout_events")),
    )
    op.create_index(op.f("ix_rollout_events_rollout"), "rollout_events", ["rollout"])
    _rename("partial", "wide")


def downgrade() -> None:
    """Go back to the revision before; what was done to rollouts is forgotten."""
    _rename("early", "partial")
    _rename("wide", "partial")
    op.drop_index(op.f("ix_rollout_events_rollout"), "rollout_events")
    op.drop_table("rollout_events")


def _rename(phase: str, to: str) -> None:
    """Another name for a phase, in the column and in the JSON of the state machine."""
    rollouts = sa.table("rollouts", sa.column("phase", sa.String), sa.column("state", sa.Text))
    op.execute(rollouts.update().where(rollouts.c.phase == phase).values(phase=to))
    renamed = sa.func.replace(rollouts.c.state, f'"{phase}"', f'"{to}"')
    op.execute(rollouts.update().values(state=renamed))
