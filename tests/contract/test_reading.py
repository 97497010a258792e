"""What Truth answers: twins, counts, history, heartbeats; and that it says when it cannot."""

from __future__ import annotations

import itertools
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import settings as bounded
from hypothesis import strategies as st

from parjanya_dagster.errors import SettingsInvalid, TruthUnavailable
from parjanya_dagster.truth.models import PresentKey
from parjanya_dagster.truth.outcomes import Retry, TerminalFailure
from parjanya_dagster.truth.requests import ClaimRequest
from parjanya_dagster.truth.reviews import standing
from parjanya_dagster.truth.sql import open_store
from parjanya_dagster.truth.store import Counts, Store
from parjanya_dagster.truth.transitions import Rules, rebuild
from tests.contract.journey import CALLS, Step, journey
from tests.support.backends import Backend
from tests.support.examples import examples
from tests.support.servers import PostgresServer
from tests.support.world import (
    LEASE,
    NOON,
    arrival,
    arrive,
    carry,
    claim,
    commit,
    completed,
    row,
    tenant,
)

_names = itertools.count()


def test_twins_are_present_rows_with_the_same_bytes_earliest_first(store: Store) -> None:
    a, b, c, other = arrive(store, 4)
    arrive(store, 1, slug="zeta")
    claims = claim(store)
    commit(store, claims, lambda one: completed(one, sha256="s2" if one.image_id == other else "s"))
    assert [one.image_id for one in store.twins("acme", ["s"])["s"]] == [a, b, c]
    assert {k: len(v) for k, v in store.twins("acme", ["s", "s2", "s3"]).items()} == {
        "s": 3,
        "s2": 1,
    }
    assert len(store.twins("zeta", ["s"])["s"]) == 1
    store.depart([a], NOON, "deleted")
    assert [one.image_id for one in store.twins("acme", ["s"])["s"]] == [b, c]
    assert store.twins("acme", []) == {}


def test_the_ids_of_twins_are_those_of_their_rows(store: Store) -> None:
    ids = arrive(store, 5)
    for one in claim(store):
        commit(store, [one], completed(one, sha256="s" if one.image_id != ids[3] else "alone"))
    store.depart(ids[:1], NOON, "deleted")
    assert store.twin_ids("acme", ["s", "alone", "nobody's"]) == {
        "s": [ids[1], ids[2], ids[4]],
        "alone": [ids[3]],
    }
    assert store.twin_ids("acme", ["s"], limit=2) == {"s": ids[1:3]}
    assert store.twin_ids("zeta", ["s"]) == {} == store.twin_ids("acme", [])


def test_counts_say_where_the_images_of_a_tenant_are(store: Store) -> None:
    arrive(store, 6)
    arrive(store, 1, slug="zeta")
    acme = store.claim(
        ClaimRequest(
            stage="validated", batches=store.batches("acme"), limit=5, owner="w", lease=LEASE
        ),
        NOON,
    )
    commit(store, acme[:1], TerminalFailure("undecodable", "x"))
    commit(store, acme[1:3])
    store.depart([acme[4].image_id], NOON, "deleted")
    done = claim(store, "enriched")
    commit(store, done)
    commit(store, claim(store, "scored"))
    (one, two) = claim(store, "curated")
    commit(store, [one], completed(one, verdict="accept"))
    commit(store, [two], completed(two, verdict="reject"))
    assert store.counts("acme") == [
        Counts(
            tenant="acme",
            by_status={"pending_validation": 2, "curated": 2, "failed": 1},
            by_verdict={"accept": 1, "reject": 1},
            by_failure={"undecodable": 1},
            in_flight=1,
            registered=6,
            departed=1,
            by_effective={"accept": 1, "reject": 1},
        )
    ]
    assert [one.tenant for one in store.counts()] == ["acme", "zeta"]


def test_a_tenant_without_images_counts_nothing(store: Store) -> None:
    store.put_tenant(tenant())
    assert store.counts() == [
        Counts(
            tenant="acme",
            by_status={},
            by_verdict={},
            by_failure={},
            in_flight=0,
            registered=0,
            departed=0,
        )
    ]


def test_the_conservation_law_holds_while_images_arrive(backend: Backend) -> None:
    """registered = rows + departed in every single answer, also in the midst of arrivals."""
    store = backend.open(batch_size=7)
    store.put_tenant(tenant())
    writer = backend.open(batch_size=7)
    done = threading.Event()

    def work() -> None:
        try:
            for n in range(40):
                writer.register([arrival((n, i)) for i in range(5)], NOON)
        finally:
            done.set()

    thread = threading.Thread(target=work)
    thread.start()
    broken = []
    while not done.is_set():
        (now,) = store.counts()
        if now.registered != now.rows + now.departed:
            broken.append(now)
    thread.join()
    assert broken == []
    assert store.counts()[0].registered == 200


def test_the_history_of_an_image_says_who_moved_it_and_why(store: Store) -> None:
    (image,) = arrive(store, 1)
    commit(store, claim(store), Retry("bucket throttles"))
    commit(store, claim(store, now=NOON + 60), now=NOON + 60)
    events = store.history(image)
    assert [(e.kind, e.from_status, e.to_status, e.reason) for e in events] == [
        ("registered", None, "pending_validation", "arrived"),
        ("retry", "pending_validation", "pending_validation", "bucket throttles"),
        ("completed", "pending_validation", "pending_vlm_enrichment", "validated"),
    ]
    assert [e.fence for e in events] == [0, 1, 2]
    assert [e.run_id for e in events] == ["", "run-1", "run-1"]
    assert store.history("unknown") == []


KINDS = (
    *("complete", "retry", "bug", "fail", "back", "die", "release", "extend"),
    *("reset", "replay", "overwrite", "depart", "return", "expire", "wait"),
    *("person", "ask again"),
)
STEPS = st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 2**16)), min_size=1, max_size=25)


def test_every_row_of_any_journey_can_be_rebuilt_from_its_events(backend: Backend) -> None:
    """Fewer journeys over the emulator, where each takes half a minute of the suite."""
    usual = 6 if backend.kind == "dynamodb" else 20
    store = backend.open(rules=Rules(max_attempts=2, retry_horizon=300.0), batch_size=3)

    @bounded(max_examples=examples(usual))
    @given(steps=STEPS)
    @example(steps=[("complete", 0), ("back", 0)])  # once forgot the attempt
    @example(steps=[("complete", 7)] * 4 + [("person", 1)] * 3 + [("ask again", 7)] * 4)
    def rebuilt(steps: list[Step]) -> None:
        slug = f"journey-{next(_names)}"
        arrive(store, 4, slug=slug)
        journey(store, slug, steps)
        for one in store.rows(store.batches(slug)):
            if one.lease_owner is None:
                assert rebuild(store.history(one.image_id)) == one
            said = standing(store.reviews(one.image_id)).columns
            assert {name: getattr(one, name) for name in said} == said
            fences = [event.fence for event in store.history(one.image_id)]
            assert fences == sorted(fences)
            assert (one.due_at is None) == (one.pipeline_status in ("curated", "failed"))
        (counts,) = store.counts(slug)
        assert counts.registered == counts.rows + counts.departed
        assert [counts] == store.counted(slug)

    rebuilt()


def test_a_heartbeat_is_the_last_one(store: Store) -> None:
    assert store.heartbeats() == {}
    store.beat("pending_rows", NOON, {"due": 3})
    store.beat("pending_rows", NOON + 5, {"due": 0})
    store.beat("arrivals", NOON, {})
    beats = store.heartbeats()
    assert set(beats) == {"pending_rows", "arrivals"}
    assert (beats["pending_rows"].at, beats["pending_rows"].payload) == (NOON + 5, {"due": 0})


def test_a_truth_that_is_gone_is_unavailable_and_never_empty(postgres: PostgresServer) -> None:
    """Every answer of a server that stopped is TruthUnavailable, not zero rows; then it is back."""
    server = PostgresServer(postgres.binaries)
    try:
        server.start()
        store = open_store(server.url(server.create_database()), migrating=True)
        arrive(store, 2)
        server.stop()
        for name, call in CALLS.items():
            with pytest.raises(TruthUnavailable, match=r"127\.0\.0\.1"):
                pytest.fail(f"{name} answered {call(store)!r}")
        server.start()
        assert sum(batch.rows for batch in store.due(NOON)) == 2
        store.close()
    finally:
        server.remove()


def test_a_connection_that_breaks_within_a_call_is_unavailable(postgres_truth: str) -> None:
    store = open_store(postgres_truth)
    arrive(store, 1)
    with pytest.raises(TruthUnavailable):
        _kill_own_connection(store)
    assert store.due(NOON)
    store.close()


def _kill_own_connection(store: Store) -> None:
    from sqlalchemy import text

    from parjanya_dagster.truth.sql.engine import writing

    with writing(store.engine) as connection:  # type: ignore[attr-defined]
        connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))


def test_a_server_that_was_never_there_is_unavailable() -> None:
    with pytest.raises(TruthUnavailable, match=r"127\.0\.0\.1:1"):
        open_store("postgresql://nobody:secret@127.0.0.1:1/none")


def test_a_password_is_not_shown() -> None:
    with pytest.raises(TruthUnavailable) as caught:
        open_store("postgresql://nobody:secret@127.0.0.1:1/none")
    assert "secret" not in str(caught.value)


def test_a_file_that_cannot_be_opened_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(TruthUnavailable, match="unable to open"):
        open_store(f"sqlite:///{tmp_path}/nowhere/truth.db")


@pytest.mark.parametrize("url", ["mysql://x/y", "truth.db", ""])
def test_a_url_that_names_no_store_is_refused(url: str) -> None:
    with pytest.raises(SettingsInvalid, match="sqlite:///"):
        open_store(url)


def test_a_row_rebuilt_is_the_row_for_a_plain_life(store: Store) -> None:
    (image,) = arrive(store, 1)
    carry(store)
    assert rebuild(store.history(image)) == row(store, image)


def test_present_keys_come_in_the_order_of_their_bytes_after_any_of_them(store: Store) -> None:
    """As S3 lists them, whatever language the database speaks."""
    names = ["B", "a", "a b", "a/b", "ä", "日", "\uffff", "\U0001f600", "\U00010000", "Z", "~", "_"]
    store.put_tenant(tenant())
    arrivals = [
        replace(arrival(n), key=f"incoming/{name}", version=f"v{n}") for n, name in enumerate(names)
    ]
    outside = [replace(arrival(50), key="other/a"), replace(arrival(51), key="incoming")]
    store.register([*arrivals, *outside], NOON)
    store.depart([arrivals[0].image_id], NOON, "deleted")
    ordered = sorted(arrivals[1:], key=lambda one: one.key.encode())

    def read(after: str = "", prefix: str = "incoming/") -> list[PresentKey]:
        return list(store.present_keys("acme", prefix, after))

    assert read() == [PresentKey(one.key, one.image_id, one.image_id, True) for one in ordered]
    keys = [one.key for one in ordered]
    assert [one.key for one in read(after=keys[4])] == keys[5:]
    assert read(after=keys[-1]) == []
    assert len(read(prefix="")) == len(keys) + 2
    assert list(store.present_keys("nobody", "")) == []
