"""Indexes of the API's lists, along which their pages and filters read."""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

INDEXES = {
    "ix_reports_site_kind": ("reports", ["site", "kind", "length_bytes"]),
    "ix_misdetections_mode": (
        "misdetections",
        ["class_name", "condition", "kind", "minute_utc", "report_id"],
    ),
    "ix_misdetections_site": ("misdetections", ["site", "minute_utc", "report_id"]),
    "ix_misdetections_order": ("misdetections", ["minute_utc", "report_id"]),
    "ix_hazards_started": ("hazards", ["started_at_utc", "event"]),
    "ix_hazards_site": ("hazards", ["site", "started_at_utc", "event"]),
    "ix_hazards_class": ("hazards", ["class_name", "started_at_utc", "event"]),
    "ix_hazards_severity": ("hazards", ["severity", "started_at_utc", "event"]),
    "ix_hazard_handling_status": ("hazard_handling", ["status"]),
    "ix_deliveries_state": ("deliveries", ["state", "id"]),
    "ix_images_campaign": ("images", ["campaign", "id"]),
    "ix_images_campaign_mode": ("images", ["campaign", "mode", "id"]),
    "ix_images_campaign_kept": ("images", ["campaign", "kept", "reason", "id"]),
    "ix_audit_at": ("audit", ["at_utc"]),
}
_BEFORE = {
    "ix_misdetections_mode": ("misdetections", ["class_name", "condition", "kind"]),
    "ix_hazards_started_at_utc": ("hazards", ["started_at_utc"]),
}


def upgrade() -> None:
    """Bring the schema to this revision."""
    _replace(_BEFORE, INDEXES)


def downgrade() -> None:
    """Go back to the revision before."""
    _replace(INDEXES, _BEFORE)


def _replace(old: dict[str, tuple[str, list[str]]], new: dict[str, tuple[str, list[str]]]) -> None:
    for name, (table, _) in old.items():
        op.drop_index(name, table_name=table)
    for name, (table, columns) in new.items():
        op.create_index(name, table, columns)
