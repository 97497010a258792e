"""Versions that are known to be an image registered before, and what replaced an image"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "locations",
        sa.Column("location", sa.Text(), nullable=False),
        sa.Column("image_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["image_id"], ["images.image_id"], name=op.f("fk_locations_image_id")
        ),
        sa.PrimaryKeyConstraint("location", name=op.f("pk_locations")),
    )
    op.add_column("images", sa.Column("replaced_by", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("images", "replaced_by")
    op.drop_table("locations")
