"""Object bytes: one interface for a folder of buckets and for S3.

Writes are atomic: a reader sees the whole object or none. A bucket and a key come from Truth.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from parjanya_dagster.objects.keys import Aside

LeftOut = Callable[[str, Aside], None]
"""Is told of what lies among the objects and is none: its key, and what it is."""


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
class Digest:
    """What an object's bytes are, and the version that they are."""

    sha256: str
    version: str


@dataclass(frozen=True, slots=True)
class PresignedPut:
    """A URL to put one object with, and the headers that the request must carry."""

    url: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewObject:
    """What is to be written under a key."""

    key: str
    data: bytes
    content_type: str


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

    def get(self, bucket: str, key: str, version: str = "") -> Object:
        """Raises ObjectGone where there is no such object.

        With a version, only that one is read: another comes back as what it is, without bytes.
        """

    def beginning(self, bucket: str, key: str, size: int) -> bytes:
        """The first bytes of an object, `size` at most. Raises ObjectGone."""

    def digest(self, bucket: str, key: str) -> Digest:
        """Read an object without holding it in memory. Raises ObjectGone."""

    def put(self, bucket: str, key: str, data: bytes, content_type: str) -> None:
        """Write an object whole. When this returns, the object survives a loss of power."""

    def put_many(self, bucket: str, objects: Sequence[NewObject]) -> None:
        """Write each object whole. When this returns, all of them survive a loss of power.

        Cheaper than one by one where the storage is a disk. Where it raises, any of the objects
        may have been written: write them all again.
        """

    def put_over(self, bucket: str, key: str, data: bytes, content_type: str, version: str) -> bool:
        """Write an object over that version of it, where "" means that there is none.

        False: another version lies there, and nothing was written. Of two who write over the same
        version, in whatever processes, one does.
        """

    def place(self, bucket: str, key: str) -> str:
        """Where an object is, for other programs: a path, or an s3:// address."""

    def head(self, bucket: str, key: str) -> ObjectInfo:
        """Raises ObjectGone where there is no such object."""

    def listing(
        self, bucket: str, prefix: str, after: str = "", left_out: LeftOut | None = None
    ) -> Iterator[ObjectInfo]:
        """The objects whose key begins with the prefix, in the order of keys, after a key.

        `left_out` is told of hidden files and folders, links to folders and the like, as they are
        met. An unreadable folder is told before what follows it, with a slash at its end.

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

    def presigned_download(
        self, bucket: str, key: str, disposition: str, seconds: int
    ) -> str | None:
        """A URL to get what lies there as unknown bytes, within so many seconds.

        `disposition`: the answer's header Content-Disposition. None: this storage has no such URLs.
        """
