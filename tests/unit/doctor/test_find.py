"""An image is found by whatever people have of it, and several are listed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from parjanya_dagster.catalog import Catalog, Follower
from parjanya_dagster.doctor.find import search_image
from parjanya_dagster.errors import AmbiguousImage, UnknownImage
from parjanya_dagster.platform import Platform
from tests.support import world
from tests.support.pictures import picture

NAMES = ("holiday/Dune.jpg", "holiday/Dune 2.jpg", "work/Dune.jpg", "Käse [1].jpg")
Find = Callable[..., str]


@pytest.fixture
def find(platform: Platform) -> Find:
    """Looks for an image and says its tenant and key."""
    for slug, names in (("acme", NAMES), ("bolt", NAMES[3:])):
        platform.sweeper.add_tenant(slug)
        for n, name in enumerate(names):
            platform.objects.put(slug, f"incoming/{name}", picture(n), "image/jpeg")
    platform.sweeper.sweep(1e12)

    def catalog() -> Catalog:
        Follower(platform.store, platform.settings.home, platform.clock).follow()
        return Catalog(platform.settings.home)

    def find(name: str, tenant: str | None = None) -> str:
        row = search_image(platform.store, platform.settings.objects_url, catalog, name, tenant)
        return f"{row.tenant}: {row.key.removeprefix('incoming/')}"

    return find


def test_by_the_beginning_of_an_id_by_key_by_name_and_by_glob(
    platform: Platform, find: Find
) -> None:
    (row,) = platform.store.find("incoming/holiday/Dune 2.jpg")
    for name in (row.image_id, row.image_id[:12], row.key, "holiday/Dune 2.jpg", "Dune 2.jpg",
                 "dune 2", "*2.jpg", "holiday/*2*"):  # fmt: skip
        assert find(name) == "acme: holiday/Dune 2.jpg", name
    assert find("Käse [1].jpg", "bolt") == "bolt: Käse [1].jpg"


def test_several_are_listed_and_none_says_where_to_look(find: Find) -> None:
    with pytest.raises(AmbiguousImage) as several:
        find("Dune.jpg")
    assert "holiday/Dune.jpg" in str(several.value)
    assert "work/Dune.jpg" in str(several.value)
    with pytest.raises(AmbiguousImage):
        find("holiday/*")
    with pytest.raises(UnknownImage, match="--text"):
        find("Dunes.jpg")
    with pytest.raises(UnknownImage):
        find("Dune 2.jpg", "bolt")


def test_by_a_path_on_disk_in_a_bucket_or_of_a_copy_elsewhere(
    platform: Platform, find: Find, tmp_path: Path
) -> None:
    inside = platform.settings.home / "buckets/acme/incoming/work/Dune.jpg"
    assert find(str(inside)) == "acme: work/Dune.jpg"
    copy = tmp_path / "copy.jpg"
    copy.write_bytes(inside.read_bytes())
    with pytest.raises(UnknownImage):
        find(str(copy))  # its bytes were not read yet
    for claim in world.claim(platform.store, now=platform.clock()):
        row = platform.store.get(claim.image_id)
        assert row is not None
        sha256 = platform.objects.digest(row.bucket, row.key).sha256
        done = world.completed(claim, sha256=sha256)
        platform.store.commit([(claim, done)], platform.clock(), "run-1")
    assert find(str(copy)) == "acme: work/Dune.jpg"
    unknown = tmp_path / "unknown.jpg"
    unknown.write_bytes(b"nothing we know")
    with pytest.raises(UnknownImage):
        find(str(unknown))
