"""What near duplicates are found by; exact ones in the order of their arrival"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_HASHED = sa.text("sha256 IS NOT NULL")


def upgrade() -> None:
    op.create_table(
        "likenesses",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("landed_at", sa.Float(precision=53), nullable=False),
        sa.Column("image_id", sa.Text(), nullable=False),
        sa.Column("view", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "tenant", "key", "landed_at", "image_id", name=op.f("pk_likenesses")
        ),
        sqlite_with_rowid=False,
    )
    _twins(["tenant", "sha256", "landed_at", "image_id"])


def downgrade() -> None:
    op.drop_table("likenesses")
    _twins(["tenant", "sha256"])


def _twins(columns: list[str]) -> None:
    op.drop_index("ix_images_twins", "images")
    op.create_index(
        "ix_images_twins", "images", columns, sqlite_where=_HASHED, postgresql_where=_HASHED
    )
