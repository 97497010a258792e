"""Rows one page after the other, so that no caller holds a cursor of its own.

A page is read when the caller asks for it. The cursor is the id of the last row, so a row that
changes between two pages is neither skipped nor seen twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain

from parjanya_dagster.truth.image_reader import Batched
from parjanya_dagster.truth.models import ImageRow
from parjanya_dagster.truth.store.images import Images
from parjanya_dagster.truth.store.likeness import Likenesses

PAGE = 1000  # rows


def batch_pages(
    images: Batched, batches: Sequence[str], size: int = PAGE
) -> Iterator[list[ImageRow]]:
    """The rows of these batches together, in the order of their ids."""
    return _pages(lambda after: images.rows(batches, after, size))


def batch_rows(images: Batched, batches: Sequence[str], size: int = PAGE) -> Iterator[ImageRow]:
    return chain.from_iterable(batch_pages(images, batches, size))


def present_pages(
    images: Images, tenant: str, size: int = PAGE, *, after: str = ""
) -> Iterator[list[ImageRow]]:
    """A tenant's rows whose object is in its bucket, in the order of their ids, after an id."""
    return _pages(lambda last: images.present(tenant, last, size), after)


def present_rows(images: Images, tenant: str, size: int = PAGE) -> Iterator[ImageRow]:
    return chain.from_iterable(present_pages(images, tenant, size))


def failed_pages(
    images: Images, tenant: str, failure_class: str, size: int = PAGE
) -> Iterator[list[ImageRow]]:
    """A tenant's failed rows of one class, in the order of their ids."""
    return _pages(lambda after: images.failed(tenant, failure_class, after, size))


def copies_pages(
    store: Likenesses, tenant: str, sha256: str, size: int = PAGE
) -> Iterator[list[ImageRow]]:
    """A tenant's present rows with these bytes, earliest arrival first."""
    last: ImageRow | None = None
    while page := store.copies(tenant, sha256, last, size):
        last = page[-1]
        yield page


def _pages(read: Callable[[str], list[ImageRow]], after: str = "") -> Iterator[list[ImageRow]]:
    while page := read(after):
        after = page[-1].image_id
        yield page
