"""The log of likeness on DynamoDB and its copies in the tenant's bucket, on moto's emulator."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from parjanya_dagster.errors import StorageUnavailable, TruthUnavailable
from parjanya_dagster.objects.local import FolderObjects
from parjanya_dagster.truth.dynamo import DynamoStore, filing_log, keys, open_wire, schema
from parjanya_dagster.truth.dynamo.codec import attributes
from parjanya_dagster.truth.dynamo.filing_log import FilingLog
from parjanya_dagster.truth.dynamo.filings import code
from parjanya_dagster.truth.dynamo.likeness import BY_KEY
from parjanya_dagster.truth.dynamo.wire import Add, Wire
from tests.contract.dynamo import Requests
from tests.support.backends import empty_table
from tests.support.world import NOON, arrive, tenant

PAGES = 11  # two copies of many pages, one of few, and a page that is in none


@pytest.fixture
def wire(shared_table: str, aws: Any) -> Iterator[Wire]:
    wire = open_wire(shared_table)
    yield wire
    wire.close()
    empty_table(shared_table)


@pytest.fixture
def objects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FolderObjects:
    monkeypatch.setattr(filing_log, "FEW", 2)
    monkeypatch.setattr(filing_log, "MANY", 4)
    (tmp_path / "acme").mkdir()
    return FolderObjects(tmp_path)


def fill(log: FilingLog, pages: int = PAGES, since: int = 0) -> None:
    for n in range(since, since + pages):
        log.append("acme", [(f"{n:024x}", float(n), {"all": n, f"of {n}": -n})])


def seen(log: FilingLog) -> list[int]:
    """The images that are found, by number."""
    return [int(one.image_id, 16) for one in log.search("acme", "acme", [code("all")], 64)]


def copies(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("likeness/*/*") if path.is_file())


def test_what_was_filed_is_found_by_whoever_searches_later(wire: Wire) -> None:
    log, other = FilingLog(wire), FilingLog(wire)
    assert seen(log) == []
    for n in range(4):  # each believes to know the last page, and the other has written one
        fill((log, other)[n % 2], 1, since=n)
        assert seen(other) == list(range(n + 1))


def test_old_pages_are_copied_and_not_read_again(
    wire: Wire, objects: FolderObjects, tmp_path: Path
) -> None:
    fill(FilingLog(wire))
    log = FilingLog(wire, objects)
    assert seen(log) == list(range(PAGES))
    assert [path.parent.name for path in copies(tmp_path)] == ["2"] * 5 + ["4"] * 2
    requests = Requests(wire)
    assert seen(log) == list(range(PAGES))
    assert requests.made == {"Query": 2}
    assert requests.items == 3  # the last page, and twice that which is in no copy or links to one


def test_copies_that_are_gone_or_damaged_are_made_again(
    wire: Wire, objects: FolderObjects, tmp_path: Path
) -> None:
    fill(FilingLog(wire))
    log = FilingLog(wire, objects)
    seen(log)
    whole = [path.read_bytes() for path in copies(tmp_path)]
    for n, path in enumerate(copies(tmp_path)):
        if n % 2:
            path.unlink()
        else:
            path.write_bytes(path.read_bytes()[:-1])
    assert seen(log) == list(range(PAGES))
    again = {path: path.read_bytes() for path in copies(tmp_path)}
    assert set(again.values()) <= set(whole)
    assert {path.parent.name for path in again} == {"2", "4"}


def test_copies_of_a_log_that_was_lost_are_not_believed(
    wire: Wire, objects: FolderObjects, shared_table: str
) -> None:
    fill(FilingLog(wire))
    assert seen(FilingLog(wire, objects)) == list(range(PAGES))
    empty_table(shared_table)  # or restored to an earlier moment, from which it went on otherwise
    fill(FilingLog(wire), 1)
    fill(FilingLog(wire), PAGES, since=500)
    for _ in range(2):
        assert seen(FilingLog(wire, objects)) == [0, *range(500, 500 + PAGES)]


def test_without_its_copies_the_log_is_read_from_the_table(
    wire: Wire, objects: FolderObjects, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(FilingLog(wire))

    def away(*_: Any) -> Any:
        raise StorageUnavailable("away")

    monkeypatch.setattr(objects, "get", away)
    monkeypatch.setattr(objects, "put", away)
    assert seen(FilingLog(wire, objects)) == list(range(PAGES))


def test_what_was_filed_by_key_before_is_found_beside_the_log(wire: Wire) -> None:
    store = DynamoStore(wire)
    store.put_tenant(tenant())
    old, new = sorted(arrive(store, 2))
    rows = store.get_many([old, new])
    wire.put((keys.like("acme", "all"), keys.arrival(rows[old])),
             attributes({"image_id": old, "view": 1}))  # fmt: skip
    store.filings.append("acme", [(new, rows[new].landed_at, {"all": 3})])
    assert [row.image_id for row, _ in store.alike("acme", {"x": {"all": 0}}, 64)["x"]] == [new]
    wire.write(Add(keys.tenant("acme"), {}, attributes({BY_KEY: True})))
    found = store.alike("acme", {"x": {"all": 0}}, 64)["x"]
    assert {row.image_id: bits for row, bits in found} == {old: 1, new: 2}


def test_a_process_of_before_may_file_by_key_after_the_migration(wire: Wire) -> None:
    """Images of a tenant that comes meanwhile, too. They are found, and stay so."""
    version = wire.get(schema.SCHEMA) or {}
    wire.put(schema.SCHEMA, attributes({"version": 3, "usable_from": 3}))
    schema.migrate(wire, clock=lambda: NOON - 60)
    DynamoStore(wire).put_tenant(tenant())
    (old,) = arrive(DynamoStore(wire), 1)
    at = keys.arrival(DynamoStore(wire).get_many([old])[old])
    wire.put((keys.like("acme", "all"), at), attributes({"image_id": old, "view": 1}))
    for days in (0, 30):
        schema.migrate(wire, clock=lambda days=days: NOON + days * 86_400)
        found = DynamoStore(wire).alike("acme", {"x": {"all": 0}}, 64)["x"]
        assert [row.image_id for row, _ in found] == [old]
    assert wire.get(schema.SCHEMA) == version


def test_what_is_named_of_another_tenant_is_not_told(wire: Wire) -> None:
    """Copies lie in buckets of tenants, who may write there."""
    store = DynamoStore(wire)
    store.put_tenant(tenant())
    store.put_tenant(tenant("other"))
    (image,) = arrive(store, 1)
    store.filings.append("other", [(image, NOON, {"all": 3})])
    assert store.alike("other", {"x": {"all": 0}}, 64) == {"x": []}


def test_a_log_that_was_restored_goes_on_without_a_gap(wire: Wire) -> None:
    now = [0.0]
    log = FilingLog(wire, clock=lambda: now[0])
    fill(log, 5)
    for number in (3, 4):  # the table was brought back under its name, from before they came
        pk, sk = keys.filing("acme", number)
        wire.call("delete_item", Key={"pk": {"S": pk}, "sk": {"S": sk}})
    now[0] += filing_log.LATELY
    fill(log, 1, since=9)
    assert [int(item["sk"]["S"]) for item in wire.query("filings#acme")] == [0, 1, 2, 3]


def test_who_meets_others_at_every_page_comes_at_another_time(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 100 workers who all tried again at once, most gave up."""
    log, pauses = FilingLog(wire), list[float]()
    fill(log, 1)
    monkeypatch.setattr(filing_log, "ROUNDS", 6)
    monkeypatch.setattr(wire, "_pause", pauses.append)
    monkeypatch.setattr(log, "_end", lambda _: (-1, bytes(16)))  # another is always quicker
    log.clock = lambda: float("inf")
    with pytest.raises(TruthUnavailable):
        fill(log, 1)
    assert len(pauses) == 4
    assert all(0 < pause <= 0.02 * 2**tries for tries, pause in enumerate(pauses))
