"""Indexes for failed rows by class and for rows in trouble: both small, whatever the history"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_FAILED = sa.text("pipeline_status = 'failed'")
_TROUBLED = sa.text("due_at IS NOT NULL AND (retry_since IS NOT NULL OR suspect)")


def upgrade() -> None:
    op.create_index(
        "ix_images_failed",
        "images",
        ["tenant", "failure_class", "image_id"],
        sqlite_where=_FAILED,
        postgresql_where=_FAILED,
    )
    op.create_index(
        "ix_images_troubled",
        "images",
        ["updated_at"],
        sqlite_where=_TROUBLED,
        postgresql_where=_TROUBLED,
    )


def downgrade() -> None:
    op.drop_index("ix_images_failed", "images")
    op.drop_index("ix_images_troubled", "images")
