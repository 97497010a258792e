"""Buckets in memory, and the notifications that come from them: late, twice, or never."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from parjanya_dagster.errors import ListingIncomplete, ObjectGone, StorageUnavailable
from parjanya_dagster.objects.store import LeftOut, NewObject, Object, ObjectInfo
from parjanya_dagster.truth.models import Arrival

PREVIEWS = "previews/"


@dataclass
class Buckets:
    """See `objects.store.Objects`. A bucket is named like its tenant."""

    objects: dict[tuple[str, str], ObjectInfo] = field(default_factory=dict)
    notifications: list[Arrival] = field(default_factory=list)
    versions: int = 0
    lost_previews: set[str] = field(
        default_factory=set
    )  # keys; all others that are named are there
    away: set[str] = field(default_factory=set)  # buckets whose volume is not mounted
    unreadable: dict[str, str] = field(default_factory=dict)  # bucket -> a folder of it
    refusing: set[str] = field(default_factory=set)  # buckets that take no manifests

    def upload(self, bucket: str, key: str, now: float) -> Arrival:
        self.versions += 1
        info = ObjectInfo(key, f"v{self.versions}", 100 + self.versions, now)
        self.objects[bucket, key] = info
        return Arrival(
            tenant=bucket,
            bucket=bucket,
            key=key,
            version=info.version,
            size=info.size,
            landed_at=now,
        )

    def delete(self, bucket: str, key: str) -> None:
        self.objects.pop((bucket, key), None)

    def identity(self, bucket: str) -> str | None:
        """An unmounted volume leaves an empty folder, which has no marker."""
        return None if bucket in self.away else f"volume of {bucket}"

    def mark(self, bucket: str) -> str:
        return self.identity(bucket) or f"empty folder {bucket}"

    def get(self, bucket: str, key: str, version: str = "") -> Object:
        return Object(b"", self.head(bucket, key).version)

    def put(self, bucket: str, key: str, data: bytes, content_type: str) -> None:
        raise AssertionError("nothing writes objects in the simulation")

    def put_many(self, bucket: str, objects: Sequence[NewObject]) -> None:
        raise AssertionError("nothing writes objects in the simulation")

    def head(self, bucket: str, key: str) -> ObjectInfo:
        if bucket in self.away:
            raise StorageUnavailable(f"The bucket {bucket!r} has no marker.")
        if self._hidden(bucket, key):
            raise StorageUnavailable(f"Cannot look into {self.unreadable[bucket]!r}.")
        if key.startswith(PREVIEWS) and key not in self.lost_previews:
            return ObjectInfo(key, "1", 1, 0.0)
        try:
            return self.objects[bucket, key]
        except KeyError:
            raise ObjectGone(key) from None

    def listing(
        self, bucket: str, prefix: str, after: str = "", left_out: LeftOut | None = None
    ) -> Iterator[ObjectInfo]:
        for (name, key), info in sorted(self.objects.items()):
            seen = bucket not in self.away and not self._hidden(bucket, key)
            if name == bucket and seen and key.startswith(prefix) and key > after:
                yield info
        if bucket in self.unreadable and bucket not in self.away:
            raise ListingIncomplete(bucket, {self.unreadable[bucket]: "Permission denied."})

    def _hidden(self, bucket: str, key: str) -> bool:
        return bucket in self.unreadable and key.startswith(self.unreadable[bucket])

    def buckets(self) -> list[str]:
        return sorted({bucket for bucket, _ in self.objects})

    def complete(self, bucket: str, info: ObjectInfo, now: float) -> bool:
        return True
