"""Present rows in the order of their keys, and sweeps that are under way"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0014.0012"
down_revision = "0013.0012"
branch_labels = None
depends_on = None

_JSON = sa.JSON(none_as_null=True).with_variant(
    postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), "postgresql"
)
_TIME = sa.Float(precision=53)
_PRESENT = sa.text("object_state = 'present'")


def upgrade() -> None:
    _collate(sa.Text(collation="C"))
    op.create_index(
        "ix_images_by_key",
        "images",
        ["tenant", "key"],
        sqlite_where=_PRESENT,
        postgresql_where=_PRESENT,
    )
    op.create_table(
        "bucket_sweeps",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("after", sa.Text(), nullable=False),
        sa.Column("began", _TIME, nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("departures", sa.Boolean(), nullable=False),
        sa.Column("present", sa.BigInteger(), nullable=False),
        sa.Column("missing", sa.BigInteger(), nullable=False),
        sa.Column("first_missing", _JSON, nullable=False),
        sa.Column("rest_after", sa.Text(), nullable=True),
        sa.Column("hidden", _JSON, nullable=False),
        sa.PrimaryKeyConstraint("tenant", name=op.f("pk_bucket_sweeps")),
    )


def downgrade() -> None:
    op.drop_table("bucket_sweeps")
    op.drop_index("ix_images_by_key", "images")
    _collate(sa.Text(collation="default"))


def _collate(kind: sa.Text) -> None:
    """PostgreSQL rewrites no row for it. It builds the index of keys anew."""
    if op.get_context().dialect.name == "postgresql":
        op.alter_column("images", "key", type_=kind, existing_nullable=False)
