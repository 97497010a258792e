"""An upload from its promise to its image, or to its end; wherever the process dies."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from parjanya_dagster.errors import ObjectGone, StorageUnavailable, UnknownUpload, UploadRefused
from parjanya_dagster.objects.store import PresignedPut
from parjanya_dagster.truth.uploads import ARRIVED, EXPIRED
from parjanya_dagster.uploads.cors import Verdict
from parjanya_dagster.uploads.promises import (
    GRACE,
    MOST_FILES,
    NEVER_CAME,
    Promise,
    Uploads,
    Wanted,
)
from tests.support.clock import Clock
from tests.support.upload_site import Site
from tests.support.world import carry

ORIGIN = "https://app.example"
ONE = Wanted("a.jpg", "image/jpeg", 3)


@dataclass
class WithUrls:
    """A folder of buckets that claims to have URLs, as S3 has, and may be away."""

    objects: Any
    away: bool = False

    def presigned_put(self, bucket: str, key: str, *_: Any) -> PresignedPut:
        return PresignedPut(f"https://s3.example/{bucket}/{key}?X-Amz-Signature=secret", {})

    def head(self, bucket: str, key: str) -> Any:
        if self.away:
            raise StorageUnavailable
        return self.objects.head(bucket, key)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.objects, name)


@dataclass
class Browser:
    """What preflights are answered, and how many there were."""

    verdict: Verdict
    asked: list[tuple[str, str]] = field(default_factory=list)

    def __call__(self, url: str, origin: str) -> Verdict:
        self.asked.append((url, origin))
        return self.verdict


@pytest.fixture
def browser() -> Browser:
    return Browser(Verdict(True, "A browser on https://app.example may PUT.", 200))


@pytest.fixture
def objects(site: Site) -> WithUrls:
    return WithUrls(site.place.objects)


@pytest.fixture
def uploads(site: Site, objects: WithUrls, browser: Browser) -> Uploads:
    return replace(site.place.uploads, objects=objects, preflight=browser)


def promise(site: Site, uploads: Uploads, slug: str = "acme", origin: str = ORIGIN) -> Promise:
    (made,) = uploads.promise(site.tenant(slug), site.ids[slug], [ONE], origin)
    return made


def land(site: Site, made: Promise) -> None:
    site.place.objects.put(made.row.bucket, made.row.key, b"abc", "image/jpeg")


def status(site: Site, uploads: Uploads, made: Promise, slug: str = "acme") -> str:
    return uploads.progress(site.tenant(slug), made.row.upload_id).status


def test_a_promise_is_recorded_before_its_url_is_handed_out(site: Site, uploads: Uploads) -> None:
    made = promise(site, uploads)
    row = site.place.store.upload(made.row.upload_id)
    assert row == made.row
    assert (row.status, row.tenant, row.bucket) == ("pending_upload", "acme", "acme")
    assert row.key == f"incoming/{row.upload_id}/a.jpg"
    assert made.put is not None
    assert row.key in made.put.url
    assert row.expires_at == site.place.clock() + site.place.settings.uploads.seconds


def test_two_promises_of_one_name_never_meet(site: Site, uploads: Uploads) -> None:
    keys = {promise(site, uploads, slug).row.key for slug in ("acme", "acme", "bolt", "bolt")}
    assert len(keys) == 4


@pytest.mark.parametrize(
    "wanted",
    [
        [],
        [ONE] * (MOST_FILES + 1),
        [ONE, replace(ONE, name="../b.jpg")],
        [ONE, replace(ONE, content_type="text/html")],
        [ONE, replace(ONE, content_type="image/svg+xml")],
        [ONE, replace(ONE, size=0)],
        [ONE, replace(ONE, size=(256 << 20) + 1)],
    ],
)
def test_all_are_refused_where_one_is(site: Site, uploads: Uploads, wanted: list[Wanted]) -> None:
    with pytest.raises(UploadRefused):
        uploads.promise(site.tenant("acme"), site.ids["acme"], wanted)
    assert site.place.store.uploads_due(1e12) == []


def test_an_upload_is_followed_to_its_decision(site: Site, uploads: Uploads) -> None:
    made = promise(site, uploads)
    assert status(site, uploads, made) == "pending_upload"
    land(site, made)
    assert status(site, uploads, made) == "pending_upload"  # nobody has looked yet
    site.place.sweeper.sweep(1e12)
    assert status(site, uploads, made) == "pending_validation"
    row = site.place.store.upload(made.row.upload_id)
    assert row is not None
    assert row.status == ARRIVED
    carry(site.place.store, now=site.place.clock())
    progress = uploads.progress(site.tenant("acme"), made.row.upload_id)
    assert (progress.status, progress.done) == ("curated", True)


def test_an_upload_that_neither_event_nor_sweep_told_of_is_taken_in(
    site: Site, uploads: Uploads, clock: Clock
) -> None:
    made = promise(site, uploads)
    land(site, made)
    clock.pass_by(uploads.seconds + GRACE)
    settled = uploads.settle(1e12)
    assert (settled.arrived, settled.expired, len(settled.registered)) == (1, 0, 1)
    assert status(site, uploads, made) == "pending_validation"
    assert site.place.sweeper.sweep(1e12).registered == {}  # it is one image, not two
    assert uploads.settle(1e12).arrived == 0


def test_nothing_expires_before_its_url_and_its_grace_are_over(
    site: Site, uploads: Uploads, clock: Clock
) -> None:
    made = promise(site, uploads)
    clock.pass_by(uploads.seconds + GRACE - 1)
    assert uploads.settle(1e12).expired == 0
    clock.pass_by(1)
    assert uploads.settle(1e12).expired == 1
    assert status(site, uploads, made) == EXPIRED


@pytest.mark.parametrize(
    ("verdict", "said"),
    [
        (Verdict(False, "The answer allows no origin.", 200), "its preflight fails. The answer"),
        (Verdict(False, "s3.example did not answer.", None), "cannot be asked: s3.example did"),
        (Verdict(True, "A browser may PUT.", 200), "the preflight passes: A browser may PUT."),
    ],
)
def test_an_upload_that_never_came_says_why(
    site: Site, uploads: Uploads, browser: Browser, clock: Clock, verdict: Verdict, said: str
) -> None:
    browser.verdict = verdict
    made = promise(site, uploads)
    clock.pass_by(uploads.seconds + GRACE)
    uploads.settle(1e12)
    row = site.place.store.upload(made.row.upload_id)
    assert row is not None
    assert row.reason.startswith(NEVER_CAME)
    assert said in row.reason
    assert "secret" not in row.reason
    ((url, origin),) = browser.asked
    assert origin == ORIGIN
    assert row.key in url


@pytest.mark.parametrize("origin", ["", "null", "https://app.example/x", "evil\r\nX: y"])
def test_what_is_no_browser_gets_no_preflight(
    site: Site, uploads: Uploads, browser: Browser, clock: Clock, origin: str
) -> None:
    made = promise(site, uploads, origin=origin)
    clock.pass_by(uploads.seconds + GRACE)
    uploads.settle(1e12)
    row = site.place.store.upload(made.row.upload_id)
    assert row is not None
    assert "no browser" in row.reason
    assert browser.asked == []


def test_a_thousand_that_never_came_cost_one_preflight(
    site: Site, uploads: Uploads, browser: Browser, clock: Clock
) -> None:
    for _ in range(5):
        uploads.promise(site.tenant("acme"), site.ids["acme"], [ONE] * MOST_FILES, ORIGIN)
    clock.pass_by(uploads.seconds + GRACE)
    assert uploads.settle(1e12).expired == 5 * MOST_FILES
    assert len(browser.asked) == 1


def test_a_storage_that_does_not_answer_expires_nothing(
    site: Site, uploads: Uploads, objects: WithUrls, clock: Clock
) -> None:
    made = promise(site, uploads)
    land(site, made)
    clock.pass_by(uploads.seconds + GRACE)
    objects.away = True
    assert (settled := uploads.settle(1e12)).left == 1
    assert settled.expired == 0
    objects.away = False
    clock.pass_by(60)
    assert uploads.settle(1e12).arrived == 1


def test_uploads_of_a_bucket_that_does_not_answer_keep_no_others_waiting(
    site: Site, uploads: Uploads, objects: WithUrls, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        uploads.promise(site.tenant("acme"), site.ids["acme"], [ONE] * MOST_FILES)
    clock.pass_by(1)
    uploads.promise(site.tenant("bolt"), site.ids["bolt"], [ONE])
    clock.pass_by(uploads.seconds + GRACE)
    asked: list[str] = []

    def head(bucket: str, key: str) -> Any:
        asked.append(bucket)
        if bucket == "acme":
            raise StorageUnavailable
        raise ObjectGone

    monkeypatch.setattr(objects, "head", head)
    settled = uploads.settle(1e12)
    assert (settled.expired, settled.left) == (1, 3 * MOST_FILES)
    assert sorted(asked) == ["acme", "bolt"]  # a bucket that does not answer is asked once


def test_a_bucket_that_does_not_answer_is_asked_less_and_less_often(
    site: Site, uploads: Uploads, objects: WithUrls, clock: Clock
) -> None:
    promise(site, uploads)
    clock.pass_by(uploads.seconds + GRACE)
    objects.away, waits = True, []
    for _ in range(9):
        assert uploads.settle(1e12).left == 1
        began = clock()
        while not site.place.store.uploads_due(clock()):
            clock.pass_by(30)
        waits.append(clock() - began)
    assert waits == [60, 60, 120, 240, 480, 960, 1920, 3600, 3600]


def test_a_look_ends_at_its_deadline_and_the_next_goes_on(
    site: Site, uploads: Uploads, clock: Clock
) -> None:
    promise(site, uploads)
    clock.pass_by(uploads.seconds + GRACE)
    assert uploads.settle(clock() - 1).left == 1
    assert uploads.settle(clock() + 1).expired == 1


def test_an_upload_that_comes_after_all_counts(site: Site, uploads: Uploads, clock: Clock) -> None:
    made = promise(site, uploads)
    clock.pass_by(uploads.seconds + GRACE)
    uploads.settle(1e12)
    land(site, made)
    site.place.sweeper.sweep(1e12)
    assert status(site, uploads, made) == "pending_validation"
    row = site.place.store.upload(made.row.upload_id)
    assert row is not None
    assert row.status == ARRIVED


def test_dying_between_registering_and_noting_it_repeats_nothing(
    site: Site, uploads: Uploads, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = promise(site, uploads)
    land(site, made)
    clock.pass_by(uploads.seconds + GRACE)
    with monkeypatch.context() as patch:

        def die(*_: Any) -> bool:
            raise KeyboardInterrupt

        patch.setattr(type(site.place.store), "upload_arrived", die)
        with pytest.raises(KeyboardInterrupt):
            uploads.settle(1e12)
    assert uploads.settle(1e12).arrived == 1
    assert len(site.place.store.find(made.row.key)) == 1


def test_nobody_sees_anothers_upload(site: Site, uploads: Uploads) -> None:
    made = promise(site, uploads, "acme")
    for upload_id in (made.row.upload_id, "0" * 32, "", "../" + made.row.upload_id, "\0"):
        with pytest.raises(UnknownUpload):
            uploads.progress(site.tenant("bolt"), upload_id)


def test_a_row_of_the_same_key_in_another_bucket_is_not_taken_for_it(
    site: Site, uploads: Uploads
) -> None:
    made = promise(site, uploads, "acme")
    site.place.objects.put("bolt", made.row.key, b"abc", "image/jpeg")
    site.place.sweeper.sweep(1e12)
    assert len(site.place.store.find(made.row.key)) == 1
    assert status(site, uploads, made) == "pending_upload"
