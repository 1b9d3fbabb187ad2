"""What the guards of sites measured of models that were put in service."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INDEX = "ix_guard_reports_model_digest"


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.create_table(
        "guard_reports",
        sa.Column("report_id", WHOLE, nullable=False),
        sa.Column("site", sa.String(length=80), nullable=False),
        sa.Column("report", sa.Text(), nullable=False),
        sa.Column("model_digest", sa.String(length=80), nullable=False),
        sa.Column("minute_utc", WHOLE, nullable=False),
        sa.ForeignKeyConstraint(
            ["report_id"],
            ["reports.id"],
            name=op.f("fk_guard_reports_report_id_reports"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("report_id", name=op.f("pk_guard_reports")),
    )
    op.create_index(INDEX, "guard_reports", ["model_digest", "minute_utc"])


def downgrade() -> None:
    """Go back to the revision before; the measurements are lost."""
    op.drop_table("guard_reports")
