"""The Python client, over the real application on a real connection."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from parjanya_dagster.catalog import FACETS, SORTS
from parjanya_dagster.client import Parjanya
from parjanya_dagster.client.connection import PAUSES, asked_to_wait
from parjanya_dagster.doctor.explain import explanation
from parjanya_dagster.errors import DecisionNotMade, DeskRefused, DeskUnavailable
from parjanya_dagster.settings import Settings
from parjanya_dagster.truth.reviews import ReviewDecision
from parjanya_dagster.uploads import tokens
from tests.support.clock import NOON
from tests.support.desk_site import DeskSite, served_desk
from tests.support.pictures import picture


@contextmanager
def client(site: DeskSite, **options: Any) -> Iterator[Parjanya]:
    with served_desk(site) as address, Parjanya(address, **options) as desk:
        yield desk


def never(_seconds: float) -> None:
    raise AssertionError("it waits")


def test_a_view_is_read_to_its_end_counted_and_made_a_table(site: DeskSite) -> None:
    site.add("bolt", "other.jpg", verdict="accept")
    ids = site.add("acme", *(f"{n}.jpg" for n in range(5)), verdict="reject")
    with client(site, pause=never) as desk:
        view = desk.images(tenant="acme", verdict=["reject", "review"], sort="landed")
        assert [len(page.images) for page in view.pages(2)] == [2, 2, 1]
        assert {one.image_id for one in view} == set(ids)
        assert view.total == 5
        assert view.facets()["verdict"] == {"reject": 5}
        assert [one.name for one in desk.images("other")] == ["other.jpg"]
        table = view.to_pandas(limit=3)
        assert len(table) == 3
        assert set(table.index) < set(ids)
        assert str(table["landed_at"].dt.tz) == "UTC"
        assert "verdict" in desk.images(verdict="pending").to_pandas().columns, "an empty table"
        with pytest.raises(DeskRefused, match="Nothing is sorted by"):
            next(desk.images(sort="beauty").pages())


def test_the_client_names_every_facet_and_every_order() -> None:
    parameters = inspect.signature(Parjanya.images).parameters
    assert set(parameters) == {"self", "search", "sort"} | {facet.name for facet in FACETS}
    assert all(order in str(Parjanya.images.__doc__) for order in SORTS)


@pytest.mark.parametrize("verdict", ["review", "failed", None])
def test_an_image_is_told_as_explain_tells_it(site: DeskSite, verdict: str | None) -> None:
    image_id, _ = site.add("acme", "a.jpg", "b.jpg", verdict=verdict)
    store = site.place.store
    if verdict == "review":
        decision = ReviewDecision(image_id=image_id, who="ana", action="accept", request_id="r" * 8)
        store.review(decision, NOON, seen=0)
    row = store.get(image_id)
    assert row is not None
    with client(site) as desk:
        facts = desk.image(image_id)
    told = json.loads(json.dumps(explanation(store, row, site.place.clock())))
    assert facts.model_dump(by_alias=True, mode="json") == told


def test_pictures_are_fetched(site: DeskSite) -> None:
    (image_id,) = site.add("acme", "a.jpg")
    (waiting,) = site.add("acme", "b.jpg", verdict=None)
    with client(site) as desk:
        row = site.place.store.get(image_id)
        assert row is not None
        assert desk.original(image_id) == site.place.objects.get(row.bucket, row.key).data
        assert desk.preview(image_id).startswith(b"\xff\xd8")
        with pytest.raises(DeskRefused, match=f"no thumbnail of {waiting}"):
            desk.thumbnail(waiting)


def test_an_image_is_decided_as_it_was_read_or_not_at_all(site: DeskSite) -> None:
    ids = site.add("acme", "a.jpg", "b.jpg")
    store = site.place.store
    with client(site) as desk:
        old = desk.image(ids[0])
        told = desk.accept(old, note="the blur is meant")
        assert (told.result, told.effective_verdict, told.reviews) == ("done", "accept", 1)
        assert store.reviews(ids[0])[0].note == "the blur is meant"
        with pytest.raises(DecisionNotMade) as refused:
            desk.reject(old)
        assert refused.value.told.result == "stale"
        assert refused.value.told.newer.action == "accept"
        assert desk.undo(ids[0]).effective_verdict == "review", "an id alone, as it is now"
        found = [told.result for told in desk.decide("reject", [*ids, "0" * 24])]
        assert found == ["done", "done", "unknown"]
        stale = replace_evidence(desk.image(ids[1]))
        with pytest.raises(DecisionNotMade, match="since it was shown"):
            desk.accept(stale)


def replace_evidence(facts: Any) -> Any:
    """What was read, of evidence that is another by now."""
    other = [one.model_copy(update={"fingerprint": "other"}) for one in facts.evidence]
    return facts.model_copy(update={"evidence": other})


class Losing(httpx.HTTPTransport):
    """A connection that loses the first answer to each decision."""

    def __init__(self) -> None:
        super().__init__()
        self.lost = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = super().handle_request(request)
        if request.url.path.endswith("/reviews") and not self.lost:
            self.lost += 1
            answer.close()
            raise httpx.ReadError("the connection broke off", request=request)
        return answer


def test_a_lost_answer_decides_once(site: DeskSite) -> None:
    (image_id,) = site.add("acme", "a.jpg")
    waits: list[float] = []
    with served_desk(site) as address, Parjanya(address, pause=waits.append) as desk:
        losing = Losing()
        desk._connection.http = httpx.Client(base_url=address.partition("/?")[0], transport=losing)
        told = desk.accept(desk.image(image_id))
    assert (losing.lost, waits) == (1, [PAUSES[0]])
    assert told.good
    assert len(site.place.store.reviews(image_id)) == 1


def test_behind_a_proxy_people_decide_under_their_own_names(site: DeskSite) -> None:
    (ours,) = site.add("acme", "ours.jpg")
    (theirs,) = site.add("bolt", "theirs.jpg")
    web = {"identity_header": "X-Person", "roles": "anna=reviewer:acme bob=viewer:acme"}
    shared = DeskSite(
        replace(site.place, settings=Settings(home=site.place.settings.home, web=web))
    )
    with served_desk(shared) as address:
        with Parjanya(address, headers={"X-Person": "bob"}) as bob:
            assert [(one.tenant, one.role) for one in bob.tenants()] == [("acme", "viewer")]
            with pytest.raises(DecisionNotMade, match="not decide"):
                bob.accept(ours)
        with Parjanya(address, headers={"X-Person": "anna"}) as anna:
            assert (anna.me().name, anna.me().operates) == ("anna", False)
            anna.accept(ours)
            for refused in (anna.image, anna.original):
                with pytest.raises(DeskRefused) as missing:
                    refused(theirs)
                assert missing.value.status == 404
    assert [one.who for one in site.place.store.reviews(ours)] == ["anna"]
    shared.desk.catalog.close()


def test_files_are_uploaded_and_followed(site: DeskSite, tmp_path: Path) -> None:
    site.add_tenant("acme")
    _, token = tokens.issue(site.place.store, "acme", "test", NOON)
    paths = [tmp_path / "a.jpg", tmp_path / "b.JPEG"]
    empty = tmp_path / "empty.jpg"
    empty.touch()
    for n, path in enumerate(paths):
        path.write_bytes(picture(n))
    with client(site, upload_token=token) as desk:
        uploads = desk.upload(*paths)
        found = desk.uploaded(uploads, wait=0)
        assert [one.done for one in found] == [False, False]
        site.place.sweeper.sweep(1e12)
        site.work("accept")
        found = desk.uploaded(uploads)
        assert [(one.done, one.verdict) for one in found] == [(True, "accept")] * 2
        with pytest.raises(DeskRefused, match=r"nothing.jpg is no file"):
            desk.upload(tmp_path / "nothing.jpg")
        with pytest.raises(DeskRefused, match="size"):
            desk.upload(empty)
    with client(site) as desk, pytest.raises(DeskRefused, match="uploads token add"):
        desk.upload(*paths)


def test_a_desk_that_refuses_is_told_apart_from_one_that_is_away(site: DeskSite) -> None:
    waits: list[float] = []
    with served_desk(site) as address:
        plain = address.partition("/?")[0]
        with Parjanya(plain, "wrong", pause=never) as desk, pytest.raises(DeskRefused) as refused:
            desk.me()
        assert refused.value.status == 401
    with Parjanya(plain, pause=waits.append) as desk, pytest.raises(DeskUnavailable):
        desk.me()
    assert waits == list(PAUSES)
    with pytest.raises(DeskRefused, match="no address of a desk"):
        Parjanya("desk.example")


def test_a_desk_that_is_busy_says_how_long_to_wait() -> None:
    def waits(text: str) -> float:
        return asked_to_wait(httpx.Response(429, headers={"Retry-After": text}))

    assert (waits("7"), waits("86400"), waits("Wed, 21 Oct"), waits("-3")) == (7.0, 60.0, 0.0, 0.0)


def test_the_api_says_the_type_of_every_answer(site: DeskSite) -> None:
    described = site.client().get("/api/v1/openapi.json").json()
    untyped = [
        (path, method)
        for path, methods in described["paths"].items()
        for method, one in methods.items()
        if "$ref" not in one["responses"]["200"]["content"]["application/json"]["schema"]
    ]
    assert untyped == []
