"""Prototypes have the privacy budget that their camera had spent; those before have none.

An index finds the last prototype of each camera.
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

INDEX = "ix_prototypes_camera"


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.add_column("prototypes", sa.Column("epsilon_spent", sa.Double(), nullable=True))
    op.create_index(INDEX, "prototypes", ["site", "camera", "minute_utc"])


def downgrade() -> None:
    """Go back to the revision before, without the budgets."""
    op.drop_index(INDEX, table_name="prototypes")
    op.drop_column("prototypes", "epsilon_spent")
