"""Counters of images that are kept"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from parjanya_dagster.truth.sql.tally_triggers import (
    CHANGES,
    COUNTED,
    KIND,
    NAMES,
    postgres_functions,
    postgres_triggers,
    sqlite_triggers,
)

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "tallies",
        *(sa.Column(name, sa.Text(), nullable=False) for name in KIND),
        sa.Column("part", sa.BigInteger(), nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(*KIND, "part", name=op.f("pk_tallies")),
    )
    op.execute(
        f"INSERT INTO tallies ({NAMES}, part, n) SELECT {COUNTED}, 0, count(*) FROM images "
        "GROUP BY 1, 2, 3, 4, 5, 6"
    )
    made = sqlite_triggers()
    if op.get_bind().dialect.name == "postgresql":
        made = postgres_functions() + postgres_triggers()
    for statement in made:
        op.get_bind().exec_driver_sql(statement)


def downgrade() -> None:
    postgres = op.get_bind().dialect.name == "postgresql"
    for change in CHANGES:
        op.execute(f"DROP TRIGGER tally_{change} {'ON images' if postgres else ''}")
        if postgres:
            op.execute(f"DROP FUNCTION tally_{change}()")
    op.drop_table("tallies")
