"""Whole answers to requests with an idempotency key."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Bring the schema to this revision."""
    for column in (
        sa.Column("fingerprint", sa.String(length=64), nullable=False, server_default=""),
        sa.Column("status", WHOLE, nullable=False, server_default="0"),
        sa.Column("body", sa.Text(), nullable=False, server_default=""),
    ):
        op.add_column("idempotency", column)


def downgrade() -> None:
    """Go back to the revision before; answers are made again."""
    with op.batch_alter_table("idempotency") as table:
        for name in ("fingerprint", "status", "body"):
            table.drop_column(name)
