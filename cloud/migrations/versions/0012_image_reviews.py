"""What people make of generated images is kept, as labels for judges and to leave images out of trainings."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.create_table(
        "image_reviews",
        sa.Column("campaign", sa.String(length=40), nullable=False),
        sa.Column("image", sa.String(length=160), nullable=False),
        sa.Column("verdict", sa.String(length=80), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("by", sa.String(length=80), nullable=False),
        sa.Column("at", WHOLE, nullable=False),
        sa.Column("left_out", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["campaign"], ["campaigns.id"], name=op.f("fk_image_reviews_campaign_campaigns")
        ),
        sa.PrimaryKeyConstraint("campaign", "image", name=op.f("pk_image_reviews")),
    )


def downgrade() -> None:
    """Go back to the revision before; reviews are lost."""
    op.drop_table("image_reviews")
