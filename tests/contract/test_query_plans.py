"""The hot statements use their index on both backends: their cost does not grow with history.

Each operation runs for real over a table with a long history; the statements it sent are then
explained. A full scan of images, evidence or events fails the test, whoever wrote it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import Any

import pytest
from sqlalchemy import Connection, event, text

from parjanya_dagster.truth.outcomes import Completed, Retry
from parjanya_dagster.truth.requests import ClaimRequest, Reset
from parjanya_dagster.truth.reviews import Review, ReviewDecision
from parjanya_dagster.truth.sql import SqlStore
from parjanya_dagster.truth.sql.engine import writing
from parjanya_dagster.truth.sql.mapping import insert_rows
from parjanya_dagster.truth.sql.schema import metadata, reviews
from parjanya_dagster.truth.store import Store
from tests.support.backends import Backend
from tests.support.world import (
    LEASE,
    NOON,
    arrival,
    arrive,
    claim,
    commit,
    completed,
    found,
    promised,
    tenant,
)

HISTORY = {"sqlite": 20_000, "postgresql": 30_000}
"""Rows of each large table. SQLite chooses its plans by the indexes alone."""
LARGE = ("images", "evidence", "events", "likenesses", "uploads", "reviews")
BATCHES = ["acme/2025-10-09/001", "acme/2025-10-09/002"]

Act = Callable[[Store], Any]
HOT: dict[str, Act] = {
    "due": lambda s: s.due(NOON),
    "due rows": lambda s: s.due_rows(BATCHES, ["validated", "enriched"], NOON, 50),
    "claim": lambda s: s.claim(
        ClaimRequest(stage="validated", batches=BATCHES, limit=50, owner="w", lease=LEASE), NOON
    ),
    "claim lapsed": lambda s: s.claim(
        ClaimRequest(stage="validated", batches=BATCHES, limit=50, owner="w", lease=LEASE),
        NOON + LEASE,
    ),
    "commit": lambda s: commit(s, claim(s, limit=20), lambda c: completed(c, sha256="s")),
    "retry": lambda s: commit(s, claim(s, limit=20), Retry("away")),
    "extend": lambda s: s.extend(claim(s, limit=20), LEASE, NOON),
    "release": lambda s: s.release(claim(s, limit=20), NOON, "drain", ""),
    "expire leases": lambda s: s.expire_leases(NOON + LEASE),
    "counts": lambda s: s.counts(),
    "due later": lambda s: s.due_later(NOON + 9 * LEASE),
    "register": lambda s: s.register([arrival(n, version="v2") for n in range(20)], NOON),
    "depart": lambda s: s.depart(["h7", "h8"], NOON, "deleted"),
    "known": lambda s: s.known(["a", "b"]),
    "versions": lambda s: s.versions("bucket", {"acme/incoming/1.jpg": 1234}),
    "register the same bytes": lambda s: s.register(
        [replace(arrival(1, version="v2"), same_as=arrival(1).image_id)], NOON
    ),
    "reset": lambda s: s.reset(
        BATCHES[:1], Reset(stage="validated", reason="regrade"), NOON, "b-1"
    ),
    "get": lambda s: s.get("a"),
    "starting with": lambda s: s.starting_with("h12", "acme", 20),
    "find": lambda s: s.find("acme/incoming/1.jpg"),
    "twins": lambda s: s.twins("acme", [f"sha-{n}" for n in range(20)]),
    "twin ids": lambda s: s.twin_ids("acme", [f"sha-{n}" for n in range(20)], limit=2),
    "earliest twins": lambda s: s.twins("acme", [f"sha-{n}" for n in range(20)], limit=2),
    "copies": lambda s: s.copies("acme", "sha-7", s.get("h7"), 20),
    "alike": lambda s: s.alike("acme", {"a": {f"key-{n}": n for n in range(20)}}, 12),
    "history": lambda s: s.history("a"),
    "evidence": lambda s: s.evidence(s.rows(["acme/2000-01-01/001"], limit=20)),
    "all evidence": lambda s: s.all_evidence("a"),
    "rows": lambda s: s.rows(["acme/2000-01-01/001"], limit=20),
    "failed": lambda s: s.failed("acme", "undecodable", after="5", limit=20),
    "troubled": lambda s: s.troubled(NOON),
    "present": lambda s: s.present("acme", after="5", limit=20),
    "present keys": lambda s: next(s.present_keys("acme", "acme/", "acme/incoming/5")),
    "review": lambda s: s.review(
        ReviewDecision(image_id="h9", who="ana", action="accept", request_id="r"), NOON, seen=0
    ),
    "reviews": lambda s: s.reviews("h9"),
    "to review": lambda s: s.to_review("acme", 20),
    "waiting for review": lambda s: s.waiting_for_review("acme"),
    "claim review": lambda s: s.claim_review("acme", "ana", NOON, LEASE, 20, skip=["h7"]),
    "claim review among": lambda s: s.claim_review("acme", "b", NOON, LEASE, 2, among=["h7"]),
    "upload": lambda s: s.upload("a"),
    "uploads due": lambda s: s.uploads_due(NOON),
    "upload arrived": lambda s: s.upload_arrived("a", "b", NOON),
    "upload expired": lambda s: s.upload_expired("a", "never came", NOON),
}


@pytest.fixture(scope="module")
def large(shared_sql_backend: Backend) -> SqlStore:
    """A store with a history, a little due work, and what ANALYZE knows about it.

    The tests of this module share it: none of their operations changes what a plan depends on.
    """
    store = shared_sql_backend.open(batch_size=100)
    assert isinstance(store, SqlStore)
    store.put_tenant(tenant())
    arrive(store, 600)
    fill(store)
    return store


@pytest.mark.parametrize("operation", list(HOT))
def test_a_hot_statement_uses_its_index(large: SqlStore, operation: str) -> None:
    with recorded(large) as statements:
        HOT[operation](large)
    tables = re.compile(rf"\b({'|'.join(LARGE)})\b")
    hot = [(s, p) for s, p in statements if tables.search(s)]
    assert hot, "nothing was sent"
    with writing(large.engine) as connection:
        for statement, parameters in hot:
            scans = full_scans(connection, statement, parameters)
            assert not scans, f"{statement}\n{scans}"


def test_a_claim_looks_for_lapsed_leases_among_the_leases(large: SqlStore) -> None:
    """Among the rows of its batches it would read all of them with each claim."""
    with recorded(large) as statements:
        large.claim(
            ClaimRequest(stage="validated", batches=BATCHES, limit=50, owner="w", lease=LEASE), NOON
        )
    (lapsed,) = [(s, p) for s, p in statements if s.startswith("SELECT") and "lease_until <=" in s]
    with writing(large.engine) as connection:
        assert "ix_images_leased" in plan(connection, *lapsed)


def test_rows_that_are_due_much_later_are_found_without_those_that_are_due(
    large: SqlStore,
) -> None:
    with recorded(large) as statements:
        large.due_later(NOON + 9 * LEASE)
    with writing(large.engine) as connection:
        for statement in statements:
            lines = plan(connection, *statement)
            assert "ix_images_due" in lines
            assert re.search(r"due_at\"? ?> ", lines) or "due_at>?" in lines, lines


def test_counting_every_row_reads_an_index_only(large: SqlStore) -> None:
    with recorded(large) as statements:
        large.counted()
    (tally,) = [(s, p) for s, p in statements if "failure_class" in s]
    with writing(large.engine) as connection:
        if connection.dialect.name == "postgresql":  # whether it pays depends on the last vacuum
            connection.execute(text("SET LOCAL enable_seqscan = off"))
        lines = plan(connection, *tally)
    assert "COVERING INDEX ix_images_tally" in lines or "Index Only Scan" in lines


def test_the_check_itself_sees_a_full_scan(large: SqlStore) -> None:
    with writing(large.engine) as connection:
        for table, column in [("images", "failure_reason"), ("events", "reason")]:
            slow = f"SELECT * FROM {table} WHERE {column} = 'x'"
            assert full_scans(connection, slow, ())
        assert full_scans(connection, "SELECT count(*) FROM images", ())


def fill(store: SqlStore) -> None:
    """Copy one curated row, its evidence and its event into a history, within the database."""
    seed = store.register([arrival("seed")], NOON)[0].image_id
    mine = [c for c in claim(store, limit=1000) if c.image_id == seed]
    commit(store, mine, lambda c: Completed(found(c), {}, {"key": 0}))
    for c in claim(store, limit=1000, now=NOON + LEASE):
        store.release([c], NOON, "set free", "")
    store.add_uploads([promised("u", size=7)])
    store.upload_arrived("u", seed, NOON)
    with writing(store.engine) as connection:
        numbers = (
            "(SELECT generate_series AS n FROM generate_series(1, :count)) AS numbers"
            if connection.dialect.name == "postgresql"
            else "(WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < :count)"
            " SELECT n FROM c) AS numbers"
        )
        fresh = {
            "images": {
                "image_id": "'h' || n",
                "key": "'old/' || n",
                "batch": "'acme/2000-01-' || (10 + n % 20) || '/001'",
                "pipeline_status": "'curated'",
                "due_at": "NULL",
                "sha256": "'sha-' || n",
            },
            "evidence": {"image_id": "'h' || n"},
            "likenesses": {"image_id": "'h' || n", "key": "'key-' || n"},
            "events": {"event_id": "1000000 + n", "image_id": "'h' || n"},
            "uploads": {"upload_id": "'h' || n"},
            "reviews": {"image_id": "'r' || n"},
        }
        insert_rows(connection, reviews, [asdict(seed_review(seed))])
        for table, new in fresh.items():
            columns = [column.name for column in metadata.tables[table].columns]
            values = ", ".join(new.get(name, f'"{name}"') for name in columns)
            names = ", ".join(f'"{name}"' for name in columns)
            connection.execute(
                text(
                    f"INSERT INTO {table} ({names}) SELECT {values} FROM "
                    f"(SELECT * FROM {table} WHERE image_id = :seed LIMIT 1) AS one, {numbers}"
                ),
                {"seed": seed, "count": HISTORY[store.engine.dialect.name]},
            )
    with store.engine.connect() as raw:
        raw = raw.execution_options(isolation_level="AUTOCOMMIT")
        if store.engine.dialect.name == "postgresql":
            raw.execute(text("VACUUM ANALYZE"))


def seed_review(image_id: str) -> Review:
    return Review(
        image_id=image_id,
        number=1,
        tenant="acme",
        batch="acme/2000-01-01/001",
        at=NOON,
        who="ana",
        action="accept",
        note="",
        evidence={},
        policy=None,
        policy_verdict=None,
        sha256=None,
        request_id="r",
    )


@contextmanager
def recorded(store: SqlStore) -> Iterator[list[tuple[str, Any]]]:
    """The statements that a store sends, with the parameters of one execution each."""
    statements: list[tuple[str, Any]] = []

    def note(_conn: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if not statement.startswith(("BEGIN", "PRAGMA", "SELECT 1")):
            one = parameters[0] if isinstance(parameters, list) and parameters else parameters
            statements.append((statement, one))

    event.listen(store.engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(store.engine, "before_cursor_execute", note)


def full_scans(connection: Connection, statement: str, parameters: Any) -> list[str]:
    """The large tables that the plan of a statement reads from end to end."""
    if connection.dialect.name == "sqlite":
        lines = plan(connection, statement, parameters).splitlines()
        return [line for line in lines if re.match(rf"SCAN ({'|'.join(LARGE)})\b", line)]
    cursor = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", parameters)
    found: Any = cursor.scalar()
    tree = (json.loads(found) if isinstance(found, str) else found)[0]["Plan"]
    return [
        f"{node['Node Type']} on {node['Relation Name']}"
        for node in _nodes(tree)
        if node.get("Relation Name") in LARGE
        and (node["Node Type"] == "Seq Scan" or _unbounded(node))
    ]


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for inner in node.get("Plans", []):
        yield from _nodes(inner)


def _unbounded(node: dict[str, Any]) -> bool:
    """An index walked from end to end is a scan too."""
    return node["Node Type"] in ("Index Scan", "Index Only Scan") and "Index Cond" not in node


def plan(connection: Connection, statement: str, parameters: Any) -> str:
    how = "EXPLAIN QUERY PLAN" if connection.dialect.name == "sqlite" else "EXPLAIN"
    rows = connection.exec_driver_sql(f"{how} {statement}", parameters).all()
    return "\n".join(str(row[-1]) for row in rows)
