"""Recognition: is an object, seen as a version that nobody knows, an image that is known?

A bucket that was copied, restored or moved shows other versions of the same bytes. Of the same key
and the same size, the bytes tell: the object is read once, and the same sha256 is the same image.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from parjanya_dagster.errors import ObjectGone, StorageUnavailable
from parjanya_dagster.objects.keys import shown
from parjanya_dagster.objects.store import Digest, Objects
from parjanya_dagster.truth.models import PRESENT, REPLACED, Arrival, ImageRow
from parjanya_dagster.truth.registration import never_read
from parjanya_dagster.truth.store import Images

THREADS = 8  # objects read side by side


@dataclass(slots=True, kw_only=True)
class Recognition:
    """Recognizes arrivals of one bucket, for as long as its time lasts.

    What it has no time to read is left out, and found again by the next sweep.
    """

    store: Images
    objects: Objects
    clock: Callable[[], float]
    seconds: float  # of reading that are left
    unread: int = 0  # arrivals that could not be told yet
    refused: dict[str, str] = field(default_factory=dict)  # what cannot be read, and why

    def recognize(self, bucket: str, arrivals: Sequence[Arrival]) -> list[Arrival]:
        """Those that can be registered now, each with the image that it is known to be.

        Raises TruthUnavailable.
        """
        known: dict[str, list[ImageRow]] = {}
        for row in self.store.versions(bucket, {one.key: one.size for one in arrivals}):
            known.setdefault(row.key, []).append(row)
        told: list[Arrival] = []
        doubtful: list[tuple[Arrival, list[ImageRow]]] = []
        for arrival in arrivals:
            rows = known.get(arrival.key, [])
            if any(arrival.image_id in (row.image_id, row.location) for row in rows):
                told.append(arrival)  # Truth knows this version
            elif any(row.sha256 for row in rows):
                doubtful.append((arrival, rows))
            else:
                told.append(_same_as(arrival, rows, None))
        while doubtful and self.seconds > 0:
            group, doubtful = doubtful[:THREADS], doubtful[THREADS:]
            told += self._read(group)
        self.unread += len(doubtful)
        return told

    def _read(self, group: Sequence[tuple[Arrival, list[ImageRow]]]) -> list[Arrival]:
        began = self.clock()
        with ThreadPoolExecutor(THREADS, "recognize") as pool:
            digests = list(pool.map(self._digest, [arrival for arrival, _ in group]))
        self.seconds -= self.clock() - began
        told = [
            _same_as(arrival, rows, digest.sha256)
            for (arrival, rows), digest in zip(group, digests, strict=True)
            if digest is not None and digest.version == arrival.version
        ]
        self.unread += len(group) - len(told)
        return told

    def _digest(self, arrival: Arrival) -> Digest | None:
        """None: it cannot be read, or is not there any more."""
        try:
            return self.objects.digest(arrival.bucket, arrival.key)
        except ObjectGone:
            return None
        except StorageUnavailable as error:  # one that cannot be read stops no other
            self.refused[shown(arrival.key)] = str(error)
            return None


def _same_as(arrival: Arrival, rows: Sequence[ImageRow], sha256: str | None) -> Arrival:
    """The arrival, and which of these images it is. The present one is asked first.

    An image whose bytes nobody has read yet may lie there as any version.
    """
    newest_first = sorted(
        rows, key=lambda row: (row.object_state == PRESENT, row.landed_at), reverse=True
    )
    for row in newest_first:
        if sha256 is not None and row.sha256 == sha256:
            return replace(arrival, same_as=row.image_id)
    for row in newest_first:
        if row.object_state != REPLACED and never_read(row):
            return replace(arrival, same_as=row.image_id)
    return arrival
