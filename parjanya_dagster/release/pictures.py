"""The bytes of the pictures of a release: original, preview or resized."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from parjanya_dagster.errors import ObjectGone, ReleaseBroken
from parjanya_dagster.release.items import Item
from parjanya_dagster.release.options import ORIGINAL, PREVIEW, Options
from parjanya_dagster.release.stripping import strip
from parjanya_dagster.truth.models import ImageRow

if TYPE_CHECKING:
    from parjanya_dagster.objects.store import Objects
    from parjanya_dagster.truth.store import Images

AT_ONCE = 8  # images that are read at the same time
QUALITY = 90  # of resized pictures
ENDINGS = {"jpeg": "jpg", "tiff": "tif"}
"""Of file names, where the format's name is not the usual one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """The file of one image."""

    item: Item
    data: bytes
    sha256: str  # of the data
    ending: str  # of its name

    @property
    def name(self) -> str:
        return f"{self.item.name}.{self.ending}"


def pictures(
    store: Images, objects: Objects, bucket: str, items: Sequence[Item], options: Options
) -> Iterator[Picture]:
    """The files of images, in their order.

    Raises ReleaseBroken where one is not there any more; StorageUnavailable.
    """
    rows = _rows(store, bucket, items)

    def read(item: Item) -> Picture:
        data, ending = _data(objects, rows, item, options)
        return Picture(item=item, data=data, sha256=hashlib.sha256(data).hexdigest(), ending=ending)

    with ThreadPoolExecutor(AT_ONCE, "release") as pool:
        yield from pool.map(read, items)


def _data(
    objects: Objects, rows: Mapping[tuple[str, str], ImageRow], item: Item, options: Options
) -> tuple[bytes, str]:
    row = rows.get((item.key, item.sha256))
    if row is None:
        raise ReleaseBroken(_gone(item))
    if options.pictures == ORIGINAL:
        data = _bytes(objects, row.bucket, row.key)
        if data is None or hashlib.sha256(data).hexdigest() != item.sha256:
            raise ReleaseBroken(_gone(item))
        ending = ENDINGS.get(item.format, item.format)
        return (data if options.keep_exif else _stripped(data, item)), ending
    preview = _bytes(objects, row.preview_bucket or row.bucket, row.preview_key or "")
    if preview is None:
        raise ReleaseBroken(f"{item.key} has no preview. Replay it: `parjanya replay` makes one.")
    return (preview if options.pictures == PREVIEW else _resized(preview, options.side)), "jpg"


def _bytes(objects: Objects, bucket: str, key: str) -> bytes | None:
    try:
        return objects.get(bucket, key).data if key else None
    except ObjectGone:
        return None


def _stripped(data: bytes, item: Item) -> bytes:
    try:
        return strip(data, item.format, item.orientation)
    except ReleaseBroken as error:
        raise ReleaseBroken(
            f"{item.key}: {error}. Withdraw this version and create the release again, with "
            "--bytes preview or without this image."
        ) from error


def _rows(store: Images, bucket: str, items: Sequence[Item]) -> dict[tuple[str, str], ImageRow]:
    rows = store.versions(bucket, {item.key: item.size for item in items})
    return {(row.key, str(row.sha256)): row for row in rows if row.sha256}


def _resized(preview: bytes, side: int) -> bytes:
    """One of our own previews, smaller: no stranger's bytes are decoded here."""
    from parjanya_dagster.media.pixels import load_vips

    image = load_vips().Image.thumbnail_buffer(preview, side, height=side, size="down")
    data: bytes = image.jpegsave_buffer(Q=QUALITY, keep="none")
    return data


def _gone(item: Item) -> str:
    return (
        f"{item.key} is not there any more with the bytes that were chosen "
        f"(sha256 {item.sha256}), so this version can never be written. Withdraw it and create "
        "the release again: that makes the next version, of what is there now."
    )
