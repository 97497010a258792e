"""Which split a group belongs to, and how a split is cut into parts. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol, TypeVar

_SCALE = 1 << 64


class Sized(Protocol):
    """Something with a size in bytes."""

    @property
    def size(self) -> int: ...


T = TypeVar("T", bound=Sized)


def split_of(group: str, shares: Sequence[tuple[str, float]]) -> str:
    """The split of a group, by a hash of its name.

    It depends on nothing but the name and the shares, so images that come later move no others.
    """
    digest = hashlib.sha256(b"parjanya split\0" + group.encode()).digest()
    at = int.from_bytes(digest[:8], "big") / _SCALE
    reached = 0.0
    for name, share in shares:
        reached += share
        if at < reached:
            return name
    return shares[-1][0]


def parts(items: Iterable[T], most_items: int, most_bytes: int) -> Iterator[list[T]]:
    """Items in parts of limited number and size. One that is larger has a part of its own."""
    part: list[T] = []
    size = 0
    for item in items:
        if part and (len(part) == most_items or size + item.size > most_bytes):
            yield part
            part, size = [], 0
        part.append(item)
        size += item.size
    if part:
        yield part
