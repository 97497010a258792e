"""What was filed for likeness, tenant by tenant: a log of pages, and copies of its old part.

A page has the images of one commit. Pages are numbered without a gap and never change. Whoever
searches reads all of them. So that a long log costs little more than a short one, complete runs of
pages are copied into the tenant's bucket, as one object each. Copies are Belief: any may be
missing, damaged or deleted, and is made again from the table by whoever misses it.

Each page names the digest of all before it. A copy tells the digest before and after it, so a copy
from before a table was restored or made anew is known to be none of this log's.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from parjanya_dagster.errors import ObjectGone, StorageUnavailable, TruthUnavailable
from parjanya_dagster.lines import get_logger
from parjanya_dagster.truth.dynamo import codec, filings, keys
from parjanya_dagster.truth.dynamo.codec import Item
from parjanya_dagster.truth.dynamo.filings import Filing, Filings
from parjanya_dagster.truth.dynamo.wire import ABSENT, Put, Wire

if TYPE_CHECKING:
    from parjanya_dagster.objects.store import Objects

log = get_logger(__name__)
Image = tuple[str, float, Mapping[str, int]]
"""An image to file: its id, when it landed, its keys with their hashes."""

MOST_IMAGES = 500  # in a page: 143 KB, of the 400 that an item may have
FEW, MANY = 64, 1024  # pages in a copy; those of MANY are made of those of FEW
LATELY = 60.0  # seconds for which it is believed that the log still has the page we wrote last
ROUNDS = 50  # how often another was quicker with the next page
ROOT = "likeness/"
"""Copies are below this prefix of a tenant's bucket."""
_DIGEST = 16  # bytes
_BEGINNING = bytes(_DIGEST)


@dataclass(frozen=True, slots=True)
class _Page:
    number: int
    before: bytes  # digest of all pages before
    filed: bytes

    @property
    def after(self) -> bytes:
        return hashlib.sha256(self.before + self.filed).digest()[:_DIGEST]


@dataclass(frozen=True, slots=True)
class _Stretch:
    """A part of the log: the digests before and after it, and what was found or is in it."""

    before: bytes
    after: bytes
    filings: Filings


class FilingLog:
    """The log of each tenant. `objects`: where copies are kept. None: nowhere."""

    def __init__(
        self,
        wire: Wire,
        objects: Objects | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.wire, self.objects, self.clock = wire, objects, clock
        # What we wrote last, and when: a guess. A table may be restored under the same name.
        self._last: dict[str, tuple[int, bytes, float]] = {}

    def append(self, tenant: str, images: Sequence[Image]) -> None:
        """File images. When this returns, every search that begins later finds them."""
        for start in range(0, len(images), MOST_IMAGES):
            some = images[start : start + MOST_IMAGES]
            self._append(tenant, filings.packed(filings.of_images(some)))

    def _append(self, tenant: str, filed: bytes) -> None:
        known = self._last.get(tenant)
        last = known[:2] if known and self.clock() - known[2] < LATELY else None
        for lost in range(ROUNDS):
            if lost > 1:  # the first time we may only have guessed wrong
                self.wire.rest(lost - 2)
            number, digest = last or self._end(tenant)
            page = _Page(number + 1, digest, filed)
            item = codec.attributes({"before": page.before, "filed": filed})
            there = self.wire.write(Put(keys.filing(tenant, page.number), item, ABSENT))
            if there is None:
                self._last[tenant] = page.number, page.after, self.clock()
                return
            last = None
        raise TruthUnavailable(f"Others file images of {tenant!r} all the time.")

    def _end(self, tenant: str) -> tuple[int, bytes]:
        """The number of the last page, -1 if there is none, and the digest of all of them."""
        pk, _ = keys.filing(tenant, 0)
        for item in self.wire.query(pk, most=1, backwards=True):
            page = _page(item)
            return page.number, page.after
        return -1, _BEGINNING

    def search(self, tenant: str, bucket: str, codes: Iterable[int], most: int) -> list[Filing]:
        """What is filed under these keys, in the order of filing; of each key the first to land."""
        last, _ = self._end(tenant)
        if last < 0:
            return []
        wanted = sorted(set(codes))
        complete = _complete(last + 1) if self.objects is not None and bucket else []
        end = sum(complete[-1]) if complete else 0
        tail = list(self._pages(tenant, max(0, end - 1)))

        def look(place: tuple[int, int]) -> tuple[bytes, bytes, list[Filing]]:
            stretch = self._copied(tenant, bucket, *place)
            return stretch.before, stretch.after, filings.found(stretch.filings, wanted, most)

        looks = self.wire.each(look, complete)
        if complete and not _linked([(before, after) for before, after, _ in looks], tail[0].after):
            log.warning("copies_of_likeness_are_of_another_log", tenant=tenant)
            fresh = [self._made(tenant, bucket, *place, believed=False) for place in complete]
            looks = [
                (one.before, one.after, filings.found(one.filings, wanted, most)) for one in fresh
            ]
        found = [one for _, _, some in looks for one in some]
        rest = [filings.unpacked(page.filed) for page in tail if page.number >= end]
        return found + (filings.found(filings.joined(rest), wanted, most) if rest else [])

    def _pages(self, tenant: str, start: int, most: int | None = None) -> Iterator[_Page]:
        pk, sk = keys.filing(tenant, start)
        return map(_page, self.wire.query(pk, (">=", sk), most=most))

    def _copied(self, tenant: str, bucket: str, start: int, pages: int) -> _Stretch:
        """A stretch of the log from its copy, which is made where it is missing."""
        assert self.objects is not None
        try:
            return _stretch(self.objects.get(bucket, _name(start, pages)).data)
        except (ObjectGone, StorageUnavailable):
            pass
        except ValueError as error:
            log.warning("copy_of_likeness_damaged", tenant=tenant, why=str(error))
        return self._made(tenant, bucket, start, pages)

    def _made(
        self, tenant: str, bucket: str, start: int, pages: int, *, believed: bool = True
    ) -> _Stretch:
        """A stretch from the table, or from smaller copies where they are `believed`."""
        if pages == FEW or not believed:
            read = list(self._pages(tenant, start, pages))
            ends = [(page.before, page.after) for page in read]
            blocks = [filings.unpacked(page.filed) for page in read]
        else:
            parts = [self._copied(tenant, bucket, n, FEW) for n in range(start, start + pages, FEW)]
            ends = [(part.before, part.after) for part in parts]
            blocks = [part.filings for part in parts]
        if not ends:
            return _Stretch(b"", b"", filings.of_images(()))
        stretch = _Stretch(ends[0][0], ends[-1][1], filings.joined(blocks))
        if _linked(ends, stretch.after):
            self._copy(bucket, _name(start, pages), stretch)
        elif believed:
            return self._made(tenant, bucket, start, pages, believed=False)
        return stretch

    def _copy(self, bucket: str, key: str, stretch: _Stretch) -> None:
        assert self.objects is not None
        data = stretch.before + stretch.after + filings.packed(stretch.filings)
        try:
            self.objects.put(bucket, key, data, "application/octet-stream")
        except StorageUnavailable as error:
            log.warning("likeness_not_copied", bucket=bucket, key=key, why=str(error))


def _page(item: Item) -> _Page:
    return _Page(int(codec.text(item, "sk")), bytes(item["before"]["B"]), bytes(item["filed"]["B"]))


def _complete(pages: int) -> list[tuple[int, int]]:
    """The first page and the number of pages of each copy that so many pages are enough for."""
    many = pages // MANY * MANY
    return [(start, MANY) for start in range(0, many, MANY)] + [
        (start, FEW) for start in range(many, pages - FEW + 1, FEW)
    ]


def _linked(ends: Sequence[tuple[bytes, bytes]], last: bytes) -> bool:
    """Whether each part begins where the one before it ends, and the last one ends as it should."""
    begin = [before for before, _ in ends[1:]] + [last]
    return all(after == next_ for (_, after), next_ in zip(ends, begin, strict=True))


def _name(start: int, pages: int) -> str:
    return f"{ROOT}{pages}/{start // pages:08d}"


def _stretch(data: bytes) -> _Stretch:
    before, after, rest = data[:_DIGEST], data[_DIGEST : 2 * _DIGEST], data[2 * _DIGEST :]
    return _Stretch(before, after, filings.unpacked(rest))
