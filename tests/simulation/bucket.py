"""Buckets in memory, and the notifications that come from them: late, twice, or never."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from parjanya_dagster.errors import ObjectGone
from parjanya_dagster.objects.store import Object, ObjectInfo
from parjanya_dagster.truth.models import Arrival


@dataclass
class Buckets:
    """See `truth.objects.Objects`. A bucket is named like its tenant."""

    objects: dict[tuple[str, str], ObjectInfo] = field(default_factory=dict)
    notifications: list[Arrival] = field(default_factory=list)
    versions: int = 0

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

    def get(self, bucket: str, key: str) -> Object:
        return Object(b"", self.head(bucket, key).version)

    def put(self, bucket: str, key: str, data: bytes, content_type: str) -> None:
        raise AssertionError("nothing writes objects in the simulation")

    def head(self, bucket: str, key: str) -> ObjectInfo:
        try:
            return self.objects[bucket, key]
        except KeyError:
            raise ObjectGone(key) from None

    def listing(self, bucket: str, prefix: str) -> Iterator[ObjectInfo]:
        for (name, key), info in list(self.objects.items()):
            if name == bucket and key.startswith(prefix):
                yield info

    def buckets(self) -> list[str]:
        return sorted({bucket for bucket, _ in self.objects})

    def complete(self, bucket: str, info: ObjectInfo, now: float) -> bool:
        return True
