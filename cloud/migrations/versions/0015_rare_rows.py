"""Indexes for filters that few or no rows pass, which would read a whole table in the order of the list."""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

INDEXES = {
    "ix_misdetections_class": ("misdetections", ["class_name", "minute_utc", "report_id"]),
    "ix_misdetections_evidence": ("misdetections", ["evidence", "minute_utc", "report_id"]),
    "ix_hazards_camera": ("hazards", ["camera", "started_at_utc", "event"]),
}


def upgrade() -> None:
    """Bring the schema to this revision."""
    for name, (table, columns) in INDEXES.items():
        op.create_index(name, table, columns)


def downgrade() -> None:
    """Go back to the revision before."""
    for name, (table, _) in INDEXES.items():
        op.drop_index(name, table_name=table)
