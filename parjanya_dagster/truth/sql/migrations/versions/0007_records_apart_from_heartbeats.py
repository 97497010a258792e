"""Records of their own for what heartbeats held and nobody may delete, carried over"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from parjanya_dagster.truth.carried_over import carried_over

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_TABLES = (
    "declarations",
    "identities",
    "books",
    "ledgers",
    "messages",
    "regrade_holds",
    "reconciliations",
    "preflights",
    "paces",
    "group_notes",
)


def _json() -> sa.JSON:
    return sa.JSON(none_as_null=True).with_variant(
        postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), "postgresql"
    )


def _time() -> sa.Float[float]:
    return sa.Float(precision=53)


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False)


def _at(name: str, nullable: bool = False) -> sa.Column[float]:
    return sa.Column(name, _time(), nullable=nullable)


def _values(name: str) -> sa.Column[object]:
    return sa.Column(name, _json(), nullable=False)


def _key(table: str, *columns: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint(*columns, name=op.f(f"pk_{table}"))


def upgrade() -> None:
    tables = {table.name: table for table in _create()}
    heartbeats = sa.table(
        "heartbeats",
        sa.column("name", sa.Text()),
        sa.column("at", _time()),
        sa.column("payload", _json()),
    )
    connection = op.get_bind()
    found = connection.execute(sa.select(heartbeats)).all()
    rows, moved = carried_over((row.name, row.at, row.payload) for row in found)
    for one in rows.get("reconciliations", ()):
        one["loop"] = "reconciler"
    for name, some in rows.items():
        op.bulk_insert(tables[name], some)
    for name in moved:
        connection.execute(sa.delete(heartbeats).where(heartbeats.c.name == name))


def _create() -> list[sa.Table]:
    return [
        op.create_table(
            "declarations",
            _text("lane"),
            _values("identity"),
            _at("at"),
            _key("declarations", "lane"),
        ),
        op.create_table(
            "identities",
            _text("lane"),
            _text("digest"),
            _values("identity"),
            _text("run_id"),
            _at("at"),
            _key("identities", "lane", "digest"),
        ),
        op.create_table(
            "books",
            _text("run_id"),
            _text("stage"),
            _values("accounts"),
            sa.Column("closed", sa.Boolean(), nullable=False),
            _at("at"),
            _key("books", "run_id", "stage"),
        ),
        op.create_table(
            "ledgers",
            _text("account"),
            _values("amounts"),
            _values("folded"),
            _at("at"),
            _key("ledgers", "account"),
        ),
        op.create_table(
            "messages",
            _text("message_id"),
            _text("lane"),
            _values("stages"),
            _values("batches"),
            sa.Column("regrade", sa.Boolean(), nullable=False),
            _at("sent_at"),
            _at("taken_at", nullable=True),
            _key("messages", "message_id"),
        ),
        op.create_table(
            "regrade_holds",
            _text("replay_id"),
            _at("attended_at"),
            _at("hold_until"),
            _key("regrade_holds", "replay_id"),
        ),
        op.create_table(
            "reconciliations",
            _text("loop"),
            _at("at"),
            sa.Column("generation", sa.BigInteger(), nullable=False),
            _at("watching_since"),
            _values("totals"),
            _values("heard"),
            _key("reconciliations", "loop"),
        ),
        op.create_table(
            "preflights",
            _text("stage"),
            sa.Column("ok", sa.Boolean(), nullable=False),
            _text("engine"),
            _text("problem"),
            _values("identity"),
            _text("run_id"),
            _text("host"),
            _at("at"),
            _at("since", nullable=True),
            sa.Column("times", sa.Integer(), nullable=False),
            _key("preflights", "stage"),
        ),
        op.create_table(
            "paces",
            _text("stage"),
            _at("seconds_per_row"),
            sa.Column("rows", sa.BigInteger(), nullable=False),
            _at("at"),
            _key("paces", "stage"),
        ),
        op.create_table(
            "group_notes",
            _text("lane"),
            _text("group"),
            sa.Column("desired", sa.Integer(), nullable=False),
            sa.Column("in_service", sa.Integer(), nullable=False),
            _at("nothing_since", nullable=True),
            _text("said"),
            _at("quiet_since"),
            sa.Column("rows", sa.BigInteger(), nullable=False),
            _at("at"),
            _key("group_notes", "lane"),
        ),
    ]


def downgrade() -> None:
    for table in reversed(_TABLES):
        op.drop_table(table)
