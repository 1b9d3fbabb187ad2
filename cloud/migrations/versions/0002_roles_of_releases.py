"""Releases and orders have a role: those before were of detectors."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TABLES = ("releases", "orders")


def upgrade() -> None:
    """Bring the schema to this revision."""
    for table in TABLES:
        role = sa.Column("role", sa.String(length=80), nullable=False, server_default="detector")
        op.add_column(table, role)


def downgrade() -> None:
    """Go back to the revision before; teachers become detectors, which they are not."""
    for table in TABLES:
        op.drop_column(table, "role")
