"""The desk in Chromium: find, open, go on, look closer. Names are hostile."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from parjanya_dagster.web.media import WINDOW
from tests.support.browser import PATIENCE
from tests.support.clock import Clock
from tests.support.desk_site import DeskSite, served_desk

HOSTILE = [
    "<img src=x onerror=alert(1)>.jpg",
    '"><script>alert(2)<.jpg',
    "مرحبا بالعالم.jpg",
    "{{ 7 * 7 }}&amp;#.jpg",
]


@pytest.fixture
def look(browser: Any) -> Iterator[Any]:
    """A page that fails the test where a script is refused, breaks, or says something."""
    context = browser.new_context(
        viewport={"width": 1280, "height": 800}, timezone_id="Asia/Kolkata"
    )
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("dialog", lambda one: wrong.append(one.message))
    page.on("console", lambda said: said.type == "error" and wrong.append(said.text))
    page.wrong = wrong
    yield page
    assert not wrong, wrong
    context.close()


def enter(page: Any, address: str, path: str = "/images") -> None:
    page.goto(address.replace("/?", f"{path}?"))
    page.wait_for_url(lambda url: "token" not in url)


def test_filters_search_and_back_keep_the_address_true(site: DeskSite, look: Any) -> None:
    site.add("acme", *(f"a{n}.jpg" for n in range(3)), verdict="accept")
    site.add("bolt", *(f"b{n}.jpg" for n in range(4)), verdict="reject")
    with served_desk(site) as address:
        enter(look, address)
        assert look.locator(".tile").count() == 7
        look.get_by_role("checkbox", name="Rejected 4").click()
        look.locator("#total", has_text="4").wait_for()
        assert look.url.endswith("/images?verdict=reject")
        assert look.get_by_role("checkbox", name="Accepted 3").count() == 1, "its own filter aside"
        look.get_by_role("searchbox").fill("b2")
        look.locator("#total", has_text="1").wait_for()
        assert look.locator(".tile").count() == 1
        assert "q=b2" in look.url
        look.go_back()
        look.locator("#total", has_text="4").wait_for()
        look.reload()
        assert look.locator("#total").text_content() == "4"
        look.get_by_role("link", name="Clear all").click()
        look.locator("#total", has_text="7").wait_for()
        look.wait_for_function(
            "() => [...document.images].every((one) => one.complete && one.naturalWidth)"
        )


def test_one_scrolls_through_everything(site: DeskSite, look: Any) -> None:
    site.add("acme", *(f"{n:03}.jpg" for n in range(260)), verdict="accept")
    with served_desk(site) as address:
        enter(look, address)
        first = look.locator(".tile").count()
        assert first < 260
        look.wait_for_function(
            "() => { scrollTo(0, document.body.scrollHeight); "
            "return document.querySelectorAll('.tile').length === 260 }"
        )
        ids = look.eval_on_selector_all(".tile", "tiles => tiles.map((t) => t.dataset.id)")
        assert len(set(ids)) == 260
        assert look.locator(".more").count() == 0


def test_hostile_names_stay_names(site: DeskSite, look: Any) -> None:
    ids = site.add("acme", *HOSTILE, verdict="reject")
    with served_desk(site) as address:
        enter(look, address)
        shown = look.eval_on_selector_all(".cap bdi", "all => all.map((one) => one.textContent)")
        assert sorted(shown) == sorted(HOSTILE)
        for image_id, name in zip(ids, HOSTILE, strict=True):
            enter(look, address, f"/images/{image_id}")
            assert look.locator("h1").text_content() == name
            assert look.locator("script:not([src])").count() == 0


def test_an_image_is_opened_stepped_through_and_looked_at_closely(
    site: DeskSite, look: Any
) -> None:
    site.add("acme", "one.jpg", "two.jpg", "three.jpg", verdict="review")
    with served_desk(site) as address:
        enter(look, address, "/images")
        look.goto(look.url + "?sort=landed")
        first, then = look.eval_on_selector_all(".tile", "all => all.map((t) => t.dataset.id)")[:2]
        look.locator(".tile a").first.click()
        look.wait_for_url(f"**/images/{first}?sort=landed")  # and until its scripts have run
        look.keyboard.press("ArrowRight")
        look.wait_for_url(f"**/images/{then}?sort=landed")
        look.keyboard.press("+")
        assert "scale" in look.locator("#picture").evaluate("(p) => p.style.transform")
        look.keyboard.press("0")
        assert look.locator("#picture").evaluate("(p) => p.style.transform") == ""
        assert "The quality is low." in look.locator("main").inner_text()
        assert not look.locator("#boxes").is_visible()
        look.keyboard.press("t")
        places = [
            centre(one) for one in (*look.locator("#boxes polygon").all(), look.locator("#viewer"))
        ]
        assert look.get_by_role("button", name="Text").get_attribute("aria-pressed") == "true"
        assert look.locator("#boxes .read title").text_content().startswith("shown ")
        width = look.locator("#picture").evaluate("(p) => p.naturalWidth")
        (left, low), (right, high), (x, y) = places
        assert (left, right) == pytest.approx((x - width * 3 / 8, x + width / 4), abs=1.5)
        assert (low, high) == pytest.approx((y + 12, y - 12), abs=1.5)
        time = look.locator("dl time").first
        assert "UTC" not in time.inner_text(), "in the reader's zone"
        look.keyboard.press("ArrowLeft")
        look.wait_for_url(f"**/images/{first}?sort=landed")
        look.keyboard.press("Escape")
        look.wait_for_url("**/images?sort=landed")


def centre(one: Any) -> tuple[float, float]:
    box = one.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_a_picture_whose_address_has_expired_comes_back(
    site: DeskSite, clock: Clock, look: Any
) -> None:
    """A page may stay open for a day, and loads pictures as they come into sight."""
    site.add("acme", "one.jpg", verdict="review")
    with served_desk(site) as address:
        look.route("**/media/**", lambda route: route.abort())
        enter(look, address)
        look.locator(".tile img[data-renewed]").wait_for(state="attached")
        look.unroute("**/media/**")
        clock.pass_by(2 * WINDOW + 1)
        look.locator(".tile img").evaluate(
            "(image, old) => { delete image.dataset.renewed; image.src = old; }",
            site.desk.media.address(site.person(), "acme", "x", "thumbnail"),
        )
        look.wait_for_function("() => document.querySelector('.tile img').naturalWidth > 0")
        look.wrong.clear()  # what was aborted and refused


@pytest.mark.parametrize("path", ["/images", "/review", "/", "one"])
def test_no_page_is_wider_than_a_phone(site: DeskSite, browser: Any, path: str) -> None:
    (one, *_) = site.add("acme", "one.jpg", "x" * 180 + ".jpg", verdict="review")
    with served_desk(site) as address:
        page = browser.new_page(viewport={"width": 360, "height": 740})
        page.set_default_timeout(PATIENCE)
        enter(page, address, f"/images/{one}" if path == "one" else path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        page.close()


def test_on_a_phone_no_link_of_the_grid_lies_under_the_button_of_filters(
    site: DeskSite, browser: Any
) -> None:
    """Behind it are the links that a wide screen shows beside it."""
    site.add("acme", "one.jpg", verdict="review")
    with served_desk(site) as address:
        page = browser.new_page(viewport={"width": 360, "height": 740})
        page.set_default_timeout(PATIENCE)
        enter(page, address, "/images")
        tools = page.locator(".tools")
        assert tools.evaluate("bar => bar.scrollWidth <= bar.clientWidth")
        links = page.get_by_role("link")
        assert links.get_by_text("Clusters").filter(visible=True).count() == 0
        page.get_by_role("button", name="Filters").click()
        for name in ("Search by a picture or words", "Clusters"):
            link = page.locator(".rail").get_by_role("link", name=name)
            link.scroll_into_view_if_needed()
            assert link.is_visible()
        page.close()
