"""Verdict requests to sites, with their answers."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INDEX = "ix_verdict_requests_site"


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.create_table(
        "verdict_requests",
        sa.Column("number", WHOLE, nullable=False),
        sa.Column("site", sa.String(length=40), nullable=False),
        sa.Column("camera", sa.String(length=80), nullable=False),
        sa.Column("class_name", sa.String(length=80), nullable=False),
        sa.Column("at_utc", WHOLE, nullable=False),
        sa.Column("by", sa.String(length=80), nullable=False),
        sa.Column("asked_at", WHOLE, nullable=False),
        sa.Column("expires_at", WHOLE, nullable=False),
        sa.Column("outcome", sa.String(length=80), nullable=True),
        sa.Column("answered_at", WHOLE, nullable=True),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_verdict_requests")),
    )
    op.create_index(INDEX, "verdict_requests", ["site", "asked_at"])


def downgrade() -> None:
    """Go back to the revision before; requests are lost."""
    op.drop_table("verdict_requests")
