"""A tenant with a few decided pictures, made once and copied: what releases are made of."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

from parjanya_dagster.objects.local import FolderObjects
from parjanya_dagster.objects.store import Objects
from parjanya_dagster.platform import Platform
from parjanya_dagster.release.create import Begun, begin
from parjanya_dagster.release.options import Options
from parjanya_dagster.release.writing import Writer
from parjanya_dagster.settings import Settings
from parjanya_dagster.truth.releases import Release
from parjanya_dagster.truth.reviews import ReviewDecision
from parjanya_dagster.truth.sql import open_store
from tests.support.clock import Clock
from tests.support.pictures import picture
from tests.support.stages import House

PICTURES = 7  # with EXIF and a place, of which one has a smaller copy that a person accepted
WHERE_IT_WAS = "52.5 north, 13.4 east"


def with_exif(data: bytes, orientation: int = 1) -> bytes:
    """The picture with a camera, a comment and a place in it."""
    image = Image.open(io.BytesIO(data))
    exif = image.getexif()
    exif[0x010F], exif[0x0112] = "Brand", orientation
    exif.get_ifd(0x8825).update({1: "N", 2: (52.0, 30.0, 0.0), 3: "E", 4: (13.0, 24.0, 0.0)})
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", exif=exif, comment=WHERE_IT_WAS.encode(), quality=90)
    return buffer.getvalue()


def smaller(data: bytes) -> bytes:
    image = Image.open(io.BytesIO(data))
    buffer = io.BytesIO()
    image.resize((image.width * 3 // 4, image.height * 3 // 4)).save(buffer, "JPEG", quality=80)
    return buffer.getvalue()


def fill(platform: Platform, clock: Clock, order: int = 1) -> None:
    """Let the pictures arrive and be decided. `order`: -1, the last one first."""
    house = House(platform, clock)
    originals = {f"{n}.jpg": with_exif(picture(n)) for n in range(PICTURES)}
    for name in sorted(originals, reverse=order < 0):
        house.drop(name, originals[name])
    house.sweep()
    house.drop("copy.jpg", smaller(originals["0.jpg"]))
    house.sweep()
    house.all()
    accept(platform, "copy.jpg", clock)


def accept(platform: Platform, name: str, clock: Clock, who: str = "ann") -> None:
    (row,) = platform.store.find(f"incoming/{name}", "acme")
    decision = ReviewDecision(
        image_id=row.image_id, who=who, action="accept", request_id=f"{name} {row.reviews}"
    )
    platform.store.review(decision, clock(), seen=row.reviews)


@contextmanager
def platform_in(home: Path, clock: Clock) -> Iterator[Platform]:
    settings = Settings(home=home, arrivals={"settle": 0.0}, media={"workers": 2})
    store = open_store(settings.truth_url, rules=settings.rules)
    yield Platform(settings, store, FolderObjects(home / "buckets", 0.0), clock)
    store.close()


def make_home(empty_truth: Path, home: Path, clock: Clock, order: int = 1) -> Path:
    """A home whose pictures are decided."""
    (home / "buckets").mkdir(parents=True)
    shutil.copy(empty_truth, home / "truth.db")
    with platform_in(home, clock) as platform:
        fill(platform, clock, order)
    return home


def begun(platform: Platform, options: Options | None = None, name: str = "birds") -> Begun:
    return begin(
        platform.store,
        platform.objects,
        platform.tenant("acme"),
        name,
        options or Options(),
        who="ann",
        clock=platform.clock,
    )


def released(platform: Platform, options: Options | None = None, name: str = "birds") -> Release:
    return writer(platform).write(begun(platform, options, name).release)


def writer(platform: Platform, objects: Objects | None = None) -> Writer:
    return Writer(store=platform.store, objects=objects or platform.objects, clock=platform.clock)


def files(platform: Platform, release: Release) -> dict[str, bytes]:
    """The files of a release, by their path in it."""
    folder = platform.settings.home / "buckets" / "acme" / "releases" / release.ref
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
