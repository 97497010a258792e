"""Triggers that keep the counters of images in the transactions that move the rows.

A trigger misses no statement, whoever makes it. On PostgreSQL each transaction writes what it moved
under its own number, so no two wait for each other; `Counting.fold_counts` adds up what is over.

Migration 0011 makes them as they stand here, and a backup that is brought back needs the functions.
So nothing here may change: a trigger that does something else has another name and a migration.
"""

from __future__ import annotations

from parjanya_dagster.truth.counts import LAPSED

KIND = ("tenant", "object_state", "pipeline_status", "verdict", "failure_class", "people")
NAMES = ", ".join(KIND)
COUNTED = (
    "tenant, object_state, pipeline_status, coalesce(verdict, '') AS verdict, "
    "coalesce(failure_class, '') AS failure_class, "
    f"coalesce(person_verdict, CASE WHEN lapsed THEN '{LAPSED}' ELSE '' END) AS people"
)
MOVING = (
    *("object_state", "pipeline_status", "verdict", "failure_class"),
    *("person_verdict", "lapsed"),
)
"""The columns of a row by which it is counted elsewhere."""
CHANGES = {"insert": ("new",), "update": ("new", "old"), "delete": ("old",)}
"""What the trigger of each change sees of a row. A new one adds one, an old one takes one away."""


def sqlite_triggers() -> list[str]:
    """A trigger per row. There is one writer at a time, so all counters are in part 0."""
    columns = ", ".join(MOVING)
    moved = " OR ".join(f"NEW.{name} IS NOT OLD.{name}" for name in MOVING)
    when = {"insert": "INSERT", "update": f"UPDATE OF {columns}", "delete": "DELETE"}
    only = {"update": f"WHEN {moved}"}
    return [
        f"CREATE TRIGGER tally_{change} AFTER {when[change]} ON images {only.get(change, '')} "
        f"BEGIN {' '.join(_counted_in_sqlite(side) for side in sides)} END"
        for change, sides in CHANGES.items()
    ]


def _counted_in_sqlite(side: str) -> str:
    by = _by_one(side)
    return (
        f"INSERT INTO tallies ({NAMES}, part, n) VALUES ({side}.tenant, {side}.object_state, "
        f"{side}.pipeline_status, coalesce({side}.verdict, ''), "
        f"coalesce({side}.failure_class, ''), coalesce({side}.person_verdict, "
        f"CASE WHEN {side}.lapsed THEN '{LAPSED}' ELSE '' END), 0, {by}) "
        f"ON CONFLICT ({NAMES}, part) DO UPDATE SET n = n + ({by});"
    )


def postgres_functions() -> list[str]:
    """What the triggers of PostgreSQL do, once per statement."""
    functions = []
    for change, sides in CHANGES.items():
        rows = " UNION ALL ".join(
            f"SELECT {COUNTED}, {_by_one(side)} AS by_one FROM {side}_rows" for side in sides
        )
        functions.append(
            f"CREATE OR REPLACE FUNCTION public.tally_{change}() RETURNS trigger LANGUAGE plpgsql "
            f"AS $$ BEGIN INSERT INTO tallies ({NAMES}, part, n) "
            f"SELECT {NAMES}, txid_current(), sum(by_one) FROM ({rows}) AS moved "
            f"GROUP BY {NAMES} HAVING sum(by_one) <> 0 "
            f"ON CONFLICT ({NAMES}, part) DO UPDATE SET n = tallies.n + excluded.n; "
            "RETURN NULL; END $$"
        )
    return functions


def postgres_triggers() -> list[str]:
    return [
        f"CREATE TRIGGER tally_{change} AFTER {change.upper()} ON images REFERENCING "
        f"{' '.join(f'{side.upper()} TABLE AS {side}_rows' for side in sides)} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION public.tally_{change}()"
        for change, sides in CHANGES.items()
    ]


def _by_one(side: str) -> int:
    return 1 if side == "new" else -1
