"""Review in Chromium: by keyboard, two at once, without a connection, on a page that is old."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from fastapi.testclient import TestClient

from parjanya_dagster.truth.reviews import ReviewDecision
from parjanya_dagster.web.app import create_app
from tests.support.browser import PATIENCE
from tests.support.clock import Clock
from tests.support.desk_site import CATEGORIES, DeskSite, served_desk


@contextmanager
def reviewer(browser: Any, address: str, path: str = "/review?tenant=acme") -> Iterator[Any]:
    """A person at a browser of their own, on a page of the desk."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(address)
    page.wait_for_url(lambda url: "token" not in url)
    page.goto(address.partition("/?")[0] + path)
    yield page
    assert not wrong, wrong
    context.close()


def shown(page: Any) -> str:
    """The name of the image that is looked at, once there is one and its picture is there."""
    page.locator("#about:not([hidden]) #name").wait_for()
    page.locator("#viewer[aria-busy=false]").wait_for()
    return str(page.locator("#name").text_content())


def sent(page: Any) -> None:
    """Wait until no decision is on its way."""
    page.wait_for_function(
        "() => Object.keys(localStorage).filter((k) => k.startsWith('outbox'))"
        ".every((k) => localStorage.getItem(k) === '[]')"
    )


def verdicts(site: DeskSite, ids: list[str]) -> list[str | None]:
    rows = [site.place.store.get(image_id) for image_id in ids]
    return [row.person_verdict if row else None for row in rows]


def test_twenty_images_are_decided_by_keyboard_and_the_last_taken_back(
    site: DeskSite, browser: Any
) -> None:
    ids = site.add("acme", *(f"{n:02}.jpg" for n in range(22)))
    with served_desk(site) as address, reviewer(browser, address) as page:
        seen = []
        for n in range(20):
            name = shown(page)
            seen.append(name)
            page.keyboard.press("r" if n % 2 else "a")
            page.wait_for_function(
                "(before) => document.getElementById('name').textContent !== before", arg=name
            )
        assert len(set(seen)) == 20
        page.keyboard.press("u")
        page.wait_for_function(
            "(last) => document.getElementById('name').textContent === last", arg=seen[-1]
        )
        sent(page)
        by_name = dict(zip((f"{n:02}.jpg" for n in range(22)), ids, strict=True))
        found = verdicts(site, [by_name[name] for name in seen])
        assert found == ["reject" if n % 2 else "accept" for n in range(19)] + [None]
        last = site.place.store.reviews(by_name[seen[-1]])
        assert [one.action for one in last] == ["reject", "undo"]
        assert site.place.store.waiting_for_review("acme") == 3


def test_a_note_is_kept_and_its_letters_decide_nothing(site: DeskSite, browser: Any) -> None:
    (one,) = site.add("acme", "one.jpg")
    with served_desk(site) as address, reviewer(browser, address) as page:
        shown(page)
        page.keyboard.press("n")
        page.keyboard.type("a rather good one")
        page.keyboard.press("Escape")
        page.keyboard.press("a")
        page.get_by_text("Nothing waits here.").wait_for()
        sent(page)
    (review,) = site.place.store.reviews(one)
    assert (review.action, review.note) == ("accept", "a rather good one")


def test_a_lost_connection_loses_no_decision_and_makes_none_twice(
    site: DeskSite, browser: Any
) -> None:
    ids = site.add("acme", *(f"{n}.jpg" for n in range(6)))
    with served_desk(site) as address, reviewer(browser, address) as page:
        shown(page)
        answered = []

        def lose_the_answer(route: Any) -> None:
            """The first request arrives, and its answer does not; the next do not even arrive."""
            if not answered:
                answered.append(route.fetch())
            route.abort()

        page.route("**/review", lose_the_answer)
        for n in range(3):
            name = shown(page)
            page.keyboard.press("a")
            page.wait_for_function(
                "(before) => document.getElementById('name').textContent !== before", arg=name
            )
            page.get_by_text(f"{n + 1} decision").wait_for()
        assert page.locator("#outbox.late").is_visible()
        page.unroute("**/review")
        page.reload()  # the browser was closed meanwhile
        sent(page)
    assert verdicts(site, ids) == ["accept"] * 3 + [None] * 3
    assert [len(site.place.store.reviews(one)) for one in ids] == [1, 1, 1, 0, 0, 0]


def test_two_reviewers_never_get_the_same_image(site: DeskSite) -> None:
    """Each by their own login. What one has, the other is not given, until the lease ends."""
    ids = set(site.add("acme", *(f"{n}.jpg" for n in range(10))))
    anna, bert = client(site, "anna"), client(site, "bert")
    first, second = claim(anna, 6), claim(bert, 6)
    assert len(first) == 6
    assert len(second) == 4
    assert first | second == ids
    assert claim(anna, 6) == first, "what is kept comes again"
    assert anna.post("/api/v1/review/extend", json={"image_ids": sorted(ids)}).json() == {
        "kept": sorted(first)
    }
    anna.post("/api/v1/review/release", json={"image_ids": sorted(ids)})
    assert claim(bert, 10) == ids


def test_an_image_comes_to_others_once_its_lease_ended(site: DeskSite, clock: Clock) -> None:
    ids = set(site.add("acme", "one.jpg", "two.jpg"))
    assert claim(client(site, "anna"), 6) == ids
    clock.pass_by(60.0)
    assert claim(client(site, "bert"), 6) == set()
    clock.pass_by(61.0)
    assert claim(client(site, "bert"), 6) == ids


def test_a_page_that_is_old_overwrites_nothing_and_says_who_decided(
    site: DeskSite, browser: Any
) -> None:
    (one,) = site.add("acme", "one.jpg")
    with (
        served_desk(site) as address,
        reviewer(browser, address, f"/images/{one}") as old,
        reviewer(browser, address) as queue,
    ):
        shown(queue)
        decide(site, one, "bert", "reject", seen=0)
        old.keyboard.press("a")
        old.get_by_text("Your accept was not recorded").wait_for()
        assert "bert" in old.locator("#refusal").inner_text()
        queue.keyboard.press("a")
        queue.locator("#refusals", has_text="was not recorded").wait_for()
        assert "bert: reject" in queue.locator("#refusals").inner_text()
        assert verdicts(site, [one]) == ["reject"]
        old.reload()
        old.get_by_text("by bert; the policy default@2 says review").wait_for()
        old.keyboard.press("u")
        old.wait_for_function("() => document.querySelectorAll('#reviews li').length === 2")
        assert verdicts(site, [one]) == [None]


def test_a_selection_is_decided_and_what_is_refused_stays_selected(
    site: DeskSite, browser: Any
) -> None:
    ids = site.add("acme", *(f"{n}.jpg" for n in range(4)))
    with served_desk(site) as address, reviewer(browser, address, "/images") as page:
        page.locator(".tile").first.wait_for()
        page.locator(".tile").nth(0).hover()
        page.locator(".tile .pick").nth(0).check()
        page.get_by_role("button", name="Select all that are shown").click()
        decide(site, ids[2], "bert", "reject", seen=0)
        page.get_by_role("button", name="Accept", exact=True).click()
        page.get_by_text("3 decided. 1 not, and still selected").wait_for()
        assert page.locator(".tile.on").get_attribute("data-id") == ids[2]
        assert page.locator("#chosen-n").text_content() == "1"
        assert verdicts(site, ids) == ["accept", "accept", "reject", "accept"]
        site.follow()
        page.goto(page.url + "?verdict=accept")
        assert page.locator("#total").text_content() == "3"


def test_a_queue_is_narrowed_as_the_grid_is(site: DeskSite, browser: Any) -> None:
    """From the grid to the queue of its view, one filter more, and none."""
    ids = site.add("acme", *(f"{n}.jpg" for n in range(8)), "lake.jpg")
    site.add("bolt", "lake.jpg")
    category = {i: CATEGORIES[int(i[:6], 16) % 3] for i in ids}
    chosen = next(category[i] for i in ids if category[i] != category[ids[-1]])
    wanted = [i for i in ids if category[i] == chosen]
    for where in ("q=nothing", "tenant=bolt&q=nothing&verdict=accept"):
        body = {"tenant": "acme", "where": where}
        assert site.client().post("/api/v1/review/claim", json=body).json()["images"] == []
    with (
        served_desk(site) as address,
        reviewer(browser, address, f"/images?tenant=acme&category={chosen}") as page,
    ):
        page.get_by_role("link", name="Review this view").click()
        page.get_by_text(f"{len(wanted)} waiting").wait_for()
        for _ in wanted:
            assert shown(page)
            page.keyboard.press("a")
        sent(page)
        page.get_by_text("Nothing like this waits here.").wait_for()
        assert [i for i, said in zip(ids, verdicts(site, ids), strict=True) if said] == wanted
        page.locator(".narrow > summary").click()
        page.get_by_role("link", name="Clear all").click()
        page.locator(".narrow > summary").click()
        page.get_by_role("searchbox").fill("lake")
        page.keyboard.press("Enter")
        page.wait_for_url("**q=lake*")
        assert shown(page) == "lake.jpg"
        page.get_by_text("1 waiting").wait_for()


def test_who_may_only_look_decides_nothing(shared_site: DeskSite) -> None:
    (ours,) = shared_site.add("acme", "a.jpg")
    (theirs,) = shared_site.add("bolt", "b.jpg")
    app = create_app(shared_site.desk, ["testserver"])
    for name, image_id, status in (
        ("bob", theirs, 422),
        ("bob", ours, 404),
        ("anna", theirs, 404),
        ("anna", ours, 200),
    ):
        person = TestClient(app, client=("10.1.1.1", 5000))
        person.headers["X-Person"] = name
        text = person.get("/images").text
        token = text.partition('name="form-token" content="')[2].partition('"')[0]
        person.headers["X-Form"] = token
        decision = {"action": "accept", "request_id": f"request-{name}"}
        answer = person.post(f"/api/v1/images/{image_id}/review", json=decision)
        assert answer.status_code == status, (name, answer.text)
        missing = person.post(f"/api/v1/images/{'0' * 24}/review", json=decision)
        if status == 404:
            assert answer.json()["says"] == missing.json()["says"]
    assert person.post("/api/v1/review/claim", json={"tenant": "bolt"}).status_code == 404
    assert person.get("/review?tenant=bolt").status_code == 404
    assert "bolt" not in person.get("/review?tenant=acme").text


def client(site: DeskSite, name: str) -> TestClient:
    """Requests of a person with a session of their own."""
    made = TestClient(create_app(replace(site.desk), ["testserver"]))
    keys = site.desk.keys
    cookie = keys.session(name, site.place.clock())
    made.cookies.set(keys.cookie, cookie)
    person = keys.person(cookie, site.place.clock())
    assert person is not None
    made.headers["X-Form"] = keys.form_token(person)
    return made


def claim(who: TestClient, n: int) -> set[str]:
    answer = who.post("/api/v1/review/claim", json={"tenant": "acme", "n": n})
    assert answer.status_code == 200, answer.text
    return {one["image_id"] for one in answer.json()["images"]}


def decide(site: DeskSite, image_id: str, who: str, action: str, *, seen: int) -> None:
    decision = ReviewDecision(
        image_id=image_id, who=who, action=action, request_id=f"{who} {action} {seen}"
    )
    site.place.store.review(decision, site.place.clock(), seen=seen)


def test_look_alikes_are_decided_together_each_with_a_decision_of_its_own(
    site: DeskSite, browser: Any
) -> None:
    ids = site.add("acme", *(f"{n}.jpg" for n in range(6)), kinds=2)
    with (
        served_desk(site) as address,
        reviewer(browser, address, "/review?tenant=acme&order=alike") as page,
    ):
        shown(page)
        page.get_by_text("3 look alike").wait_for()
        together = page.evaluate(
            "[...document.querySelectorAll('#group button')].map((b) => b.title)"
        )
        alike = [ids[int(name[0])] for name in together]
        decide(site, alike[1], "bert", "reject", seen=0)
        page.keyboard.press("Shift+R")
        page.locator("#group .past").wait_for()
        page.keyboard.press("a")
        page.locator("#refusals", has_text="bert: reject").wait_for()
        sent(page)
        assert verdicts(site, alike) == ["reject", "reject", "accept"], "bert's stands"
        assert [one.who for one in site.place.store.reviews(alike[1])] == ["bert"]
        page.wait_for_function(
            "(names) => !names.includes(document.getElementById('name').textContent)", arg=together
        )
        page.keyboard.press("a")
        sent(page)
        others = [one for one in ids if one not in alike]
        assert verdicts(site, others) == ["accept"] * 3
        assert all(len(site.place.store.reviews(one)) == 1 for one in others)
        page.keyboard.press("u")
        sent(page)
        assert verdicts(site, others) == [None] * 3
        assert verdicts(site, alike) == ["reject", "reject", "accept"]


def test_on_a_phone_the_picture_covers_no_button(site: DeskSite, browser: Any) -> None:
    site.add("acme", "a.jpg")
    with served_desk(site) as address, reviewer(browser, address) as page:
        page.set_viewport_size({"width": 360, "height": 740})
        shown(page)
        page.get_by_role("button", name="Accept").click()
        page.get_by_text("Nothing waits here.").wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_a_duplicate_is_looked_at_beside_the_image_before_it(site: DeskSite, browser: Any) -> None:
    (site.original,) = site.add("acme", "before.jpg", verdict="accept")
    (later,) = site.add("acme", "later.jpg")
    with served_desk(site) as address, reviewer(browser, address) as page:
        assert shown(page) == "later.jpg"
        assert page.locator("#reasons").inner_text() == "Looks like before.jpg."
        assert page.locator("#earlier-name").inner_text() == "before.jpg · accepted"
        page.keyboard.press("c")
        assert f"/media/preview/{site.original}/" in str(
            page.locator("#other").get_attribute("src")
        )
        page.keyboard.press("c")
        page.locator("#other").wait_for(state="detached")
        page.goto(address.partition("/?")[0] + f"/images/{later}")
        assert "Looks like before.jpg." in page.locator("main").inner_text()
        page.get_by_role("button", name="Side by side with before.jpg").click()
        halves = [page.locator(one).bounding_box() for one in ("#picture", ".twin.beside")]
        assert halves[0]["x"] + halves[0]["width"] <= halves[1]["x"] + 1


def test_on_a_phone_one_of_a_group_is_decided_alone(site: DeskSite, browser: Any) -> None:
    ids = site.add("acme", *(f"{n}.jpg" for n in range(3)), kinds=1)
    alike = "/review?tenant=acme&order=alike"
    with served_desk(site) as address, reviewer(browser, address, alike) as page:
        page.set_viewport_size({"width": 360, "height": 740})
        shown(page)
        page.get_by_role("button", name="Accept all 3").wait_for()
        page.locator("#group button").nth(1).click()
        odd = shown(page)
        page.get_by_label("Decide the one that is shown alone").check()
        page.get_by_role("button", name="Reject this one").click()
        page.locator("#group .past").wait_for()
        page.get_by_label("Decide the one that is shown alone").uncheck()
        page.get_by_role("button", name="Accept all 2").click()
        page.get_by_text("Nothing waits here.").wait_for()
        sent(page)
    found = {f"{n}.jpg": verdict for n, verdict in enumerate(verdicts(site, ids))}
    assert found == dict.fromkeys(found, "accept") | {odd: "reject"}


def test_what_was_not_seen_yet_is_not_decided(site: DeskSite, browser: Any) -> None:
    """No picture stands under the next one's name, and keys may be ahead of the network."""
    ids = site.add("acme", "1.jpg", "2.jpg")
    held: list[Any] = []

    def hold_the_second(route: Any) -> None:
        held.append(route)
        if len(held) == 1:
            route.continue_()

    with served_desk(site) as address, reviewer(browser, address, "/images") as page:
        page.route("**/media/preview/**", hold_the_second)
        page.goto(address.partition("/?")[0] + "/review?tenant=acme")
        first = shown(page)
        for _ in range(3):
            page.keyboard.press("a")
        page.wait_for_function(
            "(before) => document.getElementById('name').textContent !== before", arg=first
        )
        assert page.locator("#picture").evaluate("(one) => one.naturalWidth") == 0
        sent(page)
        assert sorted(map(str, verdicts(site, ids))) == ["None", "accept"]
        held[1].continue_()
        assert shown(page) != first
        page.keyboard.down("a")
        page.get_by_text("Nothing waits here.").wait_for()
        sent(page)
    assert verdicts(site, ids) == ["accept", "accept"]


def test_a_key_that_is_held_down_decides_once(site: DeskSite, browser: Any) -> None:
    ids = site.add("acme", "1.jpg", "2.jpg", "3.jpg")
    with served_desk(site) as address, reviewer(browser, address) as page:
        for wanted in (1, 2):
            shown(page)
            page.keyboard.down("a")
            shown(page)
            page.keyboard.down("a")  # the keyboard repeats it
            page.keyboard.up("a")
            sent(page)
            assert verdicts(site, ids).count("accept") == wanted
