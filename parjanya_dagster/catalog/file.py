"""The catalog's file: entries, the words they are found by, and how far Truth was followed.

SQLite, so any number of processes read while one writes. Each entry has a slot, its place in the
columns of `catalog.columns`. Each transaction that changes entries has a number, so that a reader
takes over only what is new to it.
"""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from parjanya_dagster.catalog.entry import Entry
from parjanya_dagster.catalog.facets import FACETS, SORTS
from parjanya_dagster.catalog.postings import Postings

VERSION = "3"
"""Of the tables and of what entries hold. A file of another version is built again."""
PATIENCE = 30.0  # seconds to wait for another process's transaction
CHUNK = 500  # parameters of one statement

_TABLES = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE vocabulary (
    facet TEXT, code INTEGER, value TEXT NOT NULL, PRIMARY KEY (facet, code)
) WITHOUT ROWID;
CREATE TABLE images (
    slot INTEGER PRIMARY KEY, image_id TEXT NOT NULL UNIQUE, batch TEXT NOT NULL,
    stamp TEXT NOT NULL, written INTEGER NOT NULL, packed BLOB NOT NULL, words TEXT NOT NULL,
    shown BLOB NOT NULL
);
CREATE INDEX images_batch ON images (batch);
CREATE INDEX images_written ON images (written);
CREATE TABLE postings (
    word TEXT, chunk INTEGER, slots BLOB NOT NULL, PRIMARY KEY (word, chunk)
) WITHOUT ROWID;
CREATE TABLE batches (
    batch TEXT PRIMARY KEY, mark TEXT NOT NULL, settled INTEGER NOT NULL
) WITHOUT ROWID;
"""

PACKED = np.dtype(
    [("present", "<i4"), ("codes", "<i4", (len(FACETS),)), ("sorts", "<f8", (len(SORTS),))]
)
"""An entry's place in the columns. Code 0 of a facet is: no value."""

Values = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Delta:
    """What was written since a reader looked last."""

    build: str
    written: int
    slots: NDArray[np.int64]
    packed: NDArray[np.void]
    vocabulary: Mapping[str, Sequence[tuple[int, Values]]]  # facet -> new codes and their values


class CatalogFile:
    """One connection to the file. Not for several threads at once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._inode, self._connection = _open(path)
        self.postings = Postings(self._connection)
        self._codes: dict[str, dict[Values, int]] = {}
        self._codes_of = ("", -1)  # build and transaction that they are those of

    def close(self) -> None:
        self._connection.close()

    @property
    def deleted(self) -> bool:
        """Whether somebody removed the file, or put another in its place."""
        try:
            return self.path.stat().st_ino != self._inode
        except FileNotFoundError:
            return True

    def meta(self) -> dict[str, str]:
        return dict(self._connection.execute("SELECT name, value FROM meta"))

    def note(self, **values: Any) -> None:
        with self._connection:
            self._note(values)

    def empty(self) -> None:
        """Remove everything, so that it is built again."""
        with self._connection:
            for table in ("images", "postings", "batches", "vocabulary", "meta"):
                self._connection.execute(f"DELETE FROM {table}")
            self._note(_first())

    # what the follower reads and writes

    def marks(self) -> dict[str, tuple[str, bool]]:
        """Batch -> its mark when it was read last, and whether all its images were settled."""
        found = self._connection.execute("SELECT batch, mark, settled FROM batches")
        return {batch: (mark, bool(settled)) for batch, mark, settled in found}

    def mark(self, batch: str, mark: str, settled: bool) -> None:
        with self._connection:
            self._connection.execute(
                "INSERT OR REPLACE INTO batches VALUES (?, ?, ?)", (batch, mark, int(settled))
            )

    def stamps(self, batch: str) -> dict[str, str]:
        return dict(
            self._connection.execute("SELECT image_id, stamp FROM images WHERE batch = ?", (batch,))
        )

    def put(self, entries: Sequence[Entry]) -> None:
        """Write entries over those of the same images, in one transaction."""
        if not entries:
            return
        self._connection.execute("BEGIN IMMEDIATE")
        with self._connection:
            meta = self.meta()
            written, free = int(meta["written"]) + 1, int(meta["slots"])
            known = self._known([entry.image_id for entry in entries])
            if self._codes_of != (
                meta["build"],
                written - 1,
            ):  # another process wrote, or we failed
                self._codes = {}
            self._codes_of = ("", -1)
            places, gone, come = [], [], []
            for entry in entries:
                slot, old = known.get(entry.image_id, (-1, frozenset[str]()))
                if slot < 0:
                    slot, free = free, free + 1
                new = entry.words if entry.present else frozenset[str]()
                gone.append((slot, old - new))
                come.append((slot, new - old))
                places.append((slot, entry.image_id, entry.batch, entry.stamp, written,
                               self._packed(entry), " ".join(sorted(new)),
                               orjson.dumps(entry.shown)))  # fmt: skip
            self._connection.executemany(
                "INSERT OR REPLACE INTO images VALUES (?, ?, ?, ?, ?, ?, ?, ?)", places
            )
            self.postings.change(come, gone)
            self._note({"written": written, "slots": free})
        self._codes_of = (meta["build"], written)

    def _known(self, ids: Sequence[str]) -> dict[str, tuple[int, frozenset[str]]]:
        found = {}
        for start in range(0, len(ids), CHUNK):
            part = ids[start : start + CHUNK]
            for image_id, slot, words in self._connection.execute(
                f"SELECT image_id, slot, words FROM images WHERE image_id IN ({_places(part)})",
                part,
            ):
                found[image_id] = (slot, frozenset(words.split()))
        return found

    def _packed(self, entry: Entry) -> bytes:
        codes = [self._code(facet.name, values)
                 for facet, values in zip(FACETS, entry.facets, strict=True)]  # fmt: skip
        packed = np.zeros((), PACKED)
        packed["present"] = entry.present
        packed["codes"] = codes if entry.present else 0
        packed["sorts"] = entry.sorts
        return packed.tobytes()

    def _code(self, facet: str, values: Values) -> int:
        codes = self._codes.get(facet)
        if codes is None:
            found = self._connection.execute(
                "SELECT code, value FROM vocabulary WHERE facet = ?", (facet,)
            )
            codes = {tuple(orjson.loads(value)): code for code, value in found}
            self._codes[facet] = codes
        if not values:
            return 0
        code = codes.get(values)
        if code is None:
            code = codes[values] = len(codes) + 1
            self._connection.execute(
                "INSERT INTO vocabulary VALUES (?, ?, ?)",
                (facet, code, orjson.dumps(values).decode()),
            )
        return code

    # what readers read

    def since(self, written: int, sizes: Mapping[str, int]) -> Delta:
        """What was written after that transaction. `sizes`: how many codes of each facet are known.

        All of it, where the file was emptied meanwhile: the caller compares `build`.
        """
        self._connection.execute("BEGIN")
        with self._connection:
            meta = self.meta()
            found = self._connection.execute(
                "SELECT slot, packed FROM images WHERE written > ?", (written,)
            ).fetchall()
            vocabulary: dict[str, list[tuple[int, Values]]] = {}
            for facet in FACETS:
                vocabulary[facet.name] = [
                    (code, tuple(orjson.loads(value)))
                    for code, value in self._connection.execute(
                        "SELECT code, value FROM vocabulary WHERE facet = ? AND code >= ?",
                        (facet.name, sizes.get(facet.name, 0)),
                    )
                ]
        slots = np.fromiter((slot for slot, _ in found), np.int64, len(found))
        packed = np.frombuffer(b"".join(blob for _, blob in found), PACKED)
        return Delta(meta["build"], int(meta["written"]), slots, packed, vocabulary)

    def shown(self, slots: Sequence[int]) -> list[tuple[str, dict[str, Any]]]:
        """Image ids and what a tile shows, in the order of the slots."""
        found: dict[int, tuple[str, dict[str, Any]]] = {}
        for start in range(0, len(slots), CHUNK):
            part = slots[start : start + CHUNK]
            for slot, image_id, shown in self._connection.execute(
                f"SELECT slot, image_id, shown FROM images WHERE slot IN ({_places(part)})", part
            ):
                found[slot] = (image_id, orjson.loads(shown))
        return [found[slot] for slot in slots if slot in found]

    def slot(self, image_id: str) -> int | None:
        found = self._connection.execute(
            "SELECT slot FROM images WHERE image_id = ?", (image_id,)
        ).fetchone()
        return found[0] if found else None

    def ids_from(self, prefix: str, limit: int) -> list[str]:
        """Ids that begin so."""
        found = self._connection.execute(
            "SELECT image_id FROM images WHERE image_id >= ? AND image_id < ? LIMIT ?",
            (prefix, prefix + "\uffff", limit),
        )
        return [image_id for (image_id,) in found]

    def _note(self, values: Mapping[str, Any]) -> None:
        self._connection.executemany(
            "INSERT OR REPLACE INTO meta VALUES (?, ?)",
            [(name, str(value)) for name, value in values.items()],
        )


def _open(path: Path) -> tuple[int, sqlite3.Connection]:
    """Open or make the file. One of another version, or a damaged one, is made anew."""
    for last in (False, True):
        connection = sqlite3.connect(path, timeout=PATIENCE, check_same_thread=False)
        try:
            # It may be lost at any time, so nothing waits for the disk.
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=OFF")
            connection.execute("PRAGMA cache_size=-65536")
            connection.execute("BEGIN IMMEDIATE")
            with connection:
                version = _version(connection)
                if version is None:
                    for statement in _TABLES.split(";"):
                        connection.execute(statement)
                    connection.executemany("INSERT INTO meta VALUES (?, ?)", _first().items())
                    version = VERSION
            if version == VERSION:
                return path.stat().st_ino, connection
        except sqlite3.DatabaseError as error:
            if last or isinstance(error, sqlite3.OperationalError):
                raise
        connection.close()
        remove(path)
    raise AssertionError("a new file has the current version")


def remove(path: Path) -> None:
    """Remove the catalog. Whoever needs it builds it again."""
    for suffix in ("", "-wal", "-shm"):
        with suppress(FileNotFoundError):
            path.with_name(path.name + suffix).unlink()


def _version(connection: sqlite3.Connection) -> str | None:
    """The version of a file. None: it is empty."""
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    if not tables:
        return None
    if "meta" not in tables:
        return ""
    found = connection.execute("SELECT value FROM meta WHERE name = 'version'").fetchone()
    return str(found[0]) if found else ""


def _first() -> dict[str, str]:
    return {"version": VERSION, "build": uuid.uuid4().hex, "written": "0", "slots": "0"}


def _places(values: Iterable[Any]) -> str:
    return ", ".join("?" for _ in values)
