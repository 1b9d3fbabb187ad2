"""Sites can be quarantined; none is at first."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.add_column("sites", sa.Column("quarantined", sa.Boolean(), nullable=False, server_default=sa.false()))


def downgrade() -> None:
    """Go back to the revision before; quarantined sites count again."""
    op.drop_column("sites", "quarantined")
