"""What a page costs that follows many files, in requests of DynamoDB (moto counts as AWS does)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from fastapi.testclient import TestClient

from parjanya_dagster.platform import Platform
from parjanya_dagster.truth import open_store
from parjanya_dagster.truth.dynamo import DynamoStore
from parjanya_dagster.web.uploads import create_app
from tests.contract.dynamo import Requests
from tests.support.backends import dynamo_table
from tests.support.servers import MotoServer
from tests.support.upload_site import Site, files

pytestmark = pytest.mark.server
FILES = 50


@pytest.fixture
def store(aws: MotoServer) -> Iterator[DynamoStore]:
    with dynamo_table(aws) as url:
        store: Any = open_store(url)
        yield store
        store.close()


def test_fifty_files_are_followed_by_a_handful_of_requests(
    platform: Platform, store: DynamoStore
) -> None:
    site = Site(replace(platform, store=store))
    site.add_tenant("acme", "acme")
    headers = site.headers("acme")
    with TestClient(create_app(site.place)) as client:
        wanted = files(*(f"{n}.jpg" for n in range(FILES)))
        made = client.post("/v1/uploads", json=wanted, headers=headers).json()["uploads"]
        ids = [one["upload_id"] for one in made]

        def look() -> tuple[set[str], int]:
            requests = Requests(store.wire)
            answer = client.get("/v1/uploads", params={"id": ids}, headers=headers)
            seen = answer.json()["uploads"]
            assert [one["upload_id"] for one in seen] == ids
            return {one["status"] for one in seen}, sum(requests.made.values())

        assert look() == ({"pending_upload"}, 4)  # token, tenant, uploads, what lies at their keys
        for one in made:
            site.place.objects.put("acme", one["key"], b"abc", "image/jpeg")
        site.place.sweeper.sweep(1e12)
        assert look()[0] == {"pending_validation"}  # each is noted once
        assert look() == ({"pending_validation"}, 4)  # token, tenant, uploads, images
