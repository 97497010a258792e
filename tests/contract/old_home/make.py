"""Make the old homes beside this file. Runs on the code of commit e17c006, and on no other.

    git worktree add ../then e17c006
    cd ../then && PYTHONPATH=. python ../parjanya/tests/contract/old_home/make.py

What it calls is the code of then: nothing in the homes was written by hand. Beside each home it
writes what that code made of it, which is what this code must make of it too.
"""

# ruff: noqa: I001 (its imports are of another tree)

from __future__ import annotations

import json
import sqlite3
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from parjanya_dagster.belief.queued import QueuedLanes, notes
from parjanya_dagster.execution.book import Book
from parjanya_dagster.execution.signs import SignsOfLife, note_pace
from parjanya_dagster.intent.capacity import Bounds, GroupState
from parjanya_dagster.intent.sending import send
from parjanya_dagster.intent.tending import Groups
from parjanya_dagster.truth.rows import Regrade

from gpu_ops.preflight import Check, Report
from parjanya_dagster.belief import blindness
from parjanya_dagster.belief.drift import declare, declared, drifts, note_running, running
from parjanya_dagster.belief.ledger import accounts, fold
from parjanya_dagster.belief.observe import observe
from parjanya_dagster.belief.snapshot import LiveRun, RunState, Seen
from parjanya_dagster.execution.preflight import record
from parjanya_dagster.execution.worker import Tally
from parjanya_dagster.intent.limits import Limits
from parjanya_dagster.intent.plan import Request, plan
from parjanya_dagster.intent.reconcile import reconcile
from parjanya_dagster.lanes import SPLIT
from parjanya_dagster.regrade.advance import beat, let_go
from parjanya_dagster.truth import open_store
from parjanya_dagster.truth.store import Store
from tests.support.world import NOON, arrive, carry
from tests.support.servers import MotoServer, PostgresServer

HERE = Path(__file__).parent
CPU, GPU = SPLIT
THEN = NOON + 1000.0  # when the homes were left
FIRST = "sqlite.sql"


class Queue:
    """A lane's queue with so many messages, of which so many are hidden. It keeps nothing."""

    name = "gpu-lane"

    def send(self, body: str) -> None: ...

    def state(self) -> Any:
        from parjanya_dagster.aws.messages import QueueState

        return QueueState(self.name, 1, 1, 0.0)


class Group:
    """A group that was raised and got no instance."""

    def state(self) -> GroupState:
        return GroupState("gpu-group", 1, 0, 4, 0, "no capacity of that type")

    def set_to(self, desired: int) -> None: ...


class Dagster:
    """One run that works since long ago, and one that has not begun."""

    def __init__(self, keys: list[str]) -> None:
        self.keys = tuple(keys)

    def read(self, now: float) -> Seen:
        runs = (
            LiveRun("r-works", CPU.job, RunState.STARTED, self.keys[:1], CPU.stages, NOON, True),
            LiveRun("r-waits", CPU.job, RunState.QUEUED, self.keys[1:2], CPU.stages, NOON, True),
        )
        return Seen(self.keys, runs, ())

    def bury(self, run_id: str, reason: str) -> bool:
        return False


def book(store: Store, run: str, rows: Mapping[str, int], *, closed: bool = True) -> None:
    kept = Book(store, run, "scored", lambda: NOON + 500, gpu=True)
    for batch, count in rows.items():
        for _ in range(count):
            kept.tally.count(batch, "completed")
    kept.tally.image_seconds, kept.tally.load_seconds = 30.0, 10.0
    kept.write(closed)


def live(store: Store) -> None:
    """What the platform did in a quarter of an hour, in the words of its own code."""
    arrive(store, 5, slug="acme")
    carry(store)
    arrive(store, 3, slug="zeta")
    carry(store, through="validated")
    arrive(store, 7, slug="bolt")
    acme, zeta, bolt = (store.batches(slug) for slug in ("acme", "zeta", "bolt"))
    for name, tenants in (("regrade-held", ("acme",)), ("regrade-free", ("zeta",))):
        store.begin_regrade(Regrade(name, "default@2", tenants, "", "", NOON + 600))
    store.reset(acme, "curated", NOON + 610, "again", "regrade-held", policy="default@2")
    held, free = store.regrade("regrade-held"), store.regrade("regrade-free")
    assert held is not None
    assert free is not None
    beat(store, held, NOON + 620, hold=THEN + 300)
    beat(store, free, NOON + 620, hold=THEN + 300)
    let_go(store, free, NOON + 630)

    declare(store, "gpu", {"code": "2.0+abc", "image": "registry/gpu:v23"}, NOON + 100)
    declare(store, "cpu", {"code": "2.0+abc"}, NOON + 100)
    note_running(
        store, "gpu", {"code": "2.0+abc", "image": "registry/gpu:v22"}, "r-old", NOON + 200
    )
    note_running(store, "cpu", {"code": "2.0+abc"}, "r-works", NOON + 200)

    book(store, "r1", {acme[0]: 5})
    book(store, "r2", {acme[0]: 2, zeta[0]: 3})
    fold(store, (), NOON + 510, 120.0)
    book(store, "r-works", {bolt[0]: 1}, closed=False)

    clock = lambda: NOON + 700  # noqa: E731
    for number, batch in enumerate([zeta[0], *bolt[:1]]):
        send(store, Queue(), Request(GPU, GPU.stages, (batch,), 3, f"gpu:{number}"), clock)  # type: ignore[arg-type]
    for run, stage in (("r-works", "validated"), ("gpu:0", "enriched")):
        SignsOfLife(store, run, stage, lambda: THEN - 5, silence=120.0, stall=1800.0).beat()
    bad = Report("openai", (Check("server", False, "it does not answer"),))
    record(store, "enriched", bad, "r-old", NOON + 800)
    record(store, "enriched", bad, "r-old", NOON + 900)
    record(store, "scored", Report("embedded", (), {"model": "niqe"}), "r-old", NOON + 800)
    tally = Tally(image_seconds=40.0, commit_seconds=1.0)
    for _ in range(10):
        tally.count(zeta[0], "completed")
    note_pace(store, "enriched", tally, NOON + 810)
    tally.image_seconds = 20.0
    note_pace(store, "enriched", tally, NOON + 820)
    groups = Groups(store, {"gpu": Group()}, Bounds(4), lambda: NOON + 900)  # type: ignore[dict-item]
    groups.tend(SPLIT)
    blindness.note(store, "sending to gpu", NOON + 950, RuntimeError("denied"))
    store.beat("arrivals", THEN - 2, {"seconds": 0.5, "registered": 15})
    for now in (THEN - 60, THEN - 30, THEN):
        reconcile(store, lambda at: see(store, at), bury, SPLIT, Limits(), lambda: now)  # noqa: B023
    book(store, "r2", {acme[0]: 2, zeta[0]: 3})  # a late writer: it is counted already
    book(store, "r3", {zeta[0]: 4})


def bury(run_id: str, reason: str) -> bool:
    return False


def see(store: Store, now: float) -> Any:
    belief = QueuedLanes(Dagster(store.batches()), store, {"gpu": Queue()}, SPLIT)  # type: ignore[dict-item]
    return observe(store, belief, now)


def told(store: Store) -> dict[str, Any]:
    """What the code of then made of the home, a moment after it was left."""
    now = THEN + 10
    seen = see(store, now)
    decided = plan(seen, SPLIT, Limits(held_lanes=frozenset({"cpu"})), seen.generation + 1)
    free = plan(seen, SPLIT, Limits(), seen.generation + 1)
    return {
        "counts": [asdict(one) for one in store.counts()],
        "accounts": {name: dict(found) for name, found in sorted(accounts(store).items())},
        "totals": dict(seen.totals),
        "generation": seen.generation,
        "watching_since": seen.watching_since,
        "held": sorted(seen.held),
        "regrading": dict(seen.regrading),
        "unfit": {stage: asdict(one) for stage, one in seen.unfit.items()},
        "seconds_per_row": dict(seen.seconds_per_row),
        "runs": sorted((asdict(run) for run in seen.runs), key=lambda run: run["run_id"]),
        "declared": {lane: dict(identity) for lane, identity in declared(store).items()},
        "running": sorted([lane, at, run, dict(ran)] for lane, at, run, ran in running(store)),
        "drifts": [asdict(one) for one in drifts(store)],
        "sent": [[one.as_dict(), at] for one, at in sorted(notes(store), key=str)],
        "requests": [_request(one) for one in free.requests],
        "requests_held": [_request(one) for one in decided.requests],
        "dead": [asdict(one) for one in free.dead],
        "plan": {
            name: getattr(free, name) for name in ("covered", "cooling", "guarded", "due_rows")
        },
        "group": {
            name: {"at": beat.at, **beat.payload}
            for name, beat in store.heartbeats("group").items()
        },
        "preflights": {
            name: {"at": beat.at, **beat.payload, "host": ""}
            for name, beat in store.heartbeats("preflight").items()
        },
    }


def _request(one: Request) -> dict[str, Any]:
    return asdict(replace(one, lane=replace(one.lane, tags={}))) | {"lane": one.lane.name}


def write(kind: str, dump: str, store: Store) -> None:
    (HERE / f"{kind}").write_text(dump)
    said = json.dumps(told(store), indent=1, sort_keys=True, default=list) + "\n"
    expected = HERE / "expected.json"
    if expected.exists() and kind != FIRST:
        assert said == expected.read_text(), "the three kinds of home differ"
    expected.write_text(said)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "truth.db"
        store = open_store(f"sqlite:///{path}", migrating=True)
        live(store)
        connection = sqlite3.connect(path)
        write(FIRST, "\n".join(connection.iterdump()) + "\n", store)
        store.close()
    server = PostgresServer()
    try:
        server.start()
        url = server.url(server.create_database())
        store = open_store(url, migrating=True)
        live(store)
        dump = subprocess.run(
            ["pg_dump", "--inserts", "--no-owner", "--no-privileges", "--no-comments", url],
            check=True, capture_output=True, text=True,
        ).stdout  # fmt: skip
        kept = [line for line in dump.splitlines() if line and not line.startswith(("--", "\\"))]
        write("postgresql.sql", "\n".join(kept) + "\n", store)
        store.close()
    finally:
        server.remove()
    moto = MotoServer()
    try:
        moto.start()
        import os

        os.environ.update(moto.environment)
        store = open_store("dynamodb://then", migrating=True)
        live(store)
        items: list[dict[str, Any]] = []
        for page in store.wire.client.get_paginator("scan").paginate(TableName="then"):  # type: ignore[attr-defined]
            items += page["Items"]
        items.sort(key=lambda item: (item["pk"]["S"], item["sk"]["S"]))
        lines = [json.dumps(item, sort_keys=True, default=_bytes) for item in items]
        write("dynamodb.jsonl", "\n".join(lines) + "\n", store)
        store.close()
    finally:
        moto.remove()


def _bytes(value: bytes) -> str:
    import base64

    return base64.b64encode(value).decode()


if __name__ == "__main__":
    main()
