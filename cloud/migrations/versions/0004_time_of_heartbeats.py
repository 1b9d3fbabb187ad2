"""Heartbeats have the time at which they were sent; any later one replaces those before."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.add_column("heartbeats", sa.Column("sent_at", WHOLE, nullable=False, server_default="0"))


def downgrade() -> None:
    """Go back to the revision before, without the times."""
    op.drop_column("heartbeats", "sent_at")
