"""Images that look alike, at the desk: each tenant's alone, and pictures from outside."""

from __future__ import annotations

import base64
import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image, ImageStat

from gpu_ops.embedding import served
from parjanya_dagster.client import Parjanya
from parjanya_dagster.errors import DeskRefused
from parjanya_dagster.platform import Platform
from parjanya_dagster.settings.groups import Embedding, Engines
from parjanya_dagster.web.app import create_app
from tests.support.clock import Clock
from tests.support.desk_site import DeskSite, embed, served_desk
from tests.support.endpoint_stub import MODEL, Reply, Stub, close_clients
from tests.support.pictures import picture


@pytest.fixture
def ids(shared_site: DeskSite) -> dict[str, str]:
    """Two tenants with pictures, of which the first of each is the same."""
    shared_site.place.registry.publish_builtin()
    names = [f"{n}.jpg" for n in range(5)]
    acme = shared_site.add("acme", *names, verdict="accept")
    bolt = shared_site.add("bolt", "0.jpg", "1.jpg", verdict="accept")
    embed(shared_site.place)
    return {f"acme/{n}": one for n, one in enumerate(acme)} | {
        f"bolt/{n}": one for n, one in enumerate(bolt)
    }


def person(site: DeskSite, name: str) -> TestClient:
    client = TestClient(create_app(site.desk, ["testserver"]), client=("10.1.1.1", 5000))
    client.headers["X-Person"] = name
    client.headers["X-Form"] = client.get("/api/v1/me").json()["form_token"]
    return client


def smaller(data: bytes, kind: str = "PNG") -> bytes:
    image, buffer = Image.open(io.BytesIO(data)), io.BytesIO()
    image.resize((image.width * 2 // 3, image.height * 2 // 3)).save(buffer, kind)
    return buffer.getvalue()


def test_what_is_like_an_image_is_of_its_tenant_alone(
    shared_site: DeskSite, ids: dict[str, str]
) -> None:
    anna, bob = person(shared_site, "anna"), person(shared_site, "bob")
    told = anna.get(f"/api/v1/images/{ids['acme/0']}/similar").json()
    assert {one["image_id"] for one in told["images"]} == {ids[f"acme/{n}"] for n in range(1, 5)}
    assert told["compared"] == 5
    assert told["space"].startswith("embedded-")
    likeness = [one["similarity"] for one in told["images"]]
    assert likeness == sorted(likeness, reverse=True)
    # Who sees one tenant is told of no other, even by a picture that it has.
    assert bob.get(f"/api/v1/images/{ids['acme/0']}/similar").status_code == 404
    assert bob.get("/similar", params={"image": ids["acme/0"]}).status_code == 404
    same = bob.get(f"/api/v1/images/{ids['bolt/0']}/similar").json()["images"]
    assert [one["image_id"] for one in same] == [ids["bolt/1"]]


def test_a_picture_from_outside_finds_the_image_that_it_shows(
    shared_site: DeskSite, ids: dict[str, str]
) -> None:
    anna, place = person(shared_site, "anna"), "/api/v1/similar/content"
    shown = smaller(picture(3, 64, 48))
    first, *_ = anna.post(place, params={"tenant": "acme"}, content=shown).json()["images"]
    assert first["image_id"] == ids["acme/3"]
    assert first["similarity"] > 0.95
    tiles = anna.post("/similar/content", params={"tenant": "acme"}, content=shown).text
    assert tiles.index(ids["acme/3"]) < tiles.index(ids["acme/1"])
    assert anna.post(place, params={"tenant": "bolt"}, content=shown).status_code == 404
    broken = anna.post(place, params={"tenant": "acme"}, content=b"no picture")
    assert broken.status_code == 422
    assert "cannot be read" in broken.json()["detail"]
    del anna.headers["X-Form"]
    assert anna.post(place, params={"tenant": "acme"}, content=shown).status_code == 403


def test_an_image_that_left_is_not_found_and_one_without_a_vector_may_ask(
    shared_site: DeskSite, ids: dict[str, str]
) -> None:
    ops, store = person(shared_site, "ops"), shared_site.place.store
    (late,) = shared_site.add("acme", "late.jpg", verdict="accept")
    store.depart([ids["acme/1"]], shared_site.place.clock(), "deleted")
    told = ops.get(f"/api/v1/images/{late}/similar").json()
    assert {one["image_id"] for one in told["images"]} == {ids[f"acme/{n}"] for n in (0, 2, 3, 4)}
    page = ops.get("/similar", params={"image": late}).text
    assert "Like <bdi>late.jpg</bdi>" in page
    assert page.count('class="tile ') == 4


def test_clusters_are_of_one_tenant_and_an_image_names_its_own(
    shared_site: DeskSite, ids: dict[str, str], clock: Clock
) -> None:
    anna, bob, asked = person(shared_site, "anna"), person(shared_site, "bob"), {"tenant": "acme"}
    told = anna.get("/api/v1/clusters", params={**asked, "k": 3}).json()
    assert (told["compared"], sum(one["size"] for one in told["clusters"])) == (5, 5)
    acme = {ids[f"acme/{n}"] for n in range(5)}
    assert {one["image_id"] for each in told["clusters"] for one in each["images"]} == acme
    out = anna.get("/api/v1/outliers", params={**asked, "limit": 2}).json()["images"]
    assert len(out) == 2
    assert {one["image_id"] for one in out} <= acme
    page = anna.get("/clusters", params={**asked, "k": 6}).text
    assert page.count('<section class="cluster"') == 5 + 1
    assert not any(ids[f"bolt/{n}"] in page for n in range(2))
    one = anna.get("/clusters", params={**asked, "k": 6, "like": ids["acme/2"]}).text
    assert one.count('class="tile ') == 1
    assert ids["acme/2"] in one
    assert anna.get("/clusters", params={"tenant": "bolt"}).text.count('class="tile ') == 0
    assert bob.get("/api/v1/clusters", params=asked).status_code == 404
    assert bob.get("/api/v1/outliers", params=asked).status_code == 404
    # Vectors that are new are in it without a restart; images that left are not shown.
    (late,) = shared_site.add("acme", "late.jpg", verdict="accept")
    shared_site.place.store.depart([ids["acme/1"]], shared_site.place.clock(), "deleted")
    embed(shared_site.place)
    clock.pass_by(6.0)
    shown = anna.get("/clusters", params={**asked, "k": 6}).text
    assert late in shown
    assert ids["acme/1"] not in shown


def by_colour(_: int, payload: dict[str, Any]) -> Reply:
    """A model that knows colours and their names: pictures by their mean, words by name."""
    given = payload["messages"][0]["content"][0]
    if given["type"] == "text":
        names = ("red", "green", "blue")
        return Reply({"data": [{"embedding": [float(n in given["text"]) + 0.01 for n in names]}]})
    data = base64.b64decode(given["image_url"]["url"].partition(",")[2])
    with Image.open(io.BytesIO(data)) as image:
        mean = ImageStat.Stat(image).mean
    return Reply({"data": [{"embedding": [x + 1.0 for x in mean]}]})


def test_words_find_what_a_model_of_images_and_words_knows(
    shared_site: DeskSite, ids: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served, "FRESH", 0.0)
    anna, words = person(shared_site, "anna"), {"tenant": "acme", "words": "something red"}
    refused = anna.get("/api/v1/similar", params=words)
    assert refused.status_code == 422
    assert "cannot be searched by words" in refused.json()["detail"]
    assert "cannot be searched by words" in anna.get("/similar", params=words).text
    with Stub(by_colour) as stub:
        settings = shared_site.place.settings.model_copy(
            update={"engines": Engines(embedder="openai"),
                    "embedding": Embedding(url=stub.url, model=MODEL, timeout=5.0)}
        )  # fmt: skip
        site = DeskSite(replace(shared_site.place, settings=settings))
        embed(site.place)
        anna = person(site, "anna")
        told = anna.get("/api/v1/similar", params=words).json()
        assert told["compared"] == 5
        shown = (Image.open(io.BytesIO(picture(n, 64 + 16 * (n % 3), 48))) for n in range(5))
        means = {ids[f"acme/{n}"]: ImageStat.Stat(one).mean for n, one in enumerate(shown)}
        reddest = max(means, key=lambda one: means[one][0] / np.linalg.norm(means[one]))
        assert told["images"][0]["image_id"] == reddest
        page = anna.get("/similar", params=words).text
        assert page.count('class="tile ') == 5
        assert page.index(reddest) < min(page.index(one) for one in means if one != reddest)
        assert anna.get("/api/v1/similar", params={**words, "tenant": "bolt"}).status_code == 404
        assert anna.get("/api/v1/similar", params={**words, "words": " "}).status_code == 422
        # A server that is replaced by another is another space, without a restart of the desk.
        before, stub.version = told["space"], "0.33.0"
        after = anna.get("/api/v1/similar", params=words).json()
        assert (after["compared"], after["space"] != before) == (0, True)
        stub.behave = lambda *_: Reply({"error": "busy"}, 503, {"Retry-After": "0"})
        assert anna.get("/api/v1/similar", params=words).status_code == 503
        site.desk.catalog.close()
        close_clients()


def test_the_client_asks_the_same(
    platform: Platform, tmp_path_factory: pytest.TempPathFactory
) -> None:
    site = DeskSite(platform)
    platform.registry.publish_builtin()
    ids = site.add("acme", "0.jpg", "1.jpg", "2.jpg", verdict="accept")
    embed(site.place)
    file = tmp_path_factory.mktemp("shown") / "shown.png"
    file.write_bytes(smaller(picture(2, 96, 48)))
    with served_desk(site) as address, Parjanya(address) as desk:
        assert len(desk.similar(ids[0])) == 2
        assert len(desk.similar(ids[0], limit=1)) == 1
        assert desk.similar_to(file, "acme")[0].image_id == ids[2]
        assert [one.size for one in desk.clusters("acme", k=1)] == [3]
        assert len(desk.outliers("acme", limit=2)) == 2
        with pytest.raises(DeskRefused, match="words"):
            desk.similar_to_words("a dog", "acme")
    site.desk.catalog.close()
