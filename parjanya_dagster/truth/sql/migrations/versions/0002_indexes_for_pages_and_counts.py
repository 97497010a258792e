"""Indexes for pages of present rows and for counts; a vacuum that keeps up with the due index"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_PRESENT = sa.text("object_state = 'present'")


def upgrade() -> None:
    op.drop_index("ix_images_tenant_object_state_pipeline_status", "images")
    op.drop_index("ix_images_bucket_key", "images")
    op.create_index(
        "ix_images_tally",
        "images",
        ["tenant", "object_state", "pipeline_status", "verdict", "failure_class"],
    )
    op.create_index(
        "ix_images_present",
        "images",
        ["tenant", "image_id"],
        sqlite_where=_PRESENT,
        postgresql_where=_PRESENT,
    )
    if op.get_bind().dialect.name == "postgresql":
        # A row passes through the index of due work eight times. At the default of a fifth of
        # the table, the dead entries of a large archive would outnumber the living for days.
        op.execute(
            "ALTER TABLE images SET (autovacuum_vacuum_scale_factor = 0.01, "
            "autovacuum_vacuum_threshold = 5000, autovacuum_analyze_scale_factor = 0.02)"
        )


def downgrade() -> None:
    op.drop_index("ix_images_tally", "images")
    op.drop_index("ix_images_present", "images")
    op.create_index("ix_images_bucket_key", "images", ["bucket", "key"])
    op.create_index(
        "ix_images_tenant_object_state_pipeline_status",
        "images",
        ["tenant", "object_state", "pipeline_status"],
    )
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "ALTER TABLE images RESET (autovacuum_vacuum_scale_factor, "
            "autovacuum_vacuum_threshold, autovacuum_analyze_scale_factor)"
        )
