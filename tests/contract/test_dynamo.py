"""What is DynamoDB's own: no scans, bounded requests, limits of items, throttling, its table.

All of it on moto's emulator, which enforces few of DynamoDB's limits: sizes are looked at here.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from parjanya_dagster.errors import (
    RegradeInvalid,
    SchemaOutdated,
    SettingsInvalid,
    TruthUnavailable,
)
from parjanya_dagster.truth import open_store
from parjanya_dagster.truth.dynamo import (
    DynamoStore,
    changes,
    codec,
    keys,
    old_queue,
    open_wire,
    pages,
    schema,
)
from parjanya_dagster.truth.dynamo.shelf import Shelf
from parjanya_dagster.truth.dynamo.wire import Delete, Put
from parjanya_dagster.truth.models import Regrade
from parjanya_dagster.truth.outcomes import Completed, Retry
from parjanya_dagster.truth.requests import Reset
from parjanya_dagster.truth.reviews import ReviewDecision
from parjanya_dagster.truth.stages import STAGES
from tests.contract.dynamo import Requests, answer
from tests.contract.journey import CALLS, journey
from tests.support.backends import Backend, dynamo_backend
from tests.support.servers import MotoServer
from tests.support.world import (
    LEASE,
    NOON,
    arrival,
    arrive,
    carry,
    claim,
    commit,
    completed,
    found,
    row,
)


@pytest.fixture
def backend(aws: MotoServer) -> Iterator[Backend]:
    with dynamo_backend(aws) as backend:
        yield backend


@pytest.fixture
def store(backend: Backend) -> Any:
    return backend.open()


# --- what it costs ---


def test_nothing_is_ever_scanned(store: DynamoStore) -> None:
    requests = Requests(store.wire)
    ids = arrive(store, 6)
    carry(store, through="scored")
    decision = claim(store, "curated")
    commit(store, decision, lambda one: completed(one, verdict="accept", sha256="s", policy="p@1"))
    store.review(
        ReviewDecision(image_id=ids[1], who="ana", action="accept", request_id="r"), NOON, seen=0
    )
    store.depart(ids[:1], NOON, "deleted")
    store.reset(store.batches(), Reset(stage="scored", reason="again"), NOON, "replay-1")
    store.twins("acme", ["s"])
    for name in ("leases", "expire_leases", "troubled"):
        getattr(store, name)(NOON + 1e6)
    for name in ("counts", "mispinned", "regrading", "stale_manifests", "heartbeats", "tenants"):
        getattr(store, name)()
    store.failed("acme", "undecodable")
    store.claim_review("acme", "ana", NOON, LEASE, 2)
    store.to_review("acme")
    store.waiting_for_review("acme")
    store.starting_with(ids[1][:5])
    store.find("nowhere.jpg")
    assert store.present("acme")
    assert requests.made["Scan"] == 0
    assert requests.made.total() > 50


def test_finding_due_work_costs_what_is_due_and_not_the_history(backend: Backend) -> None:
    store = backend.open(batch_size=10)
    store.expire_leases(NOON - 60)  # once a process looks whether rows of before may come
    costs = []
    for round_ in range(3):
        requests = Requests(store.wire)
        assert store.due(NOON + 60 * round_) == []  # leases are asked for anew
        assert store.leases(NOON + 60 * round_) == {}
        assert store.expire_leases(NOON + 1e6) == 0
        costs.append((requests.made.total(), requests.items))
        arrive(store, 20, slug=f"tenant-{round_}")
        carry(store)
    assert {items for _, items in costs} == {0}
    assert len({requests for requests, _ in costs}) == 1


def test_counting_costs_the_same_however_many_images_there_are(store: DynamoStore) -> None:
    costs = []
    for count in (1, 30):
        arrive(store, count)
        requests = Requests(store.wire)
        assert store.counts("acme")[0].rows == count
        costs.append(requests.made.total())
    assert costs[0] == costs[1]


def test_looking_for_images_to_review_costs_what_is_shown(store: DynamoStore) -> None:
    arrive(store, 60)
    carry(store, through="scored")
    some = claim(store, "curated", limit=60)
    commit(store, some, lambda one: completed(one, verdict="review", policy="p@1"))
    costs = []
    for n in (4, 4):
        requests = Requests(store.wire)
        assert len(store.claim_review("acme", f"person {len(costs)}", NOON, LEASE, n)) == n
        costs.append(requests.made.total())
    # The second one passes over what is kept for the first.
    assert max(costs) < 20
    requests = Requests(store.wire)
    assert store.waiting_for_review("acme") == 60
    assert requests.items <= keys.TALLIES  # however many wait


def test_a_claim_reads_what_it_takes_and_a_little_more(store: DynamoStore) -> None:
    arrive(store, 80)
    requests = Requests(store.wire)
    assert len(claim(store, limit=4)) == 4
    assert requests.items < 80


def test_a_row_in_somebodys_hands_is_in_no_index_of_due_work(store: DynamoStore) -> None:
    arrive(store, 3)
    claim(store, limit=1)
    assert sum(waiting(store)) == 2
    (due,) = store.due(NOON)
    assert due.rows == 2
    (due,) = store.due(NOON + LEASE)  # the lease ran out, and nobody freed the row yet
    assert (due.rows, due.oldest) == (3, NOON)
    assert [one.lease_owner for one in store.due_later(NOON + 1)] == ["worker-1"]
    store.expire_leases(NOON + LEASE)
    assert sum(waiting(store)) == 3


def test_rows_that_a_version_before_queued_are_queued_anew(backend: Backend) -> None:
    """By the migration, and by the reconciler for a week: some may come meanwhile.

    A second migration does not end that: each start of the code server on ECS is one.
    """
    store: Any = backend.open()
    ids = sorted(arrive(store, 6))
    as_version_3_wrote_them(store, ids[:4])
    assert [one.rows for one in store.due(NOON)] == [2]
    store.wire.put(schema.SCHEMA, codec.attributes({"version": 3, "usable_from": 3}))
    for later in (0.0, 60.0):
        schema.migrate(store.wire, clock=lambda later=later: NOON + later)
    store = backend.open()
    assert [one.rows for one in store.due(NOON)] == [6]
    as_version_3_wrote_them(store, ids[4:])
    assert store.expire_leases(NOON) == 0
    assert [one.rows for one in store.due(NOON)] == [6]
    assert sum(waiting(store)) == 6
    assert len(claim(store, limit=10)) == 6
    schema.migrate(store.wire, clock=lambda: NOON + schema.STILL_FOR)
    recorded = store.wire.get(schema.SCHEMA)
    assert recorded is not None
    assert old_queue.STILL not in recorded
    assert old_queue.adopt(store.wire) == 0


def as_version_3_wrote_them(store: DynamoStore, ids: list[str]) -> None:
    for image in ids:
        item = store.wire.get(keys.image(image)) or {}
        kept = {name: v for name, v in item.items() if name not in ("queue_pk", "queue_sk")}
        place = {"due_pk": keys.due("pending_validation", keys.shard(image)), "work_pk": "x"}
        store.wire.put(keys.image(image), kept | codec.attributes(place))


def test_a_row_fits_into_one_write_unit_however_far_it_is(store: DynamoStore) -> None:
    (image,) = arrive(store, 1)
    fingerprints = iter("abcd")
    for stage in STAGES:
        for_row = {"sha256": "5" * 64} if stage == "validated" else {}
        sizes = codec.size(store.wire.get(keys.image(image)) or {})
        assert sizes < 1024
        made = next(fingerprints) * 64
        commit(
            store,
            claim(store, stage),
            lambda one, made=made, more=for_row: Completed(found(one, fingerprint=made), more),
        )
    left_out = store.wire.get(keys.image(image)) or {}
    assert not {"attempts", "suspect", "reviews"} & left_out.keys()
    assert row(store, image).attempts == 0


def waiting(store: DynamoStore) -> list[int]:
    """Rows that wait, by partition of the index of work."""
    return [len(list(store.wire.query(group, index="queue"))) for group in keys.groups()]


def test_work_is_spread_over_partitions_batch_by_batch(backend: Backend) -> None:
    store: Any = backend.open(batch_size=2)
    arrive(store, 2 * keys.GROUPS)
    assert waiting(store) == [2] * keys.GROUPS


def test_counters_count_what_is_there(backend: Backend) -> None:
    store = backend.open(batch_size=5)
    rng = random.Random(4)
    arrive(store, 12)
    kinds = ("complete", "retry", "fail", "die", "reset", "overwrite", "depart", "return", "expire")
    journey(store, "acme", [(rng.choice(kinds), rng.randrange(2**16)) for _ in range(12)])
    rows = store.rows(store.batches())
    (counts,) = store.counts()
    here = [one for one in rows if one.object_state == "present"]
    assert counts.by_status == Counter(str(one.pipeline_status) for one in here)
    assert counts.departed == len(rows) - len(here)
    assert counts.registered == len(rows)
    assert counts.in_flight == sum(one.lease_owner is not None for one in rows)


def test_a_counter_that_came_to_nothing_is_cleared_away(store: DynamoStore) -> None:
    (image,) = arrive(store, 1)
    carry(store, through="scored")
    commit(store, claim(store, "curated"), lambda one: completed(one, policy="old@1"))
    assert [one.rows for one in store.mispinned()] == [1]
    store.reset_images([image], Reset(stage="curated", reason="again"), NOON)
    assert list(store.wire.query("decided#acme"))
    assert store.mispinned() == []
    assert list(store.wire.query("decided#acme")) == []


# --- limits ---


def test_large_evidence_lies_in_parts_and_comes_back_whole(store: DynamoStore) -> None:
    (image,) = arrive(store, 1)
    body = {"noise": random.Random(1).randbytes(700_000).hex(), "text": "\U0001f600" * 10}
    requests = Requests(store.wire)
    (held,) = claim(store)
    commit(store, [held], Completed(found(held, body=body)))
    assert requests.largest < 16_000_000 * 4 // 3  # a batch of writes, in base64
    (one,) = store.all_evidence(image)
    assert one.body == body
    assert store.evidence([row(store, image)])[image]["validated"] == one
    page = store._read([image])[image].pages["validated"]
    parts = list(store.wire.query(keys.page(page, 0)[0]))
    assert len(parts) > 1
    assert max(map(codec.size, parts)) < 400_000


def test_evidence_of_some_kilobytes_is_written_before_the_transaction(
    store: DynamoStore,
) -> None:
    arrive(store, 1)
    asked: list[Any] = []
    store.wire.client.meta.events.register(
        "provide-client-params.dynamodb.TransactWriteItems",
        lambda params, **_: asked.append(params),
    )
    body = {"thumbnail": random.Random(4).randbytes(2500).hex()}
    commit(store, claim(store), lambda one: Completed(found(one, body=body)))
    (params,) = asked
    sizes = [codec.size(i["Put"]["Item"]) for i in params["TransactItems"] if "Put" in i]
    assert max(sizes) < 1024
    (one,) = store.rows(store.batches())
    assert store.evidence([one])[one.image_id]["validated"].body == body


def test_a_page_of_whoever_was_too_late_says_nothing(store: DynamoStore) -> None:
    """Pages are written before the transaction, and so they are there when it is refused."""
    (image,) = arrive(store, 1)
    (late,) = claim(store, now=NOON)
    store.expire_leases(NOON + 2 * LEASE)
    (held,) = claim(store, now=NOON + 2 * LEASE)
    assert commit(store, [late], lambda one: Completed(found(one, body={"by": "late"}))).lost
    assert store.all_evidence(image) == []
    commit(store, [held], lambda one: Completed(found(one, body={"by": "held"})))
    assert [one.body for one in store.all_evidence(image)] == [{"by": "held"}]
    assert [one.kind for one in store.history(image)] == ["registered", "lease_lapsed", "completed"]


def test_evidence_that_was_found_before_another_stands(store: DynamoStore) -> None:
    """It is found again after the stage had found something else: the first record counts."""
    (image,) = arrive(store, 1)
    again = Reset(stage="validated", reason="again")
    for number, fingerprint in enumerate("abaa"):
        store.reset(store.batches(), again, NOON, f"replay-{number}")
        (held,) = claim(store)
        body = {"number": number}
        commit(store, [held], Completed(found(held, fingerprint=fingerprint, body=body)))
    now = store.evidence([row(store, image)])[image]["validated"]
    assert (now.fingerprint, now.body) == ("a", {"number": 0})
    assert [one.body["number"] for one in store.all_evidence(image)] == [0, 1]


@pytest.mark.parametrize("harm", ["missing", "damaged"])
def test_a_page_that_a_restored_table_lacks_costs_no_other_image_and_is_written_again(
    store: DynamoStore, harm: str
) -> None:
    """A backup of AWS is not of one moment: it may have a row, and not the page before it."""
    image, other = arrive(store, 2)
    for stage in ("validated", "enriched"):
        for held in claim(store, stage):  # a page each
            commit(store, [held], Completed(found(held, fingerprint=stage)))
    page = store._read([image])[image].pages["validated"]
    if harm == "damaged":
        store.wire.put(keys.page(page, 0), {"said": {"B": b"of another table"}})
    else:
        store.wire.write(Delete(keys.page(page, 0)))
    store.shelf = Shelf()  # as of a process that wrote none of it
    rows = store.rows(store.batches())
    assert [set(store.evidence(rows)[one]) for one in (image, other)] == [
        {"enriched"},
        {"enriched", "validated"},
    ]
    assert [event.kind for event in store.history(image)] == ["completed"]
    assert store.decided_under([image, other], "p") == {}
    store.reset(store.batches(), Reset(stage="validated", reason="lost"), NOON, "replay-1")
    commit(store, claim(store), lambda one: Completed(found(one, fingerprint="validated")))
    rows = store.rows(store.batches())
    assert [len(store.evidence(rows)[one]) for one in (image, other)] == [2, 2]
    assert [len(store.all_evidence(one)) for one in (image, other)] == [2, 2]


def test_the_images_of_a_commit_share_pages_that_cost_little_to_read(store: DynamoStore) -> None:
    ids = arrive(store, 20)
    noise = random.Random(3)
    bodies = {image: {"noise": noise.randbytes(6000).hex()} for image in ids}
    commit(store, claim(store), lambda one: Completed(found(one, body=bodies[one.image_id])))
    page = store._read(ids[:1])[ids[0]].pages["validated"]
    together = pages.read(store.wire, [page])[page]
    assert 1 < len(together) < 10
    assert codec.size(store.wire.get(keys.page(page, 0)) or {}) < 12 * 4096
    store.shelf = Shelf()  # as of a process that wrote none of it
    requests = Requests(store.wire)
    found_ = store.evidence(store.rows(store.batches()))
    assert {image: of["validated"].body for image, of in found_.items()} == bodies
    assert requests.made == {"Query": 2, "BatchGetItem": 2}  # the rows, and then pages alone


def test_a_process_of_the_version_before_changes_no_row_of_this_one(store: DynamoStore) -> None:
    """It would leave out where the history lies. Its writes expect a number of `events`."""
    (image,) = arrive(store, 1)
    stored = store._read([image])[image]
    before = replace(stored, counted="events")
    item = changes.item_of(stored)
    for expect in (before.unchanged, before.held, {**before.unchanged, "events": 0}):
        assert store.wire.transact([Put(keys.image(image), item, expect)]) == [0]
    assert store.wire.transact([Put(keys.image(image), item, stored.unchanged)]) == []


def test_a_commit_of_much_evidence_stays_below_the_limits_of_requests(store: DynamoStore) -> None:
    rng = random.Random(2)
    arrive(store, 20)
    claims = claim(store)
    requests = Requests(store.wire)
    bodies = {one.image_id: {"noise": rng.randbytes(220_000).hex()} for one in claims}
    commit(store, claims, lambda one: Completed(found(one, body=bodies[one.image_id])))
    assert requests.made["BatchWriteItem"] == 1  # before the transaction, which points there
    assert requests.largest < 16_000_000  # of which the bodies are a third more, in base64
    assert {one.pipeline_status for one in store.rows(store.batches())} == {
        "pending_vlm_enrichment"
    }


def test_more_tenants_than_a_transaction_holds_are_refused_as_a_whole(store: DynamoStore) -> None:
    many = tuple(f"tenant-{n}" for n in range(120))
    with pytest.raises(RegradeInvalid, match="in parts"):
        store.begin_regrade(
            Regrade(
                replay_id="r-1",
                policy="default@2",
                tenants=many,
                since="",
                until="",
                started_at=NOON,
            )
        )
    assert store.regrades() == []


# --- trouble ---


@pytest.mark.parametrize(
    "code", ["ProvisionedThroughputExceededException", "ThrottlingException", "InternalServerError"]
)
def test_what_is_throttled_is_unavailable_and_may_be_tried_again(
    store: DynamoStore, code: str
) -> None:
    arrive(store, 1)
    answer(store.wire, "Query", code, 1)
    with pytest.raises(TruthUnavailable, match=code) as caught:
        store.history("x")
    assert caught.value.transient
    assert store.history("x") == []


def test_transactions_that_meet_are_tried_again(store: DynamoStore) -> None:
    (image,) = arrive(store, 1)
    claims = claim(store)
    waited: list[float] = []
    store.wire._pause = waited.append
    reasons = [{"Code": "None"}, {"Code": "TransactionConflict"}, {"Code": "None"}]
    happened = answer(
        store.wire, "TransactWriteItems", "TransactionCanceledException", 3,
        CancellationReasons=reasons,
    )  # fmt: skip
    assert commit(store, claims).applied == {image}
    assert happened() == 3
    assert len(waited) == 3
    assert len(store.history(image)) == 2


def test_transactions_that_always_meet_are_unavailable(store: DynamoStore) -> None:
    (image,) = arrive(store, 1)
    claims = claim(store)
    store.wire._pause = lambda _: None
    answer(
        store.wire, "TransactWriteItems", "TransactionCanceledException", 99,
        CancellationReasons=[{"Code": "TransactionConflict"}],
    )  # fmt: skip
    with pytest.raises(TruthUnavailable, match="too busy"):
        commit(store, claims)
    assert row(store, image) == claims[0].row


def test_a_claim_whose_answer_was_lost_is_ours(store: DynamoStore) -> None:
    """botocore asks again, and then our own first write stands in the way."""
    (image,) = arrive(store, 1)
    real = store.wire.client.put_item

    def twice(**asked: Any) -> Any:
        real(**asked)
        return real(**asked)

    store.wire.client.put_item = twice
    (held,) = claim(store)
    assert held.row == row(store, image)
    assert commit(store, [held]).applied == {image}


def test_what_is_not_processed_is_asked_for_again(store: DynamoStore) -> None:
    ids = arrive(store, 5)
    real = store.wire.client.batch_get_item

    def half(**asked: Any) -> Any:
        ((table, some),) = asked["RequestItems"].items()
        now, later = some["Keys"][:2], some["Keys"][2:]
        said = real(RequestItems={table: {**some, "Keys": now}})
        said["UnprocessedKeys"] = {table: {**some, "Keys": later}} if later else {}
        return said

    store.wire.client.batch_get_item = half
    store.wire._pause = lambda _: None
    assert store.known(ids) == set(ids)


def test_a_truth_that_is_gone_is_unavailable_and_never_empty(aws: MotoServer) -> None:
    gone = DynamoStore(open_wire("dynamodb://gone?endpoint=http://127.0.0.1:1&attempts=1"))
    for name, call in CALLS.items():
        with pytest.raises(TruthUnavailable, match=r"127\.0\.0\.1:1"):
            pytest.fail(f"{name} answered {call(gone)!r}")
    gone.close()


def test_a_table_that_refuses_us_is_unavailable_and_says_so(store: DynamoStore) -> None:
    answer(store.wire, "GetItem", "AccessDeniedException", 1)
    with pytest.raises(TruthUnavailable, match="refuses us: AccessDenied"):
        store.tenant("acme")


def test_rows_that_others_change_all_the_time_are_unavailable(store: DynamoStore) -> None:
    (image,) = arrive(store, 1)
    claims = claim(store)
    store.wire.transact = lambda writes: [0]  # type: ignore[method-assign]
    with pytest.raises(TruthUnavailable, match="changed by others"):
        commit(store, claims, Retry("away"))
    assert row(store, image) == claims[0].row


# --- the table ---


def test_the_table_has_its_indexes_a_stream_and_backups(store: DynamoStore) -> None:
    table = store.wire.describe() or {}
    assert {one["IndexName"] for one in table["GlobalSecondaryIndexes"]} == set(keys.INDEXES)
    assert table["StreamSpecification"]["StreamViewType"] == "NEW_AND_OLD_IMAGES"
    kept = store.wire.call("describe_continuous_backups")["ContinuousBackupsDescription"]
    assert kept["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"


def test_a_table_that_is_not_there_is_made_by_migrate_only(aws: MotoServer) -> None:
    url = f"dynamodb://{aws.name('truth')}"
    with pytest.raises(SchemaOutdated, match="parjanya migrate"):
        open_store(url)
    open_store(url, migrating=True).close()
    open_store(url).close()


def test_migrating_twice_changes_nothing(backend: Backend) -> None:
    arrive(backend.open(), 1)
    assert sum(one.rows for one in backend.open(migrating=True).due(NOON)) == 1


def test_an_index_that_is_missing_is_added(aws: MotoServer) -> None:
    wire = open_wire(f"dynamodb://{aws.name('truth')}")
    asked = schema.table(wire.table)
    dropped = asked["GlobalSecondaryIndexes"].pop()
    attributes = {key["AttributeName"] for key in dropped["KeySchema"]}
    used = {
        key["AttributeName"]
        for one in [asked, *asked["GlobalSecondaryIndexes"]]
        for key in one["KeySchema"]
    }
    asked["AttributeDefinitions"] = [
        one
        for one in asked["AttributeDefinitions"]
        if one["AttributeName"] not in attributes - used
    ]
    wire.create(asked)
    schema.migrate(wire, pause=lambda _: None)
    schema.check(wire)
    described = wire.describe() or {}
    assert {one["IndexName"] for one in described["GlobalSecondaryIndexes"]} == set(keys.INDEXES)
    wire.close()


@pytest.mark.parametrize("migrating", [False, True])
def test_a_schema_that_a_newer_parjanya_only_added_to_is_used_and_left_as_it_is(
    backend: Backend, migrating: bool
) -> None:
    later = codec.attributes({"version": schema.VERSION + 1, "usable_from": schema.VERSION})
    wire = open_wire(backend.url)
    wire.put(schema.SCHEMA, later)
    arrive(backend.open(migrating=migrating), 2)
    recorded = wire.get(schema.SCHEMA) or {}
    assert codec.number(recorded, "version") == schema.VERSION + 1
    wire.close()


@pytest.mark.parametrize("more", [{}, {"usable_from": schema.VERSION + 1}])
def test_a_schema_of_a_newer_parjanya_is_refused(backend: Backend, more: dict[str, int]) -> None:
    wire = open_wire(backend.url)
    wire.put(schema.SCHEMA, codec.attributes({"version": 99} | more))
    wire.close()
    for migrating in (False, True):
        with pytest.raises(SchemaOutdated, match="newer"):
            backend.open(migrating=migrating)


@pytest.mark.parametrize(
    "url",
    ["dynamodb://", "dynamodb://t", "dynamodb://table/x", "dynamodb://table?regoin=x",
     "dynamodb://table?attempts=0", "dynamodb://ta%20ble"],
)  # fmt: skip
def test_a_url_that_names_no_table_is_refused(url: str) -> None:
    with pytest.raises(SettingsInvalid, match="dynamodb://TABLE"):
        open_store(url)


def test_without_a_region_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    with pytest.raises(SettingsInvalid, match="AWS_REGION"):
        open_store("dynamodb://table")


def test_a_lease_that_its_worker_prolongs_is_not_lapsed_by_who_read_it_before(
    backend: Backend,
) -> None:
    store, heart = backend.open(), backend.open()
    (image,) = arrive(store, 1)
    claims = claim(store)
    real = store.wire.transact

    def prolonged(writes: Any) -> list[int]:
        heart.extend(claims, LEASE, NOON + LEASE)
        return real(writes)

    store.wire.transact = prolonged  # type: ignore[method-assign]
    assert store.expire_leases(NOON + LEASE) == 0
    assert row(store, image).lease_until == NOON + 2 * LEASE


def test_json_is_what_it_was(store: DynamoStore) -> None:
    """Long and short documents come back the same, compressed or not."""
    for value in ({"a": "ä" * 5000}, {"a": [1, 2.5, None, True]}, {}):
        assert codec.unpacked(codec.packed(value)) == value == json.loads(json.dumps(value))


def test_rows_of_before_version_6_get_their_place_in_the_index_of_keys(backend: Backend) -> None:
    store: Any = backend.open()
    moved, *_ = ids = arrive(store, 3)
    one = row(store, moved)
    again = replace(arrival(0), key=one.key, version="v2", same_as=moved)
    store.register([again], NOON)
    wire = store.wire
    for image in ids:
        item = wire.get(keys.image(image))
        blob = codec.unpacked(item.pop("row")) | {"key": codec.text(item, "key")}
        for name in ("pk", "sk", "key", "lying"):
            item.pop(name, None)
        wire.put(keys.image(image), item | codec.attributes({"row": blob}))
    assert list(store.present_keys("acme", "acme/")) == []
    wire.put(schema.SCHEMA, codec.attributes({"version": 5, "usable_from": 5}))
    after = backend.open(migrating=True)
    told = {one.image_id: one for one in after.present_keys("acme", "acme/")}
    assert told.keys() == set(ids)
    assert told[moved].location == row(after, moved).location != moved
    assert {one.key for one in told.values()} == {row(after, image).key for image in ids}
