"""Keys of sites, checkpoints of their ledgers, and the ledger entry of each report."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.add_column("sites", sa.Column("key", sa.String(length=64), nullable=False, server_default=""))
    op.add_column("sites", sa.Column("key_since", WHOLE, nullable=False, server_default="0"))
    op.add_column("sites", sa.Column("ledger_fault", sa.Text(), nullable=False, server_default=""))
    op.add_column("reports", sa.Column("ledger_n", WHOLE, nullable=True))
    op.add_column("reports", sa.Column("ledger_hash", sa.String(length=64), nullable=True))
    op.create_index("ix_reports_site_ledger", "reports", ["site", "ledger_n"])
    op.add_column("dead_letters", sa.Column("signed", sa.Boolean(), nullable=False, server_default=sa.true()))
    op.create_table(
        "checkpoints",
        sa.Column("site", sa.String(length=40), nullable=False),
        sa.Column("n", WHOLE, nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("at_utc", WHOLE, nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("signature", sa.String(length=128), nullable=False),
        sa.Column("verified_at", WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("site", "n", name=op.f("pk_checkpoints")),
    )


def downgrade() -> None:
    """Go back to the revision before; nothing is verified any more."""
    op.drop_table("checkpoints")
    op.drop_column("dead_letters", "signed")
    op.drop_index("ix_reports_site_ledger", "reports")
    for column in ("ledger_n", "ledger_hash"):
        op.drop_column("reports", column)
    for column in ("key", "key_since", "ledger_fault"):
        op.drop_column("sites", column)
