"""What the commands read of images in an embedded Truth, over SQLite alone.

Each answer is the store's own, as with `reader`: a test compares them.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Protocol

from parjanya_dagster.truth.documents import dumps, loads
from parjanya_dagster.truth.models import (
    PRESENT,
    Decided,
    Event,
    Evidence,
    Heartbeat,
    ImageRow,
    Tenant,
)
from parjanya_dagster.truth.reader import Reader
from parjanya_dagster.truth.records import Holder
from parjanya_dagster.truth.reviews import Review
from parjanya_dagster.truth.stages import Status
from parjanya_dagster.truth.storable import storable_parameters

VERSIONS = 100  # of one key are found


class Found(Protocol):
    """The reads by which an image is found. The store has all of these reads too."""

    def get(self, image_id: str) -> ImageRow | None: ...

    def find(self, key: str, tenant: str | None = None) -> list[ImageRow]: ...

    def starting_with(
        self, prefix: str, tenant: str | None = None, limit: int = 20
    ) -> list[ImageRow]: ...


class Batched(Protocol):
    """The read of batches. Its pages are those of `store.paging`."""

    def rows(
        self, batches: Sequence[str], after: str = "", limit: int = 1000
    ) -> list[ImageRow]: ...


class Followed(Batched, Protocol):
    """The reads by which the catalog follows Truth."""

    def batch_marks(self) -> dict[str, str]: ...

    def evidence(
        self, rows: Sequence[ImageRow], stages: Collection[str] | None = None
    ) -> dict[str, dict[str, Evidence]]: ...


class ImagesReadable(Found, Followed, Protocol):
    """The reads of commands that look for images and explain them."""

    def tenants(self) -> list[Tenant]: ...

    def heartbeats(self, family: str = "") -> dict[str, Heartbeat]: ...

    def holders(self) -> dict[str, Holder]: ...

    def twins(
        self, tenant: str, sha256: Iterable[str], limit: int | None = None
    ) -> dict[str, list[ImageRow]]: ...

    def all_evidence(self, image_id: str) -> list[Evidence]: ...

    def history(self, image_id: str) -> list[Event]: ...

    def decisions(self, image_ids: Sequence[str]) -> dict[str, list[Decided]]: ...

    def reviews(self, image_id: str) -> list[Review]: ...


class ImageReader(Reader):
    """Reads the images of an embedded Truth too. Raises what a `Reader` raises."""

    def get(self, image_id: str) -> ImageRow | None:
        rows = self._images("image_id = ?", [image_id])
        return rows[0] if rows else None

    def find(self, key: str, tenant: str | None = None) -> list[ImageRow]:
        return self._images(
            "key = ? AND tenant = coalesce(?, tenant) "
            "ORDER BY landed_at DESC, arrived_at DESC LIMIT ?",
            [key, tenant, VERSIONS],
        )

    def starting_with(
        self, prefix: str, tenant: str | None = None, limit: int = 20
    ) -> list[ImageRow]:
        return self._images(
            "image_id >= ? AND image_id < ? AND object_state = ? AND tenant = coalesce(?, tenant) "
            "ORDER BY image_id LIMIT ?",
            [prefix, prefix + "\U0010ffff", PRESENT, tenant, limit],
        )

    def twins(
        self, tenant: str, sha256: Iterable[str], limit: int | None = None
    ) -> dict[str, list[ImageRow]]:
        most = -1 if limit is None else limit
        found = {
            sha: self._images(
                "tenant = ? AND sha256 = ? AND object_state = ? "
                "ORDER BY landed_at, image_id LIMIT ?",
                [tenant, sha, PRESENT, most],
            )
            for sha in sorted(set(sha256))
        }
        return {sha: rows for sha, rows in found.items() if rows}

    def rows(self, batches: Sequence[str], after: str = "", limit: int = 1000) -> list[ImageRow]:
        return self._images(
            "batch IN (SELECT value FROM json_each(?)) AND image_id > ? ORDER BY image_id LIMIT ?",
            [dumps(list(batches)), after, limit],
        )

    def batch_marks(self) -> dict[str, str]:
        found = self._select("SELECT batch, registered, decided FROM batches", [])
        return {row["batch"]: f"{row['registered']}.{row['decided']}" for row in found}

    def evidence(
        self, rows: Sequence[ImageRow], stages: Collection[str] | None = None
    ) -> dict[str, dict[str, Evidence]]:
        wanted = [
            (row.image_id, stage, fingerprint)
            for row in rows
            for stage, fingerprint in row.evidence.items()
            if stages is None or stage in stages
        ]
        found = self._select(
            "SELECT evidence.* FROM json_each(?) AS wanted CROSS JOIN evidence "
            "ON image_id = json_extract(wanted.value, '$[0]') "
            "AND stage = json_extract(wanted.value, '$[1]') "
            "AND fingerprint = json_extract(wanted.value, '$[2]')",
            [dumps(wanted)],
        )
        by_image: dict[str, dict[str, Evidence]] = {}
        for record in map(_evidence, found):
            by_image.setdefault(record.image_id, {})[record.stage] = record
        return by_image

    def all_evidence(self, image_id: str) -> list[Evidence]:
        query = "SELECT * FROM evidence WHERE image_id = ? ORDER BY created_at, stage"
        return [_evidence(row) for row in self._select(query, [image_id])]

    def history(self, image_id: str) -> list[Event]:
        query = "SELECT * FROM events WHERE image_id = ? ORDER BY event_id"
        found = [_read(row, "changes") for row in self._select(query, [image_id])]
        return [Event(**{name: row[name] for name in Event.__slots__}) for row in found]

    def decisions(self, image_ids: Sequence[str]) -> dict[str, list[Decided]]:
        found = self._select(
            "SELECT image_id, at, changes, run_id FROM events WHERE image_id IN "
            "(SELECT value FROM json_each(?)) AND kind = 'completed' AND to_status = ? "
            "ORDER BY image_id, event_id",
            [dumps(list(image_ids)), str(Status.CURATED)],
        )
        by_image: dict[str, list[Decided]] = defaultdict(list)
        for row in found:
            decided = Decided.of(row["at"], loads(row["changes"]), row["run_id"])
            by_image[row["image_id"]].append(decided)
        return dict(by_image)

    def reviews(self, image_id: str) -> list[Review]:
        query = "SELECT * FROM reviews WHERE image_id = ? ORDER BY number"
        return [Review(**_read(row, "evidence")) for row in self._select(query, [image_id])]

    def holders(self) -> dict[str, Holder]:
        found = [_read(row, "hand") for row in self._select("SELECT * FROM holders", [])]
        return {row["owner"]: Holder(**{**row, "hand": tuple(row["hand"])}) for row in found}

    def _images(self, condition: str, values: Sequence[Any]) -> list[ImageRow]:
        found = self._select(f"SELECT * FROM images WHERE {condition}", values)
        return [_image(row) for row in found]

    def _select(self, query: str, values: Sequence[Any]) -> list[sqlite3.Row]:
        with self._snapshot() as connection:
            return connection.execute(query, storable_parameters(values)).fetchall()


def _image(row: sqlite3.Row) -> ImageRow:
    columns = _read(row, "evidence", "reasons")
    columns |= {name: bool(columns[name]) for name in ("suspect", "lapsed")}
    columns["reasons"] = tuple(columns["reasons"])  # JSON has no tuples
    return ImageRow(**columns)


def _evidence(row: sqlite3.Row) -> Evidence:
    return Evidence(**_read(row, "body"))


def _read(row: sqlite3.Row, *documents: str) -> dict[str, Any]:
    """A row's columns, with the values of its documents."""
    columns: Mapping[str, Any] = {**row}
    return {**columns, **{name: loads(columns[name]) for name in documents}}
