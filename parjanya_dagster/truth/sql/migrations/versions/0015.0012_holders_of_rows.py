"""Processes that hold rows under long leases"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0015.0012"
down_revision = "0014.0012"
branch_labels = None
depends_on = None

_JSON = sa.JSON(none_as_null=True).with_variant(
    postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), "postgresql"
)


def upgrade() -> None:
    op.create_table(
        "holders",
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("until", sa.Float(precision=53), nullable=False),
        sa.Column("hand", _JSON, nullable=False),
        sa.PrimaryKeyConstraint("owner", name=op.f("pk_holders")),
    )


def downgrade() -> None:
    op.drop_table("holders")
