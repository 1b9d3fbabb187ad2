"""Recall tallies have the weights of their tracks; in those before, every weight is 1."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

COLUMNS = ("supported_weight", "detected_weight", "squared_weight")


def upgrade() -> None:
    """Bring the schema to this revision."""
    for name in COLUMNS:
        op.add_column("recall_tallies", sa.Column(name, sa.Double(), nullable=True))


def downgrade() -> None:
    """Go back to the revision before, without the weights."""
    for name in COLUMNS:
        op.drop_column("recall_tallies", name)
