"""Decisions of people on images, and for whom an image is kept"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_FOR_REVIEW = sa.text(
    "pipeline_status = 'curated' AND object_state = 'present' AND person_verdict IS NULL "
    "AND (verdict = 'review' OR lapsed)"
)
_TALLY = ["tenant", "object_state", "pipeline_status", "verdict", "failure_class"]
_NULLABLE: dict[str, sa.types.TypeEngine[Any]] = {
    "person_verdict": sa.Text(),
    "person": sa.Text(),
    "reviewed_at": sa.Float(precision=53),
    "reviewed_under": sa.Text(),
}


def upgrade() -> None:
    for name, kind in _NULLABLE.items():
        op.add_column("images", sa.Column(name, kind, nullable=True))
    op.add_column(
        "images", sa.Column("reviews", sa.Integer(), nullable=False, server_default=sa.text("0"))
    )
    op.add_column(
        "images", sa.Column("lapsed", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.drop_index("ix_images_tally", "images")
    op.create_index("ix_images_tally", "images", [*_TALLY, "person_verdict", "lapsed"])
    op.create_index(
        "ix_images_review",
        "images",
        ["tenant", "landed_at", "image_id"],
        sqlite_where=_FOR_REVIEW,
        postgresql_where=_FOR_REVIEW,
    )
    op.create_table(
        "reviews",
        sa.Column("image_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("batch", sa.Text(), nullable=False),
        sa.Column("at", sa.Float(precision=53), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column(
            "evidence",
            sa.JSON(none_as_null=True).with_variant(
                postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), "postgresql"
            ),
            nullable=False,
        ),
        sa.Column("policy", sa.Text(), nullable=True),
        sa.Column("policy_verdict", sa.Text(), nullable=True),
        sa.Column("sha256", sa.Text(), nullable=True),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("image_id", "number", name=op.f("pk_reviews")),
    )
    op.create_table(
        "review_claims",
        sa.Column("image_id", sa.Text(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("until", sa.Float(precision=53), nullable=False),
        sa.PrimaryKeyConstraint("image_id", name=op.f("pk_review_claims")),
    )


def downgrade() -> None:
    op.drop_table("review_claims")
    op.drop_table("reviews")
    op.drop_index("ix_images_review", "images")
    op.drop_index("ix_images_tally", "images")
    op.create_index("ix_images_tally", "images", _TALLY)
    for name in ("lapsed", "reviews", *reversed(_NULLABLE)):
        op.drop_column("images", name)
