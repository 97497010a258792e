"""Regrades from the desk: previewed as grids, launched once, followed, and taken back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from fastapi.testclient import TestClient

from parjanya_dagster import policy
from parjanya_dagster.client import Parjanya
from parjanya_dagster.truth.reviews import ReviewDecision
from parjanya_dagster.web.app import create_app
from tests.support.browser import PATIENCE
from tests.support.desk_site import DeskSite, served_desk

STRICT = """name: strict
version: 1
description: Rejects what is small.
needs:
  validated: [technical.sharpness]
rules:
  - id: not_sharp
    verdict: reject
    when: {evidence: validated.technical.sharpness, below: 0.9}
    reason: The sharpness is {value}.
"""
AGAIN = STRICT.replace("strict", "again") + "people: ask_again\n"
OPEN = STRICT.replace("strict", "open").replace("0.9", "0.1")


@pytest.fixture
def graded(site: DeskSite) -> DeskSite:
    """Five images that are accepted under open@1; a person accepted the first of them."""
    for text in (OPEN, STRICT, AGAIN):
        site.place.registry.publish(policy.load(text))
    site.ids = site.add("acme", *(f"{n}.jpg" for n in range(5)))
    launch(site.client(in_place(site)), "open@1", "first-request")
    assert site.decide_due() == 5
    decision = ReviewDecision(
        image_id=site.ids[0], who="ana", action="accept", request_id="request-1"
    )
    site.place.store.review(decision, site.place.clock(), seen=0)
    site.place.clock.pass_by(60)  # type: ignore[attr-defined]
    return site


def in_place(site: DeskSite) -> Any:
    """The desk, whose work is done before the request that began it is answered."""
    return replace(site.desk, start=lambda work: work())


def launch(client: TestClient, to: str, request_id: str, *tenants: str) -> dict[str, Any]:
    body = {"policy": to, "tenants": tenants or ["acme"], "request_id": request_id}
    answer = client.post("/api/v1/regrades", json=body)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def preview(client: TestClient, to: str) -> dict[str, Any]:
    answer = client.post("/api/v1/regrades/preview", json={"policy": to, "tenants": ["acme"]})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["preview"]
    return found


def test_a_preview_shows_what_flips_and_what_people_said_comes_first(graded: DeskSite) -> None:
    client = graded.client()
    before = {i: graded.place.store.get(i) for i in graded.ids}
    (flip,) = preview(client, "strict@1")["flips"]
    assert (flip["before"], flip["after"], flip["images"], flip["people"]) == (
        "accept", "reject", 5, 1,
    )  # fmt: skip
    assert flip["rules"] == {"not_sharp": 5}
    assert flip["examples"][0]["image_id"] == graded.ids[0]
    assert flip["examples"][0]["person"] == {"verdict": "accept", "who": "ana", "becomes": "stand"}
    assert [one["person"] for one in flip["examples"][1:]] == [None] * 4
    foreseen = preview(client, "again@1")
    assert foreseen["people"] == {"verdicts": 1, "stand": 0, "asked_again": 1}
    assert [one["image_id"] for one in foreseen["lapsing"]] == [graded.ids[0]]
    page = client.get("/regrade?to=again@1&tenant=acme").text
    assert "ana</bdi>: accept, asked again" in page
    assert before == {i: graded.place.store.get(i) for i in graded.ids}, "nothing is written"


def test_a_regrade_is_launched_once_followed_and_taken_back(graded: DeskSite) -> None:
    client = graded.client(in_place(graded))
    assert preview(client, "strict@1")["images"] == 5
    told = launch(client, "strict@1", "request-a")
    assert preview(client, "strict@1")["images"] == 0, "no preview from before it"
    assert launch(client, "strict@1", "request-a") == told, "the same request"
    assert (told["rows_sent"], told["rows_waiting"]) == (5, 5)
    at = f"/regrade/{told['replay_id']}"
    assert "<b>5</b> of 5 images wait" in client.get(at).text
    assert "data-again" in client.get(f"{at}?part=1").text
    assert graded.decide_due() == 5
    page = client.get(at).text
    assert "<b>5</b> images of these were decided again" in page
    assert 'data-flip="accept-reject"' in page
    assert "accept, stands" in page
    assert "data-again" not in page
    assert 'href="/regrade?to=open%401&amp;tenant=acme"' in page, "the way back"
    assert [one.policy for one in graded.place.store.tenants()] == ["strict@1"]
    listed = client.get("/api/v1/regrades").json()["regrades"]
    assert [one["policy"] for one in listed] == ["strict@1", "open@1"]
    row = graded.place.store.get(graded.ids[0])
    assert row is not None
    assert (row.verdict, row.effective_verdict) == ("reject", "accept"), "ana's stands"
    graded.place.clock.pass_by(60)  # type: ignore[attr-defined]
    launch(client, "open@1", "request-b")
    graded.decide_due()
    rows = [graded.place.store.get(image_id) for image_id in graded.ids]
    assert {row.verdict for row in rows if row} == {"accept"}


def test_the_client_previews_launches_and_waits(graded: DeskSite) -> None:
    pauses = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        graded.decide_due()

    site = replace(graded)
    site.desk = in_place(graded)
    with served_desk(site) as address, Parjanya(address, pause=pause) as desk:
        assert {one.policy: one.tenants for one in desk.policies()}["open@1"] == ["acme"]
        foreseen = desk.regrades.preview("strict", "acme")
        assert [(flip.before, flip.after, flip.images) for flip in foreseen.flips] == [
            ("accept", "reject", 5)
        ]
        begun = desk.regrades.launch(foreseen.policy, "acme")
        assert not begun.done
        assert desk.regrades.wait(begun).done
        (flip,) = desk.regrades.report(begun).flips
        assert (flip.before, flip.after, flip.images, flip.people) == ("accept", "reject", 5, 1)
        assert [one.policy for one in desk.regrades.last()] == ["strict@1", "open@1"]
    assert len(pauses) == 1


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("to=strict@1", "Name the tenants to regrade."),
        ("to=none@9&tenant=acme", "No policy"),
        ("to=strict@1&tenant=nobody", "There is no tenant"),
        ("to=strict@1&tenant=acme&since=yesterday", "is no day"),
    ],
)
def test_what_cannot_be_regraded_is_said(graded: DeskSite, query: str, said: str) -> None:
    answer = graded.client().get(f"/regrade?{query}")
    assert answer.status_code == 422
    assert said in answer.text


def test_only_operators_regrade_and_only_their_tenants(shared_site: DeskSite) -> None:
    shared_site.place.registry.publish(policy.load(STRICT))
    shared_site.add("acme", "a.jpg")
    shared_site.add("bolt", "b.jpg")
    made = launch(as_person(shared_site, "ops"), "strict@1", "request-c", "acme", "bolt")
    anna, olaf = as_person(shared_site, "anna"), as_person(shared_site, "olaf")
    body = {"policy": "strict@1", "tenants": ["acme"], "request_id": "request-d"}
    assert anna.post("/api/v1/regrades", json=body).status_code == 404
    assert anna.get("/regrade").status_code == 404
    assert 'href="/regrade"' not in anna.get("/images").text
    assert olaf.get("/regrade?to=strict@1&tenant=acme").status_code == 200
    unknown = olaf.post("/api/v1/regrades", json={**body, "tenants": ["nobody"]})
    theirs = olaf.post("/api/v1/regrades", json={**body, "tenants": ["bolt"]})
    assert (unknown.status_code, theirs.status_code) == (422, 422)
    assert unknown.json()["detail"].replace("nobody", "bolt") == theirs.json()["detail"]
    assert olaf.get(f"/regrade/{made['replay_id']}").status_code == 404, "bolt is in it"
    for path in ("", "/report"):
        assert olaf.get(f"/api/v1/regrades/{made['replay_id']}{path}").status_code == 404
    assert "bolt" not in olaf.get("/regrade").text
    assert "bolt" not in olaf.get("/api/v1/policies").text


def as_person(site: DeskSite, name: str) -> TestClient:
    web = site.place.settings.web.model_copy(
        update={"roles": f"{site.place.settings.web.roles} olaf=operator:acme"}
    )
    place = replace(site.place, settings=site.place.settings.model_copy(update={"web": web}))
    desk = replace(in_place(site), platform=place)
    client = TestClient(create_app(desk, ["testserver"]), client=("10.1.1.1", 5000))
    client.headers["X-Person"] = name
    client.headers["X-Form"] = client.get("/api/v1/me").json()["form_token"]
    return client


def test_in_a_browser_it_is_previewed_launched_and_seen_to_its_end(
    graded: DeskSite, browser: Any
) -> None:
    with served_desk(graded) as address:
        page = browser.new_page(viewport={"width": 360, "height": 740})
        page.set_default_timeout(PATIENCE)
        wrong: list[str] = []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda said: said.type == "error" and wrong.append(said.text))
        page.goto(address.replace("/?", "/regrade?"))
        page.get_by_label("Policy").select_option("strict@1")
        page.get_by_role("button", name="Preview").click()
        page.locator('[data-flip="accept-reject"]').wait_for()
        page.wait_for_function("() => document.querySelector('.flips img').naturalWidth > 0")
        assert page.locator(".tile.said").count() == 1
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        page.get_by_role("button", name="Regrade 5 images").click()
        assert graded.place.store.open_regrades() == [], "asked first"
        page.get_by_role("button", name="Yes, regrade").click()
        page.get_by_text("images wait to be decided").wait_for()
        assert graded.decide_due() == 5
        page.get_by_text("were decided again").wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        page.get_by_role("link", name="The way back").click()
        page.locator('[data-flip="reject-accept"]').wait_for()
        assert wrong == []
        page.close()
