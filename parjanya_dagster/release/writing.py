"""Writes the files of a release: part by part, each complete before the next. Then reads all back.

While a part is written, the pictures of the next are read: so two parts are in memory.

The writer may die at any instruction. The next one keeps the parts that are complete and match
their hashes, and writes the others again: the same bytes under the same names. So two writers of
one release at a time do no harm.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Protocol

from parjanya_dagster.errors import ObjectGone, ReleaseBroken, ReleaseInvalid
from parjanya_dagster.objects.store import NewObject, Objects
from parjanya_dagster.release import frozen as lists
from parjanya_dagster.release.attendance import ATTENDED
from parjanya_dagster.release.bucket import proven
from parjanya_dagster.release.card import card
from parjanya_dagster.release.croissant import croissant
from parjanya_dagster.release.frozen import ROOT, Frozen, Part
from parjanya_dagster.release.options import EDITION, IMAGEFOLDER, PARQUET, WEBDATASET
from parjanya_dagster.release.pictures import Picture, pictures
from parjanya_dagster.release.shards import as_tar
from parjanya_dagster.release.table import (
    Made,
    as_parquet,
    is_whole,
    read_made,
    read_records,
    record,
)
from parjanya_dagster.release.verification import SUMS, differences, sums
from parjanya_dagster.truth.releases import COMPLETE, WITHDRAWN, WRITING, Release
from parjanya_dagster.truth.store import Buckets, Images, Releases, Tenants

TOGETHER = 32  # pictures of a folder that are written at once
_PARQUET = "application/vnd.apache.parquet"


class Source(Images, Releases, Tenants, Buckets, Protocol):
    """What a writer reads and writes of Truth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a writer is."""

    parts: int  # done
    of: int
    images: int  # of those parts
    kept: int  # parts that were there


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ready:
    """What is needed to write a part, or the table of a part that is there."""

    part: Part
    table: bytes | None
    pictures: Sequence[Picture]


@dataclass(slots=True)
class _Sofar:
    """What a writer knows of the files that are done."""

    files: list[Made] = field(default_factory=list)
    tables: list[Made] = field(default_factory=list)
    folders: dict[str, list[dict[str, Any]]] = field(default_factory=dict)  # split -> rows
    images: int = 0
    kept: int = 0
    attended_at: float = -math.inf


def root_of(release: Release) -> str:
    """What the keys of a release's files begin with."""
    return f"{ROOT}{release.ref}/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """Writes releases."""

    store: Source
    objects: Objects
    clock: Callable[[], float]
    progress: Callable[[Progress], None] = lambda _: None

    def write(self, release: Release) -> Release:
        """Write what is missing of a release, check all of it, and record that it is complete.

        Raises ReleaseBroken where it can never be written or does not read back; ReleaseInvalid
        where it is withdrawn; StorageUnavailable and TruthUnavailable: try again.
        """
        if release.state == COMPLETE:
            return release
        bucket = self._bucket(release)
        try:
            return self._write(bucket, release)
        except ReleaseBroken:
            self._bucket(release)  # what is missing may be all of it: its volume is away
            raise

    def _write(self, bucket: str, release: Release) -> Release:
        frozen = lists.read(self.objects, bucket, release.release_id)
        if frozen.options.edition != EDITION:
            raise ReleaseInvalid(
                f"{release.key} is of edition {frozen.options.edition}, and this Parjanya writes "
                f"edition {EDITION}. Withdraw it and create the release again."
            )
        done = _Sofar()
        for number, ready in enumerate(self._ready(bucket, release, frozen, done), 1):
            self._attend(release, done)
            self._part(bucket, release, frozen, ready, done)
            self.progress(
                Progress(parts=number, of=len(frozen.parts), images=done.images, kept=done.kept)
            )
        body = self._last_files(bucket, release, frozen, done)
        wrong = differences(
            self.objects,
            bucket,
            root_of(release),
            done.files,
            seen=lambda: self._attend(release, done),
        )
        if wrong:
            raise ReleaseBroken(
                f"{release.key} does not read back as it was written: {'; '.join(wrong[:5])}. "
                "Resume it: what is wrong is written again. What is none of its files is not ours: "
                "delete it."
            )
        return self._ended(bucket, release, frozen, done.files, body)

    def _ended(
        self, bucket: str, release: Release, frozen: Frozen, files: Sequence[Made], body: bytes
    ) -> Release:
        """Whoever withdraws an image records that first, and then looks for releases. So either
        that one finds this release, or we find the withdrawal."""
        withdrawn = self.store.withdrawals(release.tenant)
        if withdrawn:
            items = lists.all_items(self.objects, bucket, frozen)
            held = sorted({item.sha256 for item in items} & withdrawn.keys())
            if held:
                first = withdrawn[held[0]]
                return self.store.withdraw_release(
                    release, who=first.who, reason=first.reason, held=held, now=self.clock()
                )
        return self.store.complete_release(
            release,
            files=len(files) + 1,
            size=sum(file.size for file in files) + len(body),
            sums=hashlib.sha256(body).hexdigest(),
            now=self.clock(),
        )

    def _bucket(self, release: Release) -> str:
        tenant = self.store.tenant(release.tenant)
        assert tenant is not None, "a release belongs to a registered tenant"
        return proven(self.store, self.objects, tenant)

    def _attend(self, release: Release, done: _Sofar) -> None:
        """Say now and then that somebody writes it. Raises ReleaseInvalid where it is withdrawn."""
        now = self.clock()
        if now - done.attended_at < ATTENDED / 5:
            return
        done.attended_at = now
        known = self.store.find_release(release.tenant, release.name, release.version)
        if known is not None and known.state == WITHDRAWN:
            raise ReleaseInvalid(f"{release.key} is withdrawn: {known.withdrawn_why}")
        if known is not None and known.state == WRITING:
            self.store.attend_release(release, now + ATTENDED)

    def _ready(
        self, bucket: str, release: Release, frozen: Frozen, done: _Sofar
    ) -> Iterator[_Ready]:
        """Each part with what it needs. The next one's pictures are read beside the caller."""

        def read(part: Part) -> _Ready:
            path = root_of(release) + _table(part)
            table = self._kept(bucket, root_of(release), frozen, path)
            if table is not None:
                return _Ready(part=part, table=table, pictures=())
            items = lists.items(self.objects, bucket, frozen, part)
            coming = pictures(self.store, self.objects, bucket, items, frozen.options)
            alive = self._alive(coming, release, done)
            return _Ready(part=part, table=None, pictures=list(alive))

        with ThreadPoolExecutor(1, "part") as reader:
            coming: Future[_Ready] | None = None
            for part in frozen.parts:
                following = reader.submit(read, part)
                if coming is not None:
                    yield coming.result()
                coming = following
            if coming is not None:
                yield coming.result()

    def _part(
        self, bucket: str, release: Release, frozen: Frozen, ready: _Ready, done: _Sofar
    ) -> None:
        part, table, path = ready.part, ready.table, _table(ready.part)
        if table is not None:
            files = read_made(table, frozen.release_id) or []
            records = read_records(table) if IMAGEFOLDER in frozen.options.formats else []
            done.kept += 1
        else:
            root = root_of(release)
            files, records, table = self._written(bucket, root, frozen, part, ready.pictures)
            self.objects.put(bucket, root + path, table, _PARQUET)
        made = _made(path, table)
        done.files += [*files, made]
        done.tables.append(made)
        done.images += part.images
        if IMAGEFOLDER in frozen.options.formats:
            done.folders.setdefault(part.split, []).extend(records)

    def _kept(self, bucket: str, root: str, frozen: Frozen, key: str) -> bytes | None:
        """The table of a part that is complete, and whose files are as it says."""
        try:
            table = self.objects.get(bucket, key).data
        except ObjectGone:
            return None
        files = read_made(table, frozen.release_id)
        if files is None or not is_whole(table):
            return None
        return None if differences(self.objects, bucket, root, files, alone=False) else table

    def _written(
        self, bucket: str, root: str, frozen: Frozen, part: Part, seen: Sequence[Picture]
    ) -> tuple[list[Made], list[dict[str, Any]], bytes]:
        """Write the pictures of a part. Returns its files, its rows and its table."""
        options = frozen.options
        files: list[Made] = []
        if IMAGEFOLDER in options.formats:
            files += self._into_folder(bucket, root, part, seen)
        records = [record(picture) for picture in seen]
        if WEBDATASET in options.formats:
            path = f"webdataset/{part.stem}.tar"
            tar = as_tar(zip(seen, records, strict=True))
            self.objects.put(bucket, root + path, tar, "application/x-tar")
            files.append(_made(path, tar))
        data = [picture.data for picture in seen] if PARQUET in options.formats else []
        return files, records, as_parquet(frozen.release_id, records, data, files)

    def _alive(
        self, coming: Iterator[Picture], release: Release, done: _Sofar
    ) -> Iterator[Picture]:
        for picture in coming:
            self._attend(release, done)
            yield picture

    def _into_folder(
        self, bucket: str, root: str, part: Part, seen: Sequence[Picture]
    ) -> Iterator[Made]:
        for at in range(0, len(seen), TOGETHER):
            some = {
                f"imagefolder/{part.split}/{picture.name}": picture
                for picture in seen[at : at + TOGETHER]
            }
            self.objects.put_many(
                bucket,
                [
                    NewObject(key=root + path, data=one.data, content_type="image/*")
                    for path, one in some.items()
                ],
            )
            for path, one in some.items():
                yield Made(path=path, sha256=one.sha256, size=len(one.data))

    def _last_files(self, bucket: str, release: Release, frozen: Frozen, done: _Sofar) -> bytes:
        """Write what is about the whole release, its checksums last. Returns the checksums."""
        about = {
            "release_id": frozen.release_id,
            "tenant": release.tenant,
            "name": release.name,
            "version": release.version,
            "images": frozen.images,
            "counts": frozen.counts,
            "options": frozen.options.body(),
        }
        last = {
            f"imagefolder/{split}/metadata.parquet": as_parquet(frozen.release_id, rows, [], [])
            for split, rows in done.folders.items()
        } | {
            "README.md": card(release, frozen),
            "croissant.json": croissant(release, frozen, done.tables),
            "release.json": json.dumps(about, indent=1, sort_keys=True).encode() + b"\n",
        }
        done.files += [_made(path, data) for path, data in last.items()]
        body = sums(done.files)
        for path, data in {**last, SUMS: body}.items():
            self.objects.put(bucket, root_of(release) + path, data, _type(path))
        return body


def _table(part: Part) -> str:
    return f"data/{part.stem}.parquet"


def _made(path: str, data: bytes) -> Made:
    return Made(path=path, sha256=hashlib.sha256(data).hexdigest(), size=len(data))


def _type(path: str) -> str:
    if path.endswith(".parquet"):
        return _PARQUET
    if path.endswith(".json"):
        return "application/json"
    return "text/markdown" if path.endswith(".md") else "text/plain"
