"""Releases at the desk: who sees them, who may make one, and what a form is told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from fastapi.testclient import TestClient

from parjanya_dagster.client import Parjanya, ReleaseWanted
from parjanya_dagster.platform import Platform
from parjanya_dagster.settings import Settings
from parjanya_dagster.web.app import create_app
from tests.support.browser import PATIENCE
from tests.support.desk_site import DeskSite, embed, served_desk
from tests.support.releases import PICTURES, released

BIRDS = {"tenant": "acme", "name": "birds", "where": "decided_by=policy", "split": "a=0.5,b=0.5"}


@pytest.fixture
def site(decided: Platform) -> Iterator[DeskSite]:
    web = {
        "identity_header": "X-Person",
        "trusted_proxies": "10.0.0.0/8",
        "roles": "anna=reviewer:acme olga=operator:acme bob=operator:bolt",
    }
    site = DeskSite(replace(decided, settings=Settings(home=decided.settings.home, web=web)))
    yield site
    site.desk.catalog.close()


def person(site: DeskSite, name: str) -> TestClient:
    client = TestClient(create_app(site.desk, ["testserver"]), client=("10.1.1.1", 5000))
    client.headers["X-Person"] = name
    page = client.get("/releases").text
    token = page.partition('name="form-token" content="')[2].partition('"')[0]
    client.headers["X-Form"] = token
    return client


def test_an_operator_of_the_tenant_releases_a_view(decided: Platform, site: DeskSite) -> None:
    olga = person(site, "olga")
    assert 'value="category=photo&amp;q=x"' in olga.get("/releases?category=photo&q=x").text
    made: dict[str, Any] = olga.post("/api/v1/releases", json=BIRDS).json()
    assert (made["release"], made["new"], made["images"]) == ("acme/birds@1", True, PICTURES)
    assert (made["state"], made["created_by"]) == ("writing", "olga")
    assert olga.post("/api/v1/releases", json=BIRDS).json()["new"] is False
    assert [one.key for one in decided.store.open_releases()] == ["acme/birds@1"]
    assert "acme/birds@1" in olga.get("/releases").text
    (told,) = olga.get("/api/v1/releases?tenant=acme").json()["releases"]
    assert told["counts"]["decided_by"] == {"policy": PICTURES}


def test_what_makes_no_sense_is_told_in_a_sentence(site: DeskSite) -> None:
    wrong = person(site, "olga").post("/api/v1/releases", json=BIRDS | {"split": "a=2"})
    assert (wrong.status_code, "is no split" in wrong.json()["detail"]) == (422, True)


def test_a_reviewer_sees_releases_and_makes_none(decided: Platform, site: DeskSite) -> None:
    released(decided)
    anna = person(site, "anna")
    page = anna.get("/releases").text
    assert "acme/birds@1" in page
    assert 'id="release"' not in page
    assert anna.post("/api/v1/releases", json=BIRDS).status_code == 404
    assert "Release this view" not in anna.get("/images").text


def test_releases_of_others_do_not_exist(decided: Platform, site: DeskSite) -> None:
    released(decided)
    bob = person(site, "bob")
    assert "birds" not in bob.get("/releases").text.partition('id="releases"')[2]
    assert bob.get("/api/v1/releases?tenant=acme").status_code == 404
    assert bob.post("/api/v1/releases", json=BIRDS).status_code == 404
    del bob.headers["X-Form"]
    assert bob.post("/api/v1/releases", json=BIRDS).status_code == 403


def test_a_program_releases_a_view(decided: Platform, site: DeskSite) -> None:
    with (
        served_desk(DeskSite(decided)) as address,
        Parjanya(address) as desk,
    ):
        begun = desk.release(ReleaseWanted(**BIRDS))
        assert (begun.new, begun.images, begun.left_out) == (True, PICTURES, {})
        (told,) = desk.releases("acme")
    assert (told.release, told.release_id) == ("acme/birds@1", begun.release_id)


def test_a_view_is_released_from_its_page(decided: Platform, browser: Any) -> None:
    """In Chromium: from the grid to the form, refused, mended, begun, and asked for once more."""
    site = DeskSite(decided)
    site.follow()
    with served_desk(site) as address:
        page = browser.new_page()
        page.set_default_timeout(PATIENCE)
        wrong: list[str] = []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto(address.replace("/?", "/images?decided_by=policy&"))
        page.wait_for_url(lambda url: "token" not in url)
        page.get_by_role("link", name="Release this view").click()
        page.locator("#count", has_text=f"{PICTURES} images of acme.").wait_for()
        page.get_by_label("Name").fill("birds")
        page.get_by_label("Splits").fill("train=2")
        create = page.get_by_role("button", name="Create the release")
        create.click()
        page.locator("#told.refusal", has_text="is no split").wait_for()
        page.get_by_label("Splits").fill("a=0.5,b=0.5")
        page.get_by_label("Parquet").uncheck()
        create.click()
        page.locator("#told", has_text="acme/birds@1 is begun").wait_for()
        page.locator("#releases[data-writing] td", has_text="acme/birds@1").wait_for()
        create.click()
        page.locator("#told", has_text="acme/birds@1 is that release already").wait_for()
        page.get_by_label("WebDataset").uncheck()
        create.click()
        page.get_by_text("Choose a format at least.").wait_for()
        page.close()
    assert not wrong, wrong
    (begun,) = decided.store.open_releases()
    assert (begun.images, begun.selection["formats"]) == (PICTURES, ["webdataset"])
    site.desk.catalog.close()


def test_what_a_release_lacks_is_told_to_viewers_of_its_tenant(
    decided: Platform, site: DeskSite
) -> None:
    embed(decided)
    site.follow()
    olga, anna, bob = (person(site, name) for name in ("olga", "anna", "bob"))
    few = {**BIRDS, "name": "few", "where": "", "diverse": 3}
    assert olga.post("/api/v1/releases", json=few).json()["images"] == 3
    path = "/api/v1/releases/coverage?tenant=acme&release=few@1"
    while (told := anna.get(path).json()["coverage"]) is None:
        pass  # it is computed in a thread
    assert (told["images"], told["released"], told["missing"]) == (PICTURES + 1, 3, 0)
    distances = [one["distance"] for one in told["farthest"]]
    assert distances == sorted(distances, reverse=True)
    assert distances[-3:] == [0.0] * 3, "what is released is no distance away"
    assert told["quantiles"]["100%"] == distances[0] > 0
    page = anna.get(path.removeprefix("/api/v1")).text
    assert page.count('class="mark-of"') == PICTURES + 1
    assert f"{distances[0]:.3f}" in page
    with served_desk(DeskSite(decided)) as address, Parjanya(address) as desk:
        assert desk.coverage("acme", "few").quantiles == told["quantiles"]
    unknown = anna.get("/releases/coverage?tenant=acme&release=many@1").text
    assert "has no release &#39;many@1&#39;" in unknown
    assert bob.get(path).json() == bob.get(path.replace("acme", "nobody")).json()
    assert bob.get(path.removeprefix("/api/v1")).status_code == 404
