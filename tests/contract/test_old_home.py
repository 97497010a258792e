"""A home that the version before left opens, migrates and goes on, and forgets nothing.

`old_home/` holds homes that the code of that version made by living in them (`make.py` there),
with declarations, ledgers, sent messages, holds and preflights among the heartbeats, and what
that code read out of them (`expected.json`). This code must read the same.
"""

from __future__ import annotations

import base64
import json
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from parjanya_dagster.belief.drift import declared, drifts, running
from parjanya_dagster.belief.ledger import accounts
from parjanya_dagster.belief.observe import observe
from parjanya_dagster.belief.queue_depths import QueuedLanes
from parjanya_dagster.belief.snapshot import LiveRun, RunState, Seen, Snapshot
from parjanya_dagster.errors import SchemaOutdated
from parjanya_dagster.intent.limits import Limits
from parjanya_dagster.intent.plan import Request, plan
from parjanya_dagster.intent.reconcile import Reconciled, reconcile
from parjanya_dagster.lanes import SPLIT
from parjanya_dagster.queues.messages import QueueState
from parjanya_dagster.truth.dynamo import keys, open_wire
from parjanya_dagster.truth.dynamo.schema import SCHEMA, table
from parjanya_dagster.truth.dynamo.wire import Wire
from parjanya_dagster.truth.store import Counts, Store
from parjanya_dagster.truth.transitions import rebuild
from tests.support.backends import DYNAMODB, POSTGRESQL, Backend
from tests.support.servers import MotoServer, PostgresServer
from tests.support.world import NOON, arrive, carry, claim, commit, completed

OLD = Path(__file__).parent / "old_home"
THEN = NOON + 1000.0  # when the homes were left
CPU, GPU = SPLIT
EXPECTED: dict[str, Any] = json.loads((OLD / "expected.json").read_text())


class Dagster:
    """What Dagster believed when the homes were left, and the queue of the gpu lane."""

    name = "gpu-lane"

    def __init__(self, keys: Sequence[str]) -> None:
        self.keys = tuple(keys)

    def read(self, now: float) -> Seen:
        states = (("r-works", RunState.STARTED, 0), ("r-waits", RunState.QUEUED, 1))
        runs = tuple(
            LiveRun(
                run_id=run_id,
                job=CPU.job,
                state=state,
                keys=self.keys[n : n + 1],
                stages=CPU.stages,
                since=NOON,
                requested=True,
            )
            for run_id, state, n in states
        )
        return Seen(keys=self.keys, runs=runs, failed=())

    def expire(self, run_id: str, reason: str) -> bool:
        return False

    def state(self) -> QueueState:
        return QueueState(self.name, 1, 1, 0.0)


def believed(store: Store) -> QueuedLanes:
    dagster = Dagster(store.batches())
    return QueuedLanes(dagster, store, {"gpu": dagster}, SPLIT)  # type: ignore[dict-item]


def see(store: Store, now: float) -> Snapshot:
    return observe(store, believed(store), now)


def tick(store: Store, now: float) -> Reconciled:
    return reconcile(store, believed(store), SPLIT, Limits(), lambda: now)


def told(store: Store) -> dict[str, Any]:
    """What this code makes of the home, in the form of what the code of then made of it."""
    seen = see(store, THEN + 10)
    free = plan(seen, SPLIT, Limits(), seen.generation + 1)
    held = plan(seen, SPLIT, Limits(held_lanes=frozenset({"cpu"})), seen.generation + 1)
    found = {
        "counts": [_as_then(one) for one in store.counts()],
        "accounts": {name: dict(found) for name, found in sorted(accounts(store).items())},
        "totals": dict(seen.totals),
        "generation": seen.generation,
        "watching_since": seen.watching_since,
        "held": sorted(seen.held),
        "regrading": dict(seen.regrading),
        "unfit": {stage: asdict(one) for stage, one in seen.unfit.items()},
        "seconds_per_row": dict(seen.seconds_per_row),
        "runs": sorted((asdict(run) for run in seen.runs), key=lambda run: str(run["run_id"])),
        "declared": {lane: dict(identity) for lane, identity in declared(store).items()},
        "running": sorted([lane, at, run, dict(ran)] for lane, at, run, ran in running(store)),
        "drifts": [asdict(one) for one in drifts(store)],
        "sent": [
            [
                {
                    "version": 1,
                    "id": one.message_id,
                    "lane": one.lane,
                    "stages": one.stages,
                    "batches": one.batches,
                    "regrade": one.regrade,
                },
                one.sent_at,
            ]
            for one in store.messages()
        ],
        "requests": [_request(one) for one in free.requests],
        "requests_held": [_request(one) for one in held.requests],
        "dead": [asdict(one) for one in free.dead],
        "plan": {
            name: getattr(free, name) for name in ("covered", "cooling", "guarded", "due_rows")
        },
        "group": {
            f"group:{one}": _without(note, "lane") for one, note in store.group_notes().items()
        },
        "preflights": {
            f"preflight:{stage}": _verdict(asdict(one)) for stage, one in store.preflights().items()
        },
    }
    return json.loads(json.dumps(found))  # type: ignore[no-any-return]


def _request(one: Request) -> dict[str, Any]:
    return asdict(replace(one, lane=replace(one.lane, tags={}))) | {"lane": one.lane.name}


def _as_then(one: Counts) -> dict[str, Any]:
    """People decided nothing then."""
    values = asdict(one)
    assert (values.pop("by_effective"), values.pop("by_person")) == (one.by_verdict, {})
    return values


def _without(record: Any, name: str) -> dict[str, Any]:
    values = asdict(record)
    del values[name]
    return values


def _verdict(found: dict[str, Any]) -> dict[str, Any]:
    found["run"], found["host"] = found.pop("run_id"), ""
    del found["stage"]
    if found["ok"]:  # then nothing was said of failures
        del found["since"], found["times"]
    return found


def as_expected(found: dict[str, Any]) -> dict[str, Any]:
    """One thing is known better: a message is in a worker's hands since it was taken.

    And light work is told apart, which nothing of then was, and what may go along with a run is
    counted. That is none where no lane takes stages of another along.
    """
    for request in found["requests"] + found["requests_held"]:
        del request["light"]
        assert request.pop("along") == 0
    for run in found["runs"]:
        assert run.pop("light") is False
        if run["run_id"] == "gpu:0":
            assert run["since"] == run["pulse"]["at"]
            run["since"] = NOON + 700
    return found


@pytest.fixture(params=["sqlite", POSTGRESQL, DYNAMODB])
def old_home(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
    """A home that the version before left, and that nobody has opened since."""
    if request.param == "sqlite":
        path = tmp_path / "truth.db"
        connection = sqlite3.connect(path)
        connection.executescript((OLD / "sqlite.sql").read_text())
        connection.close()
        backend = Backend(f"sqlite:///{path}")
    elif request.param == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgres")
        url = request.getfixturevalue("postgres_url")
        server.execute((OLD / "postgresql.sql").read_text(), url.rpartition("/")[2])
        backend = Backend(url)
    else:
        moto: MotoServer = request.getfixturevalue("aws")
        backend = Backend(f"dynamodb://{moto.name('then')}")
        fill(backend.url)
    yield backend
    backend.close()


def fill(url: str) -> None:
    """A table as it was then: version 1, whose indexes were those of now."""
    wire = open_wire(url)
    wire.create(table(wire.table))
    items = [json.loads(line) for line in (OLD / "dynamodb.jsonl").read_text().splitlines()]
    for item in items:
        for typed in item.values():
            if "B" in typed:
                typed["B"] = base64.b64decode(typed["B"])
    wire.put_all([((one["pk"]["S"], one["sk"]["S"]), one) for one in items])
    wire.close()


def test_it_holds_counts_and_declares_what_it_did(old_home: Backend) -> None:
    store = old_home.open(migrating=True)
    assert as_expected(told(store)) == EXPECTED


def test_nothing_that_decides_is_left_among_its_heartbeats(old_home: Backend) -> None:
    """Every heartbeat is deleted before anything else is done, and it is all the same."""
    store = old_home.open(migrating=True)
    assert set(store.heartbeats()) == {"arrivals", "reconciler"}
    assert set(store.heartbeats("run")) == {"run:r-works", "run:gpu:0"}
    assert set(store.heartbeats("blind")) == {"blind:sending to gpu"}
    moved = (
        "declared",
        "running",
        "book",
        "ledger",
        "sent",
        "regrade",
        "preflight",
        "pace",
        "group",
    )
    assert not any(store.heartbeats(family) for family in moved)
    for family in ("", "run", "blind"):
        store.forget(list(store.heartbeats(family)))
    assert as_expected(told(store)) == EXPECTED


def test_it_goes_on(old_home: Backend) -> None:
    """What was counted is counted on, a late book is counted once, and new work is taken in."""
    store = old_home.open(migrating=True)
    done = tick(store, THEN + 20)
    assert done.generation > EXPECTED["generation"]
    assert [_request(one)["keys"] for one in done.plan.requests] == [
        tuple(one["keys"]) for one in EXPECTED["requests"]
    ]
    last = store.reconciliation()
    assert last is not None
    assert last.totals["reconciliations"] == EXPECTED["totals"]["reconciliations"] + 1
    assert last.watching_since == EXPECTED["watching_since"]
    assert {book.name for book in store.books()} == {"r-works/scored"}
    assert {name: dict(found) for name, found in accounts(store).items()} == EXPECTED["accounts"]
    arrive(store, 2, slug="dora", now=THEN + 30)
    carry(store, now=THEN + 30)
    (dora,) = store.counts("dora")
    assert dora.by_status == {"curated": 2}
    old_home.close()
    assert old_home.open().reconciliation() == last


def test_what_happened_before_is_told_with_what_happens_now(old_home: Backend) -> None:
    """On DynamoDB events and evidence lay in items of their own, and now they lie in pages."""
    store = old_home.open(migrating=True)
    rows = store.rows(store.batches())
    before = {row.image_id: (store.history(row.image_id), store.all_evidence(row.image_id))
              for row in rows}  # fmt: skip
    assert all(len(of) == len(row.evidence) for row in rows if (of := before[row.image_id][1]))
    assert sum(len(evidence) for _, evidence in before.values()) > 3
    carry(store, now=THEN + 86_400)
    went_on = 0
    for row in rows:
        events, evidence = store.history(row.image_id), store.all_evidence(row.image_id)
        happened, known = before[row.image_id]
        assert events[: len(happened)] == happened
        assert [one for one in evidence if one in known] == known
        (now,) = store.get_many([row.image_id]).values()
        assert rebuild(events) == replace(now, lease_owner=None, lease_until=None)
        found = store.evidence([now])[row.image_id] if now.evidence else {}
        assert {stage: one.fingerprint for stage, one in found.items()} == now.evidence
        went_on += bool(known) and len(events) > len(happened)
    assert went_on


def test_a_store_says_that_it_must_be_migrated(old_home: Backend) -> None:
    with pytest.raises(SchemaOutdated, match="parjanya migrate"):
        old_home.open()


@pytest.mark.parametrize("at", [1, 9, 17, 25])
def test_a_death_in_the_middle_of_carrying_over_loses_nothing(
    aws: MotoServer, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """On DynamoDB, where the step is many writes. In SQL it is one transaction."""
    url = f"dynamodb://{aws.name('then')}"
    fill(url)
    real, writes = Wire.write, iter(range(1, at + 1))

    def dying(wire: Wire, write: Any) -> Any:
        if next(writes, None) == at:
            raise KeyboardInterrupt
        return real(wire, write)

    with monkeypatch.context() as patch:
        patch.setattr(Wire, "write", dying)
        backend = Backend(url)
        with pytest.raises(KeyboardInterrupt):
            backend.open(migrating=True)
    store = backend.open(migrating=True)
    assert as_expected(told(store)) == EXPECTED
    backend.close()


def test_what_the_version_before_sent_to_review_waits_for_a_person(aws: MotoServer) -> None:
    """On DynamoDB, whose index lacks such rows. In SQL the index is made of all rows."""
    url = f"dynamodb://{aws.name('then')}"
    backend = Backend(url)
    store: Any = backend.open(migrating=True)
    ids = arrive(store, 3)
    carry(store, through="scored")
    for one, verdict in zip(claim(store, "curated"), ("review", "accept", "review"), strict=True):
        commit(store, [one], completed(one, verdict=verdict, policy="default@1"))
    for image in ids:
        as_version_2_wrote_it(store.wire, image)
    store.wire.put(SCHEMA, {"version": {"N": "2"}})
    assert store.to_review("acme") == []
    backend.close()
    store = backend.open(migrating=True)
    assert [row.image_id for row in store.to_review("acme")] == [ids[0], ids[2]]
    assert store.waiting_for_review("acme") == 2
    backend.close()


def as_version_2_wrote_it(wire: Wire, image: str) -> None:
    item = wire.get(keys.image(image))
    assert item is not None
    new = ("review_pk", "review_sk", "reviews", "lapsed")
    wire.put(keys.image(image), {name: v for name, v in item.items() if name not in new})
