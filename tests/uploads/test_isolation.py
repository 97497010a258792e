"""One tenant's token, name or message never reaches another tenant's rows or objects."""

from __future__ import annotations

import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from parjanya_dagster.errors import InvalidTenant, UnknownUpload, UploadRefused
from parjanya_dagster.ingest.mailbox import Mailbox
from parjanya_dagster.ingest.owners import BucketNames
from parjanya_dagster.objects.local import MARKER
from parjanya_dagster.queues.messages import Message
from parjanya_dagster.truth.models import Tenant
from parjanya_dagster.uploads.promises import Wanted
from parjanya_dagster.web.uploads import create_app
from tests.support.examples import examples
from tests.support.radosgw import Radosgw
from tests.support.s3_events import message, record
from tests.support.upload_site import Site, files


@pytest.fixture
def upload_id(client: TestClient, site: Site) -> str:
    """An upload of acme's."""
    answer = client.post("/v1/uploads", json=files("a.jpg"), headers=site.headers("acme"))
    return str(answer.json()["uploads"][0]["upload_id"])


def forged(upload_id: str) -> list[str]:
    return [
        upload_id,
        upload_id.upper(),
        f"./{upload_id}",
        f"../uploads/{upload_id}",
        f"%2e%2e%2fuploads%2f{upload_id}",
        f"{upload_id}%00",
        f"{upload_id}%20",
        f"{upload_id};bolt",
        upload_id.replace(upload_id[0], chr(ord(upload_id[0]) + 0xFEE0)),  # full width
        f"acme%2f{upload_id}",
        "%",
        "_",
        "*",
    ]


def test_anothers_upload_does_not_exist(client: TestClient, site: Site, upload_id: str) -> None:
    """Not forbidden, which would tell that it is there."""
    bolt = site.headers("bolt")
    nobody = client.get(f"/v1/uploads/{'0' * 32}", headers=bolt)
    for one in forged(upload_id):
        asked = [
            client.get(f"/v1/uploads/{one}", headers=bolt),
            client.get(f"/v1/uploads?id={one}", headers=bolt),
            client.post(f"/v1/uploads/{one}/preflight", headers=bolt),
            client.put(
                f"/v1/uploads/{one}/content",
                content=b"abc",
                headers={**bolt, "Content-Type": "image/jpeg"},
            ),
        ]
        assert {answer.status_code for answer in asked} <= {404, 405}, one
    mine = client.get(f"/v1/uploads/{upload_id}", headers=bolt)
    assert mine.json()["detail"].replace(upload_id, "") == nobody.json()["detail"].replace(
        "0" * 32, ""
    )
    assert list(site.place.objects.listing("acme", "")) == []
    assert list(site.place.objects.listing("bolt", "")) == []


def test_one_foreign_id_among_own_ones_tells_nothing(
    client: TestClient, site: Site, upload_id: str
) -> None:
    bolt = site.headers("bolt")
    answer = client.post("/v1/uploads", json=files("b.jpg"), headers=bolt)
    own = answer.json()["uploads"][0]["upload_id"]
    answer = client.get("/v1/uploads", params={"id": [own, upload_id]}, headers=bolt)
    assert answer.status_code == 404
    assert "uploads" not in answer.json()


@pytest.mark.parametrize(
    "header",
    [
        {"X-Tenant": "acme"},
        {"X-Forwarded-User": "acme"},
        {"Cookie": "tenant=acme"},
        {"Host": "acme.example"},
    ],
)
def test_nothing_but_the_token_says_who_it_is(
    client: TestClient, site: Site, header: dict[str, str]
) -> None:
    answer = client.get("/v1/me?tenant=acme", headers={**site.headers("bolt"), **header})
    assert answer.json()["tenant"] == "bolt"


def test_a_token_in_two_headers_is_not_two_tokens(client: TestClient, site: Site) -> None:
    both = f"Bearer {site.tokens['acme']}, Bearer {site.tokens['bolt']}"
    assert client.get("/v1/me", headers={"Authorization": both}).status_code == 401


@given(name=st.text(st.characters(), max_size=30) | st.sampled_from(["../../bolt/incoming/x.jpg"]))
@settings(max_examples=examples(150), suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_name_lands_outside_its_own_upload(site: Site, name: str) -> None:
    """Through a real folder, where a path would be a path."""
    acme = site.tenant("acme")
    try:
        wanted = Wanted(name, "image/jpeg", 3)
        (made,) = site.place.uploads.promise(acme, site.ids["acme"], [wanted])
    except UploadRefused:
        return
    site.place.objects.put(made.row.bucket, made.row.key, b"abc", "image/jpeg")
    root = site.place.settings.home / "buckets"
    (landed,) = [one for one in root.rglob("*") if one.is_file() and one.name != MARKER]
    assert landed.parent == root / "acme" / "incoming" / made.row.upload_id
    landed.unlink()


@pytest.mark.parametrize("slug", ["ACME", "аcme", "acme\u200b", "acme/../bolt", "acme\0", "ａcme"])
def test_no_slug_looks_like_anothers(site: Site, slug: str) -> None:
    """Slugs are plain ASCII: there is nothing to look alike or to normalize."""
    with pytest.raises(InvalidTenant):
        site.place.store.put_tenant(
            Tenant(slug=slug, bucket=slug, prefix="incoming/", policy="default@1")
        )


def test_every_query_of_an_upload_checks_whose_it_is(site: Site) -> None:
    uploads = site.place.uploads
    wanted = [Wanted("a.jpg", "image/jpeg", 3)]
    (made,) = uploads.promise(site.tenant("acme"), site.ids["acme"], wanted)
    for ask in (uploads.own, uploads.progress):
        assert ask(site.tenant("acme"), made.row.upload_id)
        with pytest.raises(UnknownUpload):
            ask(site.tenant("bolt"), made.row.upload_id)


# --- on real S3 (Ceph's radosgw) ---


def test_a_url_for_one_bucket_opens_no_other(s3_site: Site, radosgw: Radosgw) -> None:
    acme, bolt = s3_site.tenant("acme").bucket, s3_site.tenant("bolt").bucket
    with TestClient(create_app(s3_site.place)) as client:
        answer = client.post("/v1/uploads", json=files("a.jpg"), headers=s3_site.headers("acme"))
    (made,) = answer.json()["uploads"]

    def put(url: str) -> Any:
        request = urllib.request.Request(url, b"abc", made["headers"], method="PUT")
        try:
            with urllib.request.urlopen(request, timeout=60) as done:
                return done.status
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    given = made["url"]
    assert f"/{acme}/" in given
    for url in (
        given.replace(acme, bolt),
        given.replace(f"/{acme}/", f"/{acme}/../{bolt}/"),
        given.replace(f"/{acme}/", f"/{acme}/%2e%2e/{bolt}/"),
        given.replace("/a.jpg", "/b.jpg"),
        given.replace("/a.jpg", "%2fb.jpg"),
        given.replace(made["upload_id"], "0" * 32),
        given.replace("X-Amz-Expires=900", "X-Amz-Expires=90000"),
    ):
        assert url != given
        assert put(url) in (400, 403, 404), url
    for bucket in (acme, bolt):
        assert "Contents" not in radosgw.client().list_objects_v2(Bucket=bucket)
    assert put(given) == 200


# --- messages: an event names a bucket and a key, and anybody may have written it ---


@dataclass
class Told:
    """A queue of given messages, and what was sent to it."""

    bodies: list[str] = field(default_factory=list)
    sent: list[tuple[str, str]] = field(default_factory=list)
    name: str = "told"

    def receive(self, most: int, wait: float) -> list[Message]:
        taken, self.bodies = self.bodies[:most], self.bodies[most:]
        return [Message(body, body) for body in taken]

    def delete(self, messages: Any) -> None:
        pass

    def send(self, body: str, reason: str = "") -> None:
        self.sent.append((body, reason))


def tell(site: Site, *places: tuple[str, str]) -> list[str]:
    """Take messages in that name these buckets and keys. Returns why any was refused."""
    place = site.place
    queue: Any = Told([message(record(key, bucket)) for bucket, key in places])
    dead: Any = Told()
    add = place.sweeper.add_tenant
    box = Mailbox(place.store, place.objects, queue, dead, BucketNames(), add, place.clock)
    while box.take(0).messages:
        pass
    return [reason for _, reason in dead.sent]


def test_a_message_reaches_no_object_outside_the_bucket_and_prefix_it_names(site: Site) -> None:
    secret = "incoming/secret.jpg"
    site.place.objects.put("bolt", secret, b"abc", "image/jpeg")
    site.place.objects.put("nobody", secret, b"abc", "image/jpeg")
    (site.place.settings.home / "buckets" / "incoming").mkdir()
    buckets = ["nobody", "ACME", "аcme", "acme ", "acme\u200b", "../bolt", "acme/../bolt", ".", ""]
    keys = [
        "../bolt/incoming/secret.jpg",
        "incoming/../../bolt/incoming/secret.jpg",
        "incoming/%2e%2e/%2e%2e/bolt/incoming/secret.jpg",
        "incoming/%252e%252e/%252e%252e/bolt/incoming/secret.jpg",
        "incoming/\uff0e\uff0e/\uff0e\uff0e/bolt/incoming/secret.jpg",
        "incoming/..\\..\\bolt\\incoming\\secret.jpg",
        "/bolt/incoming/secret.jpg",
        "bolt/incoming/secret.jpg",
        "incoming/secret.jpg\0",
    ]
    told = [(bucket, secret) for bucket in buckets] + [("acme", key) for key in keys]
    refused = tell(site, *told)
    assert len(refused) >= len(buckets)
    assert site.place.store.batches() == []
    assert {one.slug for one in site.place.store.tenants()} == {"acme", "bolt"}


def test_a_message_about_the_right_place_registers_for_its_owner_alone(site: Site) -> None:
    key = "incoming/secret.jpg"
    site.place.objects.put("bolt", key, b"abc", "image/jpeg")
    assert tell(site, ("bolt", key), ("acme", key)) == []
    (row,) = site.place.store.find(key)
    assert (row.tenant, row.bucket) == ("bolt", "bolt")
