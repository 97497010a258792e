"""Regrades: the policy that a replayed row is to be decided under, and who asked for it"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_TARGETED = sa.text("target IS NOT NULL")
_DECIDED = sa.text("pipeline_status = 'curated' AND object_state = 'present'")
_OPEN = sa.text("reset_at IS NULL")


def upgrade() -> None:
    op.add_column("images", sa.Column("target", sa.Text(), nullable=True))
    op.create_index(
        "ix_images_target",
        "images",
        ["batch"],
        sqlite_where=_TARGETED,
        postgresql_where=_TARGETED,
    )
    op.create_index(
        "ix_images_decided",
        "images",
        ["tenant", "policy", "batch"],
        sqlite_where=_DECIDED,
        postgresql_where=_DECIDED,
    )
    op.create_table(
        "regrades",
        sa.Column("replay_id", sa.Text(), nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column(
            "tenants",
            sa.JSON(none_as_null=True).with_variant(
                postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), "postgresql"
            ),
            nullable=False,
        ),
        sa.Column("since", sa.Text(), nullable=False),
        sa.Column("until", sa.Text(), nullable=False),
        sa.Column("started_at", sa.Float(precision=53), nullable=False),
        sa.Column("reset_at", sa.Float(precision=53), nullable=True),
        sa.PrimaryKeyConstraint("replay_id", name=op.f("pk_regrades")),
    )
    op.create_index(
        "ix_regrades_open",
        "regrades",
        ["replay_id"],
        sqlite_where=_OPEN,
        postgresql_where=_OPEN,
    )


def downgrade() -> None:
    op.drop_table("regrades")
    op.drop_index("ix_images_decided", "images")
    op.drop_index("ix_images_target", "images")
    with op.batch_alter_table("images", schema=None) as batch_op:
        batch_op.drop_column("target")
