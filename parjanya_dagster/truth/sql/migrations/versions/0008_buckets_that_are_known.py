"""Which buckets Truth speaks of, and departures from them that nobody believes yet"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "known_buckets",
        sa.Column("bucket", sa.Text(), nullable=False),
        sa.Column("identity", sa.Text(), nullable=False),
        sa.Column("adopted_at", sa.Float(precision=53), nullable=False),
        sa.PrimaryKeyConstraint("bucket", name=op.f("pk_known_buckets")),
    )
    op.create_table(
        "departure_holds",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("missing", sa.BigInteger(), nullable=False),
        sa.Column("present", sa.BigInteger(), nullable=False),
        sa.Column("since", sa.Float(precision=53), nullable=False),
        sa.Column("confirmed_at", sa.Float(precision=53), nullable=True),
        sa.PrimaryKeyConstraint("tenant", name=op.f("pk_departure_holds")),
    )


def downgrade() -> None:
    op.drop_table("departure_holds")
    op.drop_table("known_buckets")
