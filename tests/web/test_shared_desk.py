"""Several people at one desk, each at a Chromium of their own, behind the proxy that names them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.support.browser import PATIENCE
from tests.support.desk_site import DeskSite, served_desk


@contextmanager
def person(browser: Any, desk: str, name: str) -> Iterator[Any]:
    """Somebody whom the proxy has signed in. Paths are those of the desk."""
    context = browser.new_context(extra_http_headers={"X-Person": name}, base_url=desk)
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    yield page
    assert not wrong, wrong
    context.close()


def test_two_who_review_at_once_share_the_queue_and_no_image(
    shared_site: DeskSite, browser: Any
) -> None:
    ids = shared_site.add("acme", *(f"{n:02}.jpg" for n in range(12)))
    with (
        served_desk(shared_site) as address,
        person(browser, address.partition("/?")[0], "anna") as anna,
        person(browser, address.partition("/?")[0], "bert") as bert,
    ):
        seen: dict[Any, list[str]] = {anna: [], bert: []}
        for page in seen:
            page.goto("/review?tenant=acme")
            page.locator("#strip li").first.wait_for()
        for page, key in [(anna, "a"), (bert, "r")] * 4:
            page.locator("#viewer[aria-busy=false]").wait_for()
            seen[page].append(page.locator("#name").text_content())
            page.keyboard.press(key)
        for page in seen:
            page.wait_for_function(
                "() => Object.keys(localStorage).filter((k) => k.startsWith('outbox'))"
                ".every((k) => localStorage.getItem(k) === '[]')"
            )
        assert len({*seen[anna], *seen[bert]}) == 8
    said = [[(one.who, one.action) for one in shared_site.place.store.reviews(i)] for i in ids]
    assert sorted(said) == [[]] * 4 + [[("anna", "accept")]] * 4 + [[("bert", "reject")]] * 4


def test_a_guessed_address_of_another_tenants_image_shows_what_an_invented_one_shows(
    shared_site: DeskSite, browser: Any
) -> None:
    (ours,) = shared_site.add("acme", "ours.jpg")
    (theirs,) = shared_site.add("bolt", "theirs-unmistakable.jpg")
    media = shared_site.desk.media
    with (
        served_desk(shared_site) as address,
        person(browser, address.partition("/?")[0], "anna") as page,
    ):
        for path in ("/images/{}", "/similar?image={}", "/api/v1/images/{}"):
            found = []
            for image_id in (theirs, "0" * len(theirs)):
                answer = page.goto(path.format(image_id))
                found.append((answer.status, page.content().replace(image_id, "")))
            assert found[0] == found[1]
            assert found[0][0] == 404
            assert "unmistakable" not in found[0][1]
        page.goto(f"/images/{ours}")
        for kind in ("thumbnail", "preview", "original", "download"):
            signed = media.address(shared_site.person("ops"), "bolt", theirs, kind)
            answer = page.request.get(signed)
            assert answer.status == 404
            assert answer.body() == b"There is no such picture."
        assert "bolt" not in page.content()
