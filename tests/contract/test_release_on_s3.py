"""A release in a real S3 server: the same files as in a folder, resumed and read back there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from parjanya_dagster.errors import BucketUnknown
from parjanya_dagster.objects.s3 import S3Objects
from parjanya_dagster.platform import Platform
from parjanya_dagster.release.options import FORMATS, Options
from parjanya_dagster.release.verification import verify
from parjanya_dagster.release.writing import root_of
from parjanya_dagster.truth.records import KnownBucket
from parjanya_dagster.truth.releases import COMPLETE
from tests.support.radosgw import Radosgw
from tests.support.releases import begun, files, released, writer

pytestmark = pytest.mark.server
OPTIONS = Options(formats=FORMATS, shard_images=3)


@pytest.fixture
def on_s3(radosgw: Radosgw, decided: Platform, monkeypatch: pytest.MonkeyPatch) -> Platform:
    """The same platform, whose bucket lies on the server."""
    for name, value in radosgw.environment().items():
        monkeypatch.setenv(name, value)
    radosgw.client().create_bucket(Bucket="acme")
    objects = S3Objects()
    folder = decided.settings.home / "buckets" / "acme"
    for path in sorted(folder.rglob("*.jpg")):
        objects.put("acme", str(path.relative_to(folder)), path.read_bytes(), "image/jpeg")
    return replace(decided, objects=objects)


def test_it_is_resumed_read_back_and_the_same_as_in_a_folder(
    decided: Platform, on_s3: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_folder = files(decided, released(decided, OPTIONS, "others"))
    with pytest.raises(BucketUnknown):  # Truth knows the folder, and this is none
        released(on_s3, OPTIONS, "early")
    on_s3.store.adopt_bucket(KnownBucket(bucket="acme", identity="s3:acme", adopted_at=0.0))
    release = begun(on_s3, OPTIONS).release
    put, count = S3Objects.put, 0

    def dying(self: Any, *given: Any) -> None:
        nonlocal count
        count += 1
        if count == 12:
            raise KeyboardInterrupt
        put(self, *given)

    with monkeypatch.context() as patch:
        patch.setattr(S3Objects, "put", dying)
        with pytest.raises(KeyboardInterrupt):
            writer(on_s3).write(release)
    done = writer(on_s3).write(release)
    assert done.state == COMPLETE
    assert verify(on_s3.objects, "acme", done).wrong == []
    root = root_of(done)
    there = {
        info.key.removeprefix(root): on_s3.objects.get("acme", info.key).data
        for info in on_s3.objects.listing("acme", root)
    }
    named = {"README.md", "croissant.json", "release.json", "SHA256SUMS"}  # they have the name
    assert there.keys() == in_folder.keys()
    assert all(there[path] == in_folder[path] for path in there.keys() - named)
    on_s3.objects.put("acme", root + "README.md", b"other", "text/markdown")
    assert verify(on_s3.objects, "acme", done).wrong == ["README.md has other bytes"]
