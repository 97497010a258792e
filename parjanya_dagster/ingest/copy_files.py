"""Uploads by hand: copy files and folders into a tenant's bucket, each one whole or not at all."""

from __future__ import annotations

import mimetypes
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from parjanya_dagster.errors import ObjectGone, StorageUnavailable
from parjanya_dagster.objects.keys import INCOMING, too_long
from parjanya_dagster.objects.local import UNFINISHED
from parjanya_dagster.objects.store import Objects
from parjanya_dagster.truth.models import Tenant


@dataclass(frozen=True, slots=True)
class Upload:
    """A file and the key it gets."""

    path: Path
    key: str
    size: int


@dataclass(slots=True)
class Collected:
    """What can be uploaded, and what cannot and why."""

    by_key: dict[str, Upload] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)  # path as text -> one sentence

    @property
    def uploads(self) -> list[Upload]:
        """In the order they were named."""
        return list(self.by_key.values())

    def add(self, path: Path, key: str) -> None:
        """Take a file in, unless it would never be curated under this key."""
        shown = str(path).encode("utf-8", "backslashreplace").decode()
        if (why := _objection(path, key)) is not None:
            self.refused[shown] = why
            return
        same = self.by_key.get(key)
        if same is None:
            self.by_key[key] = Upload(path, key, path.stat().st_size)
        elif not os.path.samefile(same.path, path):
            self.refused[shown] = f"Its key {key} is that of {same.path}. Ingest it by its folder."


def _objection(path: Path, key: str) -> str | None:
    name = key.rsplit("/", 1)[-1]
    if (why := too_long(key)) is not None:
        return why
    if not key.isprintable():
        return "Its name is not printable UTF-8. Rename it."
    if name.startswith("."):
        return "Its name begins with a dot, so it counts as hidden. Rename it."
    if name.lower().endswith(UNFINISHED):
        return "Its name ends like that of an unfinished download. Rename it."
    if not path.exists():
        return "It is a link that leads nowhere."
    return None if path.is_file() else "It is neither a file nor a folder."


def collect(paths: Sequence[Path]) -> Collected:
    """Every file under `paths`; a folder keeps its structure below its own name.

    Hidden files of a folder are left out. Raises FileNotFoundError for a path that does not exist.
    """
    collected = Collected()
    for path in paths:
        if path.is_dir():
            base = path.resolve().parent
            for file in _files(path.resolve()):
                collected.add(file, INCOMING + file.relative_to(base).as_posix())
        elif os.path.lexists(path):
            collected.add(path, INCOMING + path.name)
        else:
            raise FileNotFoundError(f"There is no file or folder {str(path)!r}.")
    return collected


def _files(folder: Path) -> Iterator[Path]:
    for base, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith("."):
                yield Path(base, name)


def upload(objects: Objects, tenant: Tenant, uploads: Sequence[Upload]) -> Iterator[Upload]:
    """Copy each file; yield it once it is in the bucket and survives a loss of power.

    What lies there already, byte for byte, is left alone, so doing it again costs no work.
    The order is kept, so of two equal files the first named is the earlier arrival.
    Raises StorageUnavailable and OSError; what was yielded stays.
    """
    for file in uploads:
        content_type = mimetypes.guess_type(file.path.name)[0] or "application/octet-stream"
        data = file.path.read_bytes()
        if not _is_there(objects, tenant.bucket, file.key, data):
            # One by one: files that are put in place together have landed at the same moment.
            objects.put(tenant.bucket, file.key, data, content_type)
        yield file


def _is_there(objects: Objects, bucket: str, key: str, data: bytes) -> bool:
    try:
        if objects.head(bucket, key).size != len(data):
            return False
        return objects.get(bucket, key).data == data
    except (ObjectGone, StorageUnavailable):  # then writing will say what is wrong
        return False
