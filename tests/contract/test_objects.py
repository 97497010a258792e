"""Object bytes, the same from a folder of buckets and from a real S3 server (Ceph's radosgw)."""

from __future__ import annotations

import datetime
import hashlib
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import botocore.auth
import pytest

from parjanya_dagster.errors import ObjectGone, SettingsInvalid, StorageUnavailable
from parjanya_dagster.objects import open_objects
from parjanya_dagster.objects.local import FolderObjects
from parjanya_dagster.objects.s3 import S3Objects
from parjanya_dagster.objects.store import Objects, PresignedPut
from tests.support.radosgw import Radosgw

PEOPLE_NAMES = [
    "a b+c.jpg",
    "ä ö.jpg",
    "a#1.jpg",
    "100%.jpg",
    "a%20b.jpg",
    "a&b=c?.jpg",
    "~日本.jpg",
]
HOSTILE_KEYS = ["incoming//a.jpg", "incoming/./b.jpg", "incoming/../c.jpg", "incoming/x\ny.jpg"]


@pytest.fixture
def bucket() -> str:
    return f"bucket-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def s3(radosgw: Radosgw, bucket: str, monkeypatch: pytest.MonkeyPatch) -> S3Objects:
    for name, value in radosgw.environment().items():
        monkeypatch.setenv(name, value)
    radosgw.client().create_bucket(Bucket=bucket)
    return S3Objects()


@pytest.fixture(params=["folder", pytest.param("s3", marks=pytest.mark.server)])
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Objects]:
    if request.param == "folder":
        folder = FolderObjects(tmp_path / "buckets", 0.0)
        (folder.root / request.getfixturevalue("bucket")).mkdir(parents=True)
        folder.mark(request.getfixturevalue("bucket"))
        yield folder
    else:
        yield request.getfixturevalue("s3")


def keys(objects: Objects, bucket: str, prefix: str = "incoming/") -> set[str]:
    return {one.key for one in objects.listing(bucket, prefix)}


def put(given: PresignedPut, data: bytes, **other: str) -> int:
    """PUT as whoever has the URL would. Returns the status."""
    headers: Mapping[str, str] = {**given.headers, **other}
    request = urllib.request.Request(given.url, data, dict(headers), method="PUT")
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_what_is_put_is_got_with_a_version_that_changes_with_the_bytes(
    objects: Objects, bucket: str
) -> None:
    objects.put(bucket, "incoming/a.jpg", b"one", "image/jpeg")
    first = objects.get(bucket, "incoming/a.jpg")
    head = objects.head(bucket, "incoming/a.jpg")
    (listed,) = objects.listing(bucket, "incoming/")
    assert first.data == b"one"
    assert (head.version, head.size) == (first.version, 3)
    assert (listed.key, listed.version, listed.size) == ("incoming/a.jpg", first.version, 3)
    assert abs(listed.modified_at - time.time()) < 3600
    objects.put(bucket, "incoming/a.jpg", b"two!", "image/jpeg")
    second = objects.get(bucket, "incoming/a.jpg")
    assert second.data == b"two!"
    assert objects.beginning(bucket, "incoming/a.jpg", 3) == b"two"
    assert objects.beginning(bucket, "incoming/a.jpg", 65_536) == b"two!"
    objects.put(bucket, "incoming/empty.jpg", b"", "image/jpeg")
    assert objects.beginning(bucket, "incoming/empty.jpg", 3) == b""
    assert second.version != first.version


def test_another_version_than_the_one_asked_for_is_not_read(objects: Objects, bucket: str) -> None:
    objects.put(bucket, "incoming/a.jpg", b"one", "image/jpeg")
    first = objects.head(bucket, "incoming/a.jpg").version
    assert objects.get(bucket, "incoming/a.jpg", first).data == b"one"
    objects.put(bucket, "incoming/a.jpg", b"grown", "image/jpeg")
    other = objects.get(bucket, "incoming/a.jpg", first)
    assert other.data == b""
    assert other.version == objects.head(bucket, "incoming/a.jpg").version
    with pytest.raises(ObjectGone):
        objects.get(bucket, "incoming/none.jpg", first)


def test_a_digest_is_of_the_bytes_and_the_version_that_lie_there(
    objects: Objects, bucket: str
) -> None:
    data = b"bytes" * 300_000
    objects.put(bucket, "incoming/a.jpg", data, "image/jpeg")
    digest = objects.digest(bucket, "incoming/a.jpg")
    assert digest.sha256 == hashlib.sha256(data).hexdigest()
    assert digest.version == objects.head(bucket, "incoming/a.jpg").version


def test_an_object_is_written_over_the_version_that_was_read_and_over_no_other(
    objects: Objects, bucket: str
) -> None:
    key = "curated/001.parquet"

    def write(data: bytes, version: str) -> bool:
        return objects.put_over(bucket, key, data, "application/octet-stream", version)

    assert not write(b"lost", "an-older-version")  # nothing lies there
    assert write(b"one", "")
    first = objects.get(bucket, key).version
    assert not write(b"lost", "")
    assert write(b"two!", first)
    assert not write(b"lost", first)
    assert objects.get(bucket, key).data == b"two!"


def test_of_many_who_write_over_the_same_version_one_does(objects: Objects, bucket: str) -> None:
    objects.put(bucket, "a", b"0", "text/plain")
    version = objects.get(bucket, "a").version
    names = [f"writer {n}".encode() for n in range(8)]
    with ThreadPoolExecutor(8) as pool:
        wrote = list(
            pool.map(lambda name: objects.put_over(bucket, "a", name, "text/plain", version), names)
        )
    assert wrote.count(True) == 1
    assert objects.get(bucket, "a").data == names[wrote.index(True)]


def test_what_is_not_there_is_gone(objects: Objects, bucket: str) -> None:
    for ask in (objects.get, objects.head, objects.digest):
        with pytest.raises(ObjectGone, match=r"nothing\.jpg"):
            ask(bucket, "incoming/nothing.jpg")
    assert keys(objects, bucket) == set()


def test_what_a_bucket_that_is_away_held_is_unknown_and_not_gone(objects: Objects) -> None:
    for ask in (objects.get, objects.head):
        with pytest.raises(StorageUnavailable):
            ask("a-bucket-that-is-away", "incoming/a.jpg")
    with pytest.raises(StorageUnavailable):
        objects.identity("a-bucket-that-is-away")


def test_a_bucket_says_who_it_is(objects: Objects, bucket: str) -> None:
    assert objects.mark(bucket) == objects.mark(bucket) == objects.identity(bucket)


@pytest.mark.parametrize("name", PEOPLE_NAMES)
def test_names_that_people_have_come_back_as_they_are(
    objects: Objects, bucket: str, name: str
) -> None:
    objects.put(bucket, f"incoming/{name}", b"x", "image/jpeg")
    assert keys(objects, bucket) == {f"incoming/{name}"}
    assert objects.get(bucket, f"incoming/{name}").data == b"x"


def test_a_listing_has_its_prefix_and_no_other(objects: Objects, bucket: str) -> None:
    for key in ("incoming/a.jpg", "incoming/deep/er/b.jpg", "incoming-too/c.jpg", "results/d"):
        objects.put(bucket, key, b"x", "image/jpeg")
    assert keys(objects, bucket) == {"incoming/a.jpg", "incoming/deep/er/b.jpg"}
    assert len(keys(objects, bucket, "")) == 4


def test_one_odd_key_does_not_hide_the_others(s3: S3Objects, radosgw: Radosgw, bucket: str) -> None:
    """Keys that no path has are legal in S3; a listing that stops at one blinds its tenant."""
    client = radosgw.client()
    for key in (*HOSTILE_KEYS, "incoming/good.jpg", "incoming/folder/"):
        client.put_object(Bucket=bucket, Key=key, Body=b"x")
    assert keys(s3, bucket) == {*HOSTILE_KEYS, "incoming/good.jpg"}
    for key in HOSTILE_KEYS:
        assert s3.get(bucket, key).data == b"x"


def test_a_listing_goes_on_over_its_pages(s3: S3Objects, bucket: str) -> None:
    for n in range(8):
        s3.put(bucket, f"incoming/{n}", b"", "image/jpeg")
    assert len(keys(S3Objects(page=3), bucket)) == 8


def test_a_bucket_that_is_not_there_cannot_be_listed(s3: S3Objects) -> None:
    with pytest.raises(StorageUnavailable, match="NoSuchBucket"):
        list(s3.listing("nobody-made-this", "incoming/"))


def test_keys_of_another_account_are_refused_and_not_gone(
    radosgw: Radosgw, s3: S3Objects, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3.put(bucket, "incoming/a.jpg", b"x", "image/jpeg")
    for name, value in radosgw.environment(radosgw.add_user("stranger")).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(StorageUnavailable, match=r"AccessDenied|403"):
        S3Objects().get(bucket, "incoming/a.jpg")


def test_a_server_that_is_away_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    with pytest.raises(StorageUnavailable):
        S3Objects().head("bucket", "key")


def test_no_credentials_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, radosgw: Radosgw, tmp_path: Path
) -> None:
    for name, value in radosgw.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(StorageUnavailable, match="credentials"):
        S3Objects().head("bucket", "key")


def test_an_endpoint_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "not a url")
    with pytest.raises(SettingsInvalid):
        open_objects("s3://")


def test_a_folder_has_no_urls(tmp_path: Path) -> None:
    assert FolderObjects(tmp_path).presigned_put("b", "k", "image/png", 1, 60) is None


# --- presigned: whoever has the URL may do exactly what it says, once, for a while ---


def test_a_presigned_put_stores_what_it_says(s3: S3Objects, radosgw: Radosgw, bucket: str) -> None:
    key = "incoming/a b+ä.jpg"
    assert put(s3.presigned_put(bucket, key, "image/jpeg", 3, 60), b"abc") == 200
    assert s3.get(bucket, key).data == b"abc"
    assert radosgw.client().head_object(Bucket=bucket, Key=key)["ContentType"] == "image/jpeg"


def test_a_presigned_put_is_good_once(s3: S3Objects, bucket: str) -> None:
    given = s3.presigned_put(bucket, "incoming/a.jpg", "image/jpeg", 3, 60)
    assert put(given, b"abc") == 200
    assert put(given, b"xyz") == 412
    assert s3.get(bucket, "incoming/a.jpg").data == b"abc"


@pytest.mark.parametrize(
    ("data", "headers"),
    [
        pytest.param(b"abcd", {}, id="longer"),
        pytest.param(b"ab", {}, id="shorter"),
        pytest.param(b"abc", {"Content-Type": "text/html"}, id="another type"),
        pytest.param(b"abc", {"If-None-Match": "other"}, id="overwriting"),
    ],
)
def test_a_presigned_put_of_anything_else_is_refused(
    s3: S3Objects, bucket: str, data: bytes, headers: dict[str, str]
) -> None:
    given = s3.presigned_put(bucket, "incoming/a.jpg", "image/jpeg", 3, 60)
    assert put(given, data, **headers) == 403
    with pytest.raises(ObjectGone):
        s3.head(bucket, "incoming/a.jpg")


def test_a_presigned_put_names_one_key_and_no_other(s3: S3Objects, bucket: str) -> None:
    given = s3.presigned_put(bucket, "incoming/mine.jpg", "image/jpeg", 3, 60)
    for forged in ("theirs.jpg", "../theirs.jpg", "%2e%2e/theirs.jpg", "mine.jpg/theirs.jpg"):
        other = PresignedPut(given.url.replace("mine.jpg", forged), given.headers)
        assert put(other, b"abc") == 403
    assert keys(s3, bucket, "") == set()


def test_a_presigned_put_expires(
    s3: S3Objects, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Signed by a clock an hour ago, for a minute: the server's own clock decides."""
    long_ago = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1)
    with monkeypatch.context() as patch:
        patch.setattr(botocore.auth, "get_current_datetime", lambda *_, **__: long_ago)
        given = s3.presigned_put(bucket, "incoming/a.jpg", "image/jpeg", 3, 60)
    assert put(given, b"abc") == 403
    assert keys(s3, bucket) == set()


def test_a_presigned_download_is_a_file_to_save_for_a_while(
    s3: S3Objects, bucket: str, tmp_path: Path
) -> None:
    s3.put(bucket, "incoming/a b.html", b"<script>", "text/html")
    url = s3.presigned_download(bucket, "incoming/a b.html", "attachment; filename*=UTF-8''a", 60)
    with urllib.request.urlopen(url) as answer:
        assert answer.read() == b"<script>"
        assert answer.headers["Content-Type"] == "application/octet-stream"
        assert answer.headers["Content-Disposition"] == "attachment; filename*=UTF-8''a"
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(url.replace("attachment", "inline"))
    assert FolderObjects(tmp_path).presigned_download("b", "k", "attachment", 60) is None
