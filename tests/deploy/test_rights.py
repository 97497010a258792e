"""What the stack lets each kind of process do to Truth, against what its code asks: none missing,
none to spare. Asked of moto, an emulator: IAM itself is not there.
"""

from __future__ import annotations

import importlib.util
import random
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest
from fastapi.testclient import TestClient

from parjanya_dagster.errors import ParjanyaError
from parjanya_dagster.metrics.measure import measure
from parjanya_dagster.platform import Platform
from parjanya_dagster.truth import open_store
from parjanya_dagster.truth.dynamo import DynamoStore, schema
from parjanya_dagster.truth.outcomes import Completed
from parjanya_dagster.truth.policy_registry import PolicyRegistry
from parjanya_dagster.web.uploads import create_app
from tests.contract.journey import CALLS
from tests.deploy.objects import DEPLOY
from tests.support.backends import dynamo_table
from tests.support.desk_site import DeskSite
from tests.support.permissions import Asked, Recorder, missing, spare
from tests.support.servers import MotoServer
from tests.support.upload_site import Site, files
from tests.support.world import NOON, arrive, carry, claim, commit, found, tenant

pytestmark = pytest.mark.server


def _rights() -> ModuleType:
    spec = importlib.util.spec_from_file_location("rights", DEPLOY / "ecs" / "rights.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where its records look up their annotations
    spec.loader.exec_module(module)
    return module


rights: Any = _rights()


@pytest.fixture
def store(shared_table: str, aws: MotoServer) -> Iterator[DynamoStore]:
    store: Any = open_store(shared_table)
    yield store
    store.close()


def recording(store: DynamoStore) -> Recorder:
    recorder = Recorder()
    recorder.listen(store.wire.client)
    schema.check(store.wire)  # as opening it does
    return recorder


def test_what_strangers_reach_may_do_what_it_does(platform: Platform, store: DynamoStore) -> None:
    site = Site(replace(platform, store=store))
    site.add_tenant("acme", "acme")
    recorder = recording(store)
    headers = site.headers("acme")
    with TestClient(create_app(site.place)) as client:
        assert client.get("/v1/me", headers=headers).status_code == 200
        (made,) = client.post("/v1/uploads", json=files("a.jpg"), headers=headers).json()["uploads"]
        follow = f"/v1/uploads/{made['upload_id']}"
        assert client.get(follow, headers=headers).json()["status"] == "pending_upload"
        seen = recorder.asked.copy()
        client.put(made["url"], content=b"abc", headers={**made["headers"], **headers})
        site.place.sweeper.sweep(1e12)
        recorder.asked = seen  # the sweep is another process
        assert client.get(follow, headers=headers).json()["status"] == "pending_validation"
        assert client.get("/v1/uploads", params={"id": [made["upload_id"]]}, headers=headers)
        assert client.post(f"{follow}/preflight", headers=headers).status_code == 200
    assert missing(recorder.asked, rights.PROMISE) == []
    assert spare(recorder.asked, rights.PROMISE) == []


@pytest.fixture
def own_store(aws: MotoServer) -> Iterator[DynamoStore]:
    """One whose images nobody else's are among: a desk shows all of them."""
    with dynamo_table(aws) as url:
        store: Any = open_store(url)
        yield store
        store.close()


def test_the_desk_may_do_what_people_do_at_it(platform: Platform, own_store: DynamoStore) -> None:
    store, place = own_store, replace(platform, store=own_store)
    place.registry.publish_builtin()  # `parjanya migrate` did
    site = DeskSite(place)
    one, other = site.add("acme", "one.jpg", "other.jpg")
    recorder = recording(store)
    site.follow()
    desk = site.client(replace(site.desk, start=lambda work: work()))
    for page in ("/", "/images", f"/images/{one}", "/review?tenant=acme", "/releases", "/regrade"):
        assert desk.get(page).status_code == 200, page
    ask = {"tenant": "acme", "n": 2}
    assert len(desk.post("/api/v1/review/claim", json=ask).json()["images"]) == 2
    for path in ("extend", "release"):
        answer = desk.post(f"/api/v1/review/{path}", json={"image_ids": [one, other]})
        assert answer.status_code == 200
    for action in ("accept", "undo", "accept"):
        decided = {"action": action, "request_id": f"request {len(store.reviews(one))}"}
        assert desk.post(f"/api/v1/images/{one}/review", json=decided).status_code == 200
    wanted = {"tenant": "acme", "name": "birds", "where": "verdict=accept"}
    assert desk.post("/api/v1/releases", json=wanted).json()["images"] == 1
    regrade = {"policy": "default@3", "tenants": ["acme"]}
    assert desk.post("/api/v1/regrades/preview", json=regrade).status_code == 200
    launched = desk.post("/api/v1/regrades", json={**regrade, "request_id": "request 9"})
    assert launched.status_code == 200, launched.text
    site.desk.catalog.close()
    assert missing(recorder.asked, rights.DECIDE) == []
    assert spare(recorder.asked, rights.DECIDE) == []


def test_strangers_may_write_nothing_but_promises() -> None:
    for action in ("PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem"):
        for key in ("image#1", "tenants", "token#1", "policies", "tally#acme#1"):
            asked = Asked(f"dynamodb:{action}", key=key)
            assert missing({asked}, rights.PROMISE) == [asked]


def test_workers_and_sensors_may_do_what_they_do(store: DynamoStore) -> None:
    recorder = recording(store)
    store.put_tenant(tenant("worker"))
    arrive(store, 3, slug="worker")
    alike = claim(store, "validated", limit=2)
    long = {"picture": random.Random(1).randbytes(4000).hex()}  # it is written beside the rows
    keys = {f"key{n}": n for n in range(3)}
    commit(store, alike, lambda one: Completed(found(one, body=long), {}, keys))
    carry(store)
    store.beat("run:1", NOON, {})
    store.forget(["run:1"])
    for call in CALLS.values():
        with suppress(ParjanyaError):  # of an image that is not there: it was asked for
            call(store)
    assert missing(recorder.asked, rights.WORK) == []
    assert spare(recorder.asked, rights.WORK) == []


def test_what_only_looks_reads(platform: Platform, store: DynamoStore) -> None:
    store.put_tenant(tenant("looker"))
    arrive(store, 3, slug="looker")
    store.beat("arrivals", NOON, {})
    PolicyRegistry(store, platform.clock).publish_builtin()  # `parjanya migrate` did
    recorder = recording(store)
    store.heartbeats()  # `doctor --quick`
    measure(replace(platform, store=store), None, list)
    assert missing(recorder.asked, rights.LOOK) == []
    assert spare(recorder.asked, rights.LOOK) == []


def test_migrating_a_table_of_the_stack_needs_no_right_to_make_one(
    shared_table: str, store: DynamoStore
) -> None:
    recorder = recording(store)
    schema.migrate(store.wire)
    assert missing(recorder.asked, [*rights.WORK, *rights.MIGRATE]) == []
