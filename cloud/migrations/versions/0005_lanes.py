"""How far each lane of a site is committed, and an identity of the database, for receipts."""

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.create_table(
        "lanes",
        sa.Column("site", sa.String(length=40), nullable=False),
        sa.Column("lane", sa.String(length=40), nullable=False),
        sa.Column("stream", sa.String(length=40), nullable=False),
        sa.Column("covered", WHOLE, nullable=False),
        sa.Column("through", WHOLE, nullable=False),
        sa.Column("ledger_n", WHOLE, nullable=False),
        sa.Column("ledger_hash", sa.String(length=64), nullable=False),
        sa.Column("ranges", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("site", "lane", name=op.f("pk_lanes")),
    )
    identity = op.create_table(
        "store_identity",
        sa.Column("identity", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("identity", name=op.f("pk_store_identity")),
    )
    op.bulk_insert(identity, [{"identity": secrets.token_hex(8)}])


def downgrade() -> None:
    """Go back to the revision before, without receipts."""
    for table in ("store_identity", "lanes"):
        op.drop_table(table)
