"""Manifests: the newest stays, what is gone is said, and the documentation tells the schema."""

from __future__ import annotations

import io
import re
import shutil
from pathlib import Path
from typing import Any

import pandas
import pyarrow.parquet
import pytest

from parjanya_dagster.errors import BucketUnknown
from parjanya_dagster.execution.manifest import contents, manifest_key, write_manifest
from parjanya_dagster.execution.manifest_table import as_parquet, shows
from parjanya_dagster.ingest.known_buckets import KnownBuckets
from parjanya_dagster.objects.local import FolderObjects
from parjanya_dagster.objects.store import Objects
from parjanya_dagster.platform import Platform
from parjanya_dagster.truth.reviews import ReviewDecision
from parjanya_dagster.truth.store import Store
from tests.support.clock import NOON
from tests.support.world import arrival, arrive, claim, commit, completed

DOCUMENT = Path(__file__).parents[3] / "docs" / "manifest.md"
BUCKET = "bucket"


@pytest.fixture
def store(platform: Platform) -> Store:
    arrive(platform.store, 2)
    decide(platform.store, "accept")
    return platform.store


@pytest.fixture
def objects(platform: Platform) -> Objects:
    return platform.objects


def decide(store: Store, verdict: str) -> None:
    for stage in ("validated", "enriched", "scored", "curated"):
        more = {"verdict": verdict, "policy": "default@1"} if stage == "curated" else {}
        commit(store, claim(store, stage, now=NOON + 99), lambda c, m=more: completed(c, **m))


def replace_first(store: Store) -> str:
    """The first image gets another version. Returns its id."""
    (new,) = store.register([arrival(0, version="v2", landed_at=NOON + 50)], NOON + 50)
    return new.image_id


def table(objects: Objects, batch: str) -> Any:
    return pandas.read_parquet(io.BytesIO(objects.get(BUCKET, manifest_key(batch)).data))


def test_a_slow_writer_does_not_overwrite_a_newer_manifest(store: Store, objects: Objects) -> None:
    ((batch, early),) = store.stale_manifests().items()
    read_early = contents(store, batch)
    new = replace_first(store)
    decide(store, "reject")
    write_manifest(store, objects, batch, store.stale_manifests()[batch])
    write_manifest(store, objects, batch, early, read_early)
    assert new in set(table(objects, batch)["image_id"])
    assert store.stale_manifests() == {}


def test_a_writer_that_is_overtaken_between_reading_and_writing_gives_way(
    store: Store, objects: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    ((batch, early),) = store.stale_manifests().items()
    read_early = contents(store, batch)
    put_over = FolderObjects.put_over

    def overtaken(self: Any, *given: Any) -> bool:
        monkeypatch.setattr(FolderObjects, "put_over", put_over)
        replace_first(store)
        write_manifest(store, objects, batch, store.stale_manifests()[batch])
        return put_over(self, *given)

    monkeypatch.setattr(FolderObjects, "put_over", overtaken)
    write_manifest(store, objects, batch, early, read_early)
    assert len(table(objects, batch)) == 3
    assert store.stale_manifests() == {}


def test_a_newer_manifest_whose_writer_died_stays_and_is_stale(
    store: Store, objects: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    ((batch, early),) = store.stale_manifests().items()
    read_early = contents(store, batch)
    replace_first(store)

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(type(store), "manifest_written", die)
        with pytest.raises(KeyboardInterrupt):
            write_manifest(store, objects, batch, store.stale_manifests()[batch])
    write_manifest(store, objects, batch, early, read_early)
    assert len(table(objects, batch)) == 3
    assert list(store.stale_manifests()) == [batch]


@pytest.mark.parametrize("lies_there", ["of a lost Truth", "unmarked", "damaged"])
def test_a_manifest_that_shows_what_never_happened_is_replaced(
    store: Store, objects: Objects, lies_there: str
) -> None:
    ((batch, decided),) = store.stale_manifests().items()
    unmarked = io.BytesIO()
    pandas.DataFrame({"image_id": ["x"]}).to_parquet(unmarked)
    data = {
        "of a lost Truth": as_parquet([], {}, decided + 40),
        "unmarked": unmarked.getvalue(),
        "damaged": b"PAR1",
    }[lies_there]
    objects.put(BUCKET, manifest_key(batch), data, "application/octet-stream")
    write_manifest(store, objects, batch, decided)
    assert len(table(objects, batch)) == 2
    assert shows(objects.get(BUCKET, manifest_key(batch)).data) == decided


def test_what_is_gone_stands_in_the_manifest_as_gone(store: Store, objects: Objects) -> None:
    new = replace_first(store)
    deleted = arrival(1).image_id
    store.depart([deleted], NOON + 60, "deleted")
    (batch,) = store.batches()
    write_manifest(store, objects, batch, store.stale_manifests()[batch])
    found = {record["image_id"]: record for record in table(objects, batch).to_dict("records")}
    old = found[arrival(0).image_id]
    assert (old["present"], old["gone"], old["replaced_by"]) == (False, "replaced", new)
    assert old["gone_at"].timestamp() == NOON + 50
    assert old["verdict"] == "accept"  # what was decided of it stays readable
    assert (found[deleted]["present"], found[deleted]["gone"]) == (False, "deleted")
    assert pandas.isna(found[deleted]["replaced_by"])
    assert found[new]["present"]
    assert pandas.isna(found[new]["gone"])
    assert pandas.isna(found[new]["gone_at"])


def test_no_manifest_is_written_into_an_empty_mount_point(
    platform: Platform, store: Store, objects: Objects
) -> None:
    ((batch, decided),) = store.stale_manifests().items()
    objects.put(BUCKET, "incoming/a.jpg", b"x", "image/jpeg")
    tenant = store.tenant("acme")
    assert tenant is not None
    KnownBuckets(store, objects, platform.clock).adopt(tenant)
    folder = platform.settings.home / "buckets" / BUCKET
    shutil.move(folder, folder.with_name("away"))
    folder.mkdir()
    with pytest.raises(BucketUnknown, match="mounted"):
        write_manifest(store, objects, batch, decided)
    assert list(folder.iterdir()) == []
    folder.rmdir()
    shutil.move(folder.with_name("away"), folder)
    write_manifest(store, objects, batch, decided)
    assert store.stale_manifests() == {}


def test_the_documentation_tells_the_schema() -> None:
    schema = pyarrow.parquet.read_schema(io.BytesIO(as_parquet([], {}, 7)))
    plain = {"large_string": "string", "list<element: string>": "list<string>"}
    written = {field.name: plain.get(str(field.type), str(field.type)) for field in schema}
    rows = re.findall(r"^\| `(\w+)` \| `([^`]+)` \|", DOCUMENT.read_text(), re.MULTILINE)
    assert dict(rows) == written
    assert [name for name, _ in rows] == list(written)
    assert manifest_key("acme/2025-10-09/001") in DOCUMENT.read_text()


def test_a_persons_verdict_is_what_counts_and_the_policys_stays_beside_it(
    store: Store, objects: Objects
) -> None:
    ((batch, early),) = store.stale_manifests().items()
    write_manifest(store, objects, batch, early)
    before = table(objects, batch).set_index("image_id")
    image = arrival(0).image_id
    assert before.loc[image, ["effective_verdict", "decided_by"]].tolist() == ["accept", "policy"]
    decision = ReviewDecision(image_id=image, who="ana", action="reject", request_id="r")
    store.review(decision, NOON + 200, seen=0)
    ((batch, later),) = store.stale_manifests().items()
    write_manifest(store, objects, batch, later)
    shown = table(objects, batch).set_index("image_id")
    columns = ["verdict", "effective_verdict", "decided_by", "reviewer"]
    assert shown.loc[image, columns].tolist() == ["accept", "reject", "person", "ana"]
    assert shown.loc[image, "reviewed_at"].timestamp() == NOON + 200
    other = shown.drop(image).iloc[0]
    assert [other["effective_verdict"], other["decided_by"]] == ["accept", "policy"]
    assert pandas.isna(other["reviewer"])
    assert pandas.isna(other["reviewed_at"])
