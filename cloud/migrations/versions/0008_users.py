"""Users, their tokens, the audit log, and the group of a site; there are no users at first."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.add_column("sites", sa.Column("site_group", sa.String(40), nullable=False, server_default=""))
    op.create_table(
        "users",
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("role", sa.String(80), nullable=False),
        sa.Column("added_at", _INTEGER, nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("groups", sa.Text(), nullable=False),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_users"),
    )
    op.create_table(
        "tokens",
        sa.Column("id", sa.String(16), nullable=False),
        sa.Column("user", sa.String(40), nullable=False),
        sa.Column("kind", sa.String(80), nullable=False),
        sa.Column("role", sa.String(80), nullable=False),
        sa.Column("secret_hash", sa.String(64), nullable=False),
        sa.Column("label", sa.String(80), nullable=False),
        sa.Column("made_at", _INTEGER, nullable=False),
        sa.Column("expires_at", _INTEGER, nullable=False),
        sa.Column("used_at", _INTEGER, nullable=True),
        sa.ForeignKeyConstraint(["user"], ["users.name"], name="fk_tokens_user_users", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_tokens"),
    )
    op.create_index("ix_tokens_user", "tokens", ["user"])
    op.create_table(
        "audit",
        sa.Column("id", _INTEGER, nullable=False),
        sa.Column("at_utc", _INTEGER, nullable=False),
        sa.Column("user", sa.String(80), nullable=False),
        sa.Column("address", sa.String(80), nullable=False),
        sa.Column("action", sa.String(160), nullable=False),
        sa.Column("object", sa.String(160), nullable=False),
        sa.Column("status", _INTEGER, nullable=False),
        sa.Column("before", sa.Text(), nullable=True),
        sa.Column("after", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
    )
    op.create_index("ix_audit_user", "audit", ["user", "id"])
    op.create_index("ix_audit_object", "audit", ["object", "id"])


def downgrade() -> None:
    """Go back to the revision before; users and the audit log are lost."""
    op.drop_table("audit")
    op.drop_table("tokens")
    op.drop_table("users")
    op.drop_column("sites", "site_group")
