"""Uploads stop, and every signature is right: the bucket's CORS rules lost the site's origin.

The storage is real (Ceph's radosgw). The naive check signs a URL and uses it from a server, where
nobody asks for CORS; it stays green for as long as the outage lasts.
"""

from __future__ import annotations

import urllib.request

import pytest
from botocore.exceptions import ClientError

from parjanya_dagster.truth.uploads import ARRIVED, EXPIRED, UploadRow
from parjanya_dagster.uploads import cors
from parjanya_dagster.uploads.promises import GRACE, NEVER_CAME, Promise, Wanted
from tests.support.clock import Clock
from tests.support.radosgw import Radosgw
from tests.support.upload_site import ALLOWING, Site, allow

APP = "https://app.example"


def put(made: Promise) -> int:
    """As a server does, without asking first."""
    assert made.put is not None
    request = urllib.request.Request(made.put.url, b"abc", dict(made.put.headers), method="PUT")
    with urllib.request.urlopen(request, timeout=60) as answer:
        return int(answer.status)


def promise(site: Site, name: str = "a.jpg") -> Promise:
    wanted = [Wanted(name, "image/jpeg", 3)]
    (made,) = site.place.uploads.promise(site.tenant("acme"), site.ids["acme"], wanted, APP)
    return made


def browse(site: Site, made: Promise) -> None:
    """As a browser on the site does: it PUTs only where the preflight passes."""
    assert made.put is not None
    if cors.preflight(made.put.url, APP).passed:
        put(made)


def recorded(site: Site, made: Promise) -> UploadRow:
    row = site.place.store.upload(made.row.upload_id)
    assert row is not None
    return row


def break_rules(radosgw: Radosgw, site: Site) -> None:
    allow(radosgw, site.tenant("acme").bucket, {**ALLOWING, "AllowedOrigins": [f"{APP}/"]})


def test_how_it_stayed_unseen(s3_site: Site, radosgw: Radosgw) -> None:
    break_rules(radosgw, s3_site)
    assert put(promise(s3_site)) == 200  # the naive check is green
    made = promise(s3_site)
    browse(s3_site, made)  # and no browser uploads anything
    assert [one.key for one in s3_site.place.objects.listing(made.row.bucket, made.row.key)] == []


def test_uploads_that_never_came_say_that_cors_is_the_cause(
    s3_site: Site,
    radosgw: Radosgw,
    clock: Clock,
) -> None:
    allow(radosgw, s3_site.tenant("acme").bucket, {**ALLOWING, "AllowedOrigins": [APP]})
    before = promise(s3_site)
    browse(s3_site, before)
    break_rules(radosgw, s3_site)
    during = promise(s3_site, "during.jpg")
    browse(s3_site, during)
    clock.pass_by(s3_site.place.uploads.seconds + GRACE)
    settled = s3_site.place.uploads.settle(1e12)
    assert (settled.arrived, settled.expired) == (1, 1)
    assert recorded(s3_site, before).status == ARRIVED
    lost = recorded(s3_site, during)
    assert lost.status == EXPIRED
    assert lost.reason.startswith(f"{NEVER_CAME}: its preflight fails.")
    assert APP in lost.reason
    assert "Mend the bucket's CORS rules." in lost.reason


def test_the_rules_themselves_say_what_is_wrong(
    s3_site: Site,
    radosgw: Radosgw,
) -> None:
    break_rules(radosgw, s3_site)
    bucket = s3_site.tenant("acme").bucket
    rules = radosgw.client().get_bucket_cors(Bucket=bucket)["CORSRules"]
    said = cors.objections(rules, [APP])
    assert any("final slash" in one for one in said)
    assert any(one.startswith("No rule allows PUT") for one in said)
    allow(radosgw, bucket, {**ALLOWING, "AllowedOrigins": [APP]})
    rules = radosgw.client().get_bucket_cors(Bucket=bucket)["CORSRules"]
    assert cors.objections(rules, [APP]) == []


@pytest.mark.parametrize(
    "rule",
    [
        {"AllowedOrigins": ["*"]},
        {"AllowedOrigins": ["https://*.example"]},
        {"AllowedOrigins": [APP], "AllowedHeaders": ["*"]},
        {"AllowedOrigins": [APP], "AllowedMethods": ["GET", "PUT"]},
        {"AllowedOrigins": ["https://other.example"]},
        {"AllowedOrigins": [APP], "AllowedMethods": ["GET"]},
        {"AllowedOrigins": [APP], "AllowedHeaders": ["content-type"]},
        {"AllowedOrigins": ["http://app.example"]},
        {"AllowedOrigins": ["https://*.app.example"]},
        {"AllowedOrigins": [f"{APP}:443"]},
    ],
)
def test_what_is_judged_on_paper_is_what_the_server_does(
    s3_site: Site,
    radosgw: Radosgw,
    rule: dict[str, list[str]],
) -> None:
    """The paper is checked against the real server, so that neither drifts from the other."""
    bucket = s3_site.tenant("acme").bucket
    given = {**ALLOWING, **rule}
    allow(radosgw, bucket, given)
    made = promise(s3_site)
    assert made.put is not None
    verdict = cors.preflight(made.put.url, APP)
    lacking = [one for one in cors.objections([given], [APP]) if one.startswith("No rule")]
    assert verdict.passed is (not lacking), verdict
    assert verdict.answered


def test_a_bucket_without_rules_at_all(s3_site: Site, radosgw: Radosgw) -> None:
    made = promise(s3_site)
    assert made.put is not None
    with pytest.raises(ClientError, match="NoSuchCORSConfiguration"):
        radosgw.client().get_bucket_cors(Bucket=made.row.bucket)
    verdict = cors.preflight(made.put.url, APP)
    assert (verdict.passed, verdict.answered) == (False, True)
