"""The upload page in Chromium, against a real S3 server on another origin (Ceph's radosgw).

The page, the application, the storage, the preflights and the signatures are real. What decides
about images is not here: the tests commit for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from parjanya_dagster.truth.stages import STAGES
from tests.support.pictures import picture
from tests.support.radosgw import Radosgw
from tests.support.upload_site import ALLOWING, Site, allow, served
from tests.support.world import claim, commit, completed

PATIENCE = 600_000.0


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    made = []
    for n, name in enumerate(["plain.jpg", "Käse & Brot #1 100%.jpg", "drawn.png"]):
        path = tmp_path / name
        path.write_bytes(picture(n, kind="PNG" if name.endswith("png") else "JPEG"))
        made.append(path)
    return made


def enter(page: Any, site: Site, url: str, slug: str = "acme") -> None:
    page.goto(url)
    page.get_by_label("Your upload token").fill(site.tokens[slug])
    page.get_by_role("button", name="Continue").click()
    page.get_by_text("Drop images here").wait_for()


def choose(page: Any, files: Sequence[Path]) -> None:
    page.locator("#files").set_input_files([str(one) for one in files])


def item(page: Any, name: str) -> Any:
    return page.locator(".item").filter(has=page.get_by_text(name, exact=True))


def decide(site: Site, **columns: Any) -> None:
    """Sweep, and do the work of all stages in the place of a worker."""
    site.place.sweeper.sweep(1e12)
    for stage in STAGES:
        more = columns if stage == "curated" else {}
        while claims := claim(site.place.store, stage, now=site.place.clock()):
            outcome = lambda one, more=more: completed(one, **more)  # noqa: E731
            commit(site.place.store, claims, outcome, now=site.place.clock())


def test_files_go_from_the_browser_to_the_bucket_and_come_back_decided(
    s3_site: Site, radosgw: Radosgw, page: Any, pictures: list[Path]
) -> None:
    bucket = s3_site.tenant("acme").bucket
    seen: list[Any] = []
    page.on("request", lambda one: seen.append((one.method, one.url.split("?")[0])))
    with served(s3_site.place) as url:
        allow(radosgw, bucket, {**ALLOWING, "AllowedOrigins": [url]})
        enter(page, s3_site, url)
        assert page.locator("#tenant").text_content() == "acme"
        choose(page, pictures)
        for one in pictures:
            item(page, one.name).get_by_text("Stored. Waits to be taken in").wait_for()
        stored = {one.key.rsplit("/", 1)[1]: one for one in
                  s3_site.place.objects.listing(bucket, "incoming/")}  # fmt: skip
        assert stored.keys() == {one.name for one in pictures}
        for one in pictures:
            found = s3_site.place.objects.get(bucket, stored[one.name].key)
            assert found.data == one.read_bytes()
        s3_site.place.sweeper.sweep(1e12)
        item(page, "plain.jpg").get_by_text("Waits to be validated").wait_for()
        decide(s3_site, verdict="review", reasons=["Too soft to tell."], policy="default@1")
        for one in pictures:
            item(page, one.name).get_by_text("For review").wait_for()
            item(page, one.name).get_by_text("Too soft to tell.").wait_for()
        assert "3 done" in page.locator("#summary").text_content()
    puts = [at for method, at in seen if method == "PUT"]
    assert len(puts) == 3
    assert all(at.startswith(f"{radosgw.endpoint}/{bucket}/incoming/") for at in puts)


def test_a_token_that_is_none_is_told_so(s3_site: Site, page: Any) -> None:
    with served(s3_site.place) as url:
        page.goto(url)
        page.get_by_label("Your upload token").fill("pjy_wrong")
        page.get_by_role("button", name="Continue").click()
        page.get_by_text("This is no valid token.").wait_for()
        assert page.locator("#drop").is_hidden()


def test_a_bucket_without_cors_rules_is_named_as_the_cause_and_mended_it_goes_on(
    s3_site: Site, radosgw: Radosgw, page: Any, pictures: list[Path]
) -> None:
    """A browser tells a page nothing but that it failed. The server asks what the browser asked."""
    bucket = s3_site.tenant("acme").bucket
    with served(s3_site.place) as url:
        enter(page, s3_site, url)
        choose(page, pictures[:1])
        failed = item(page, pictures[0].name)
        failed.get_by_text("This page is not allowed to upload there.").wait_for()
        assert url in failed.locator(".said").text_content()
        allow(radosgw, bucket, {**ALLOWING, "AllowedOrigins": [url]})
        failed.get_by_role("button", name="Try again").click()
        failed.get_by_text("Stored. Waits to be taken in").wait_for()


def test_rules_for_another_origin_do_not_help(
    s3_site: Site, radosgw: Radosgw, page: Any, pictures: list[Path]
) -> None:
    bucket = s3_site.tenant("acme").bucket
    allow(radosgw, bucket, {**ALLOWING, "AllowedOrigins": ["https://app.example"]})
    with served(s3_site.place) as url:
        enter(page, s3_site, url)
        choose(page, pictures[:1])
        item(page, pictures[0].name).get_by_text("not allowed to upload there").wait_for()
    assert list(s3_site.place.objects.listing(bucket, "")) == []


PUT_AS = """async ({url, headers, data}) => {
  try { return (await fetch(url, {method: "PUT", headers, body: data})).status; }
  catch (error) { return String(error); }
}"""


def test_a_browser_that_sends_anything_else_than_it_said_is_refused(
    s3_site: Site, radosgw: Radosgw, page: Any
) -> None:
    bucket = s3_site.tenant("acme").bucket
    with served(s3_site.place) as url:
        allow(radosgw, bucket, {**ALLOWING, "AllowedOrigins": [url]})
        enter(page, s3_site, url)
        given = s3_site.place.objects.presigned_put(bucket, "incoming/a.jpg", "image/jpeg", 3, 60)
        assert given is not None

        def put(data: str, **headers: str) -> Any:
            sent = {"url": given.url, "headers": {**given.headers, **headers}, "data": data}
            return page.evaluate(PUT_AS, sent)

        # radosgw's refusal of a signature has no CORS headers, so the page cannot read the 403.
        refused = (403, "TypeError: Failed to fetch")
        assert put("abcd") in refused
        assert put("ab") in refused
        assert put("abc", **{"Content-Type": "text/html"}) in refused
        assert list(s3_site.place.objects.listing(bucket, "")) == []
        assert put("abc") == 200
        assert put("xyz") == 412
    assert s3_site.place.objects.get(bucket, "incoming/a.jpg").data == b"abc"


def test_what_can_never_be_taken_in_is_not_even_sent(
    s3_site: Site, page: Any, tmp_path: Path
) -> None:
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "half.jpg.part").write_bytes(b"abc")
    puts: list[str] = []
    page.on("request", lambda one: one.method == "PUT" and puts.append(one.url))
    with served(s3_site.place) as url:
        enter(page, s3_site, url)
        choose(page, [tmp_path / "empty.jpg", tmp_path / "half.jpg.part"])
        item(page, "empty.jpg").get_by_text("The file is empty.").wait_for()
        item(page, "half.jpg.part").get_by_text("unfinished download").wait_for()
    assert puts == []


def test_where_buckets_are_folders_the_application_takes_the_bytes(
    site: Site, page: Any, pictures: list[Path]
) -> None:
    with served(site.place) as url:
        enter(page, site, url)
        choose(page, pictures)
        for one in pictures:
            item(page, one.name).get_by_text("Stored. Waits to be taken in").wait_for()
        decide(site, verdict="accept", reasons=[], policy="default@1")
        for one in pictures:
            item(page, one.name).get_by_text("Accepted").wait_for()
    sizes = sorted(one.size for one in site.place.objects.listing("acme", "incoming/"))
    assert sizes == sorted(one.stat().st_size for one in pictures)


def test_a_storage_that_is_busy_is_tried_again(site: Site, page: Any, pictures: list[Path]) -> None:
    answers = iter([503, 429])

    def sometimes(route: Any) -> None:
        busy = route.request.method == "PUT" and next(answers, None)
        route.fulfill(status=busy, json={}) if busy else route.continue_()

    with served(site.place) as url:
        page.route("**/content", sometimes)
        enter(page, site, url)
        choose(page, pictures[:1])
        item(page, pictures[0].name).get_by_text("Stored. Waits to be taken in").wait_for()
    assert len(list(site.place.objects.listing("acme", "incoming/"))) == 1


def test_a_page_that_waits_looks_less_and_less_often_and_soon_again_after_news(
    s3_site: Site, radosgw: Radosgw, page: Any, pictures: list[Path]
) -> None:
    """Two minutes by the page's own clock: 80 looks at the pace of its first ones."""
    looks: list[str] = []
    page.on("request", lambda one: looks.append(one.url) if "/v1/uploads?id=" in one.url else None)
    with served(s3_site.place) as url:
        allow(radosgw, s3_site.tenant("acme").bucket, {**ALLOWING, "AllowedOrigins": [url]})
        page.clock.install()
        enter(page, s3_site, url)
        choose(page, pictures[:1])
        item(page, pictures[0].name).get_by_text("Stored. Waits to be taken in").wait_for()

        def pass_by(seconds: int) -> int:
            before = len(looks)
            for _ in range(seconds):
                with page.expect_event("console"):  # so that what a timer asked for has left
                    page.clock.run_for(1000)
                    page.evaluate("fetch('v1/me').finally(() => console.log('answered'))")
            return len(looks) - before

        assert 5 <= pass_by(120) <= 15
        s3_site.place.sweeper.sweep(1e12)
        assert pass_by(26) >= 4  # one that finds it, after 15 s at most, and soon the next ones
        item(page, pictures[0].name).get_by_text("Waits to be validated").wait_for()
