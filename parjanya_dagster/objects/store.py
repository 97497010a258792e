"""Object bytes: one interface for a folder of buckets and for S3.

Writes are atomic: a reader sees the whole object or none. A bucket and a key come from Truth.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """One object of a listing."""

    key: str
    version: str  # changes whenever the bytes may have changed
    size: int  # bytes
    modified_at: float  # seconds since the epoch


@dataclass(frozen=True, slots=True)
class Object:
    """An object's bytes, and the version that they are."""

    data: bytes
    version: str


@dataclass(frozen=True, slots=True)
class PresignedPut:
    """A URL to put one object with, and the headers that the request must carry."""

    url: str
    headers: Mapping[str, str]


class Objects(Protocol):
    """Buckets. Methods raise StorageUnavailable when the storage does not answer.

    What cannot be seen is unavailable and never gone: a bucket must say who it is before its
    emptiness, or that an object is not in it, is believed.
    """

    def identity(self, bucket: str) -> str | None:
        """Which bucket this is, by what was written into it. None: nobody has marked it yet.

        Raises StorageUnavailable where the bucket is not there or may not be looked into.
        """

    def mark(self, bucket: str) -> str:
        """Give a bucket that is there an identity, unless it has one. Returns its identity."""

    def get(self, bucket: str, key: str) -> Object:
        """Raises ObjectGone where there is no such object."""

    def put(self, bucket: str, key: str, data: bytes, content_type: str) -> None:
        """Write an object whole. When this returns, the object survives a loss of power."""

    def head(self, bucket: str, key: str) -> ObjectInfo:
        """Raises ObjectGone where there is no such object."""

    def listing(self, bucket: str, prefix: str, after: str = "") -> Iterator[ObjectInfo]:
        """The objects whose key begins with the prefix, in the order of keys, after a key.

        Raises ListingIncomplete after the last one where some folders could not be looked into.
        """

    def buckets(self) -> list[str]:
        """The buckets that can be listed, where the storage can tell."""

    def complete(self, bucket: str, info: ObjectInfo, now: float) -> bool:
        """Whether the object is written completely, as far as the storage can know."""

    def presigned_put(
        self, bucket: str, key: str, content_type: str, size: int, seconds: int
    ) -> PresignedPut | None:
        """A URL to put one object of that type and size, once, within so many seconds.

        None: this storage has no such URLs.
        """
