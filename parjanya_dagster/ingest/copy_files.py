"""Uploads by hand: copy files and folders into a tenant's bucket, each one whole or not at all."""

from __future__ import annotations

import mimetypes
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from parjanya_dagster import media
from parjanya_dagster.errors import ObjectGone, StorageUnavailable
from parjanya_dagster.objects.keys import (
    INCOMING,
    Aside,
    is_unfinished,
    refusal,
    set_aside,
    shown,
)
from parjanya_dagster.objects.store import Objects
from parjanya_dagster.truth.models import Tenant

HIDDEN = "Its name begins with a dot, so it counts as hidden. Rename it."
VANISHED = "It was there when the folder was listed, and is not any more."


@dataclass(frozen=True, slots=True)
class Upload:
    """A file and the key it gets."""

    path: Path
    key: str


@dataclass(slots=True)
class Collected:
    """What can be uploaded, what is set aside, and what cannot be uploaded and why."""

    by_key: dict[str, Upload] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)  # path as text -> one sentence
    aside: dict[str, Aside] = field(default_factory=dict)  # path as text -> what it is

    @property
    def uploads(self) -> list[Upload]:
        """In the order they were named."""
        return list(self.by_key.values())

    def refuse(self, path: Path | str, why: str) -> None:
        self.refused[shown(str(path))] = why

    def add(self, path: Path, key: str) -> None:
        """Take a file in, unless it would never be curated under this key."""
        if (what := set_aside(key)) is not None:
            self.aside[shown(str(path))] = what
        elif (why := self._objection(path, key)) is not None:
            self.refuse(path, why)
        else:
            self.by_key.setdefault(key, Upload(path, key))

    def _objection(self, path: Path, key: str) -> str | None:
        if (why := refusal(key)) is not None:
            return why
        if is_unfinished(key):
            return "Its name ends like that of an unfinished download. Rename it."
        same = self.by_key.get(key)
        try:
            if not stat.S_ISREG(path.stat().st_mode):
                return "It is neither a file nor a folder."
            if same is None or os.path.samefile(path, same.path):
                return None
        except OSError as error:
            return _unreadable(path, error)
        return f"Its key {key} is that of {same.path}. Ingest it by its folder."


def collect(paths: Sequence[Path]) -> Collected:
    """Every file under `paths`; a folder keeps its structure below its own name.

    Hidden files and links to folders, inside a folder, are set aside. Raises FileNotFoundError for
    a path that does not exist.
    """
    collected = Collected()
    for path in paths:
        if not os.path.lexists(path):
            raise FileNotFoundError(f"There is no file or folder {str(path)!r}.")
        named = path.resolve() if path.is_dir() else path
        if named.name.startswith("."):
            collected.refuse(path, HIDDEN)
        elif path.is_dir():
            _walk(named, collected)
        else:
            collected.add(path, INCOMING + path.name)
    return collected


def _walk(top: Path, collected: Collected) -> None:
    """Every file of a folder, in the order of names. What cannot be listed is named."""

    def unlisted(error: OSError) -> None:
        collected.refuse(error.filename, f"It cannot be listed: {error.strerror}.")

    for base, folders, names in os.walk(top, onerror=unlisted):
        for name in sorted(folders):
            if name.startswith("."):
                collected.aside[shown(os.path.join(base, name))] = Aside.HIDDEN
            elif os.path.islink(os.path.join(base, name)):
                collected.aside[shown(os.path.join(base, name))] = Aside.LINK
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            file = Path(base, name)
            collected.add(file, INCOMING + file.relative_to(top.parent).as_posix())


def with_sidecars(uploads: Sequence[Upload]) -> list[Upload]:
    """The same, with the sidecars that lie beside each image before it: it is read with them.

    A file that is no sidecar by its name and size, or cannot be looked at, is none.
    """
    found: dict[str, Upload] = {}
    for image in uploads:
        for key in media.sidecar_names(image.key):
            path = image.path.with_name(key.rpartition("/")[2])
            if key not in found and _may_be_read(path):
                found[key] = Upload(path, key)
        found[image.key] = image
    return list(found.values())


def _may_be_read(path: Path) -> bool:
    try:
        about = path.stat()
    except OSError:
        return False
    return stat.S_ISREG(about.st_mode) and about.st_size <= media.LARGEST_SIDECAR


def upload(
    objects: Objects,
    tenant: Tenant,
    uploads: Sequence[Upload],
    unread: dict[str, str] | None = None,
) -> Iterator[Upload]:
    """Copy each file; yield it once it is in the bucket and survives a loss of power.

    What lies there already, byte for byte, is left alone, so doing it again costs no work.
    The order is kept, so of two equal files the first named is the earlier arrival.
    A file that cannot be read is noted in `unread`, if that is given, and stops no other.
    Raises StorageUnavailable and OSError; what was yielded stays.
    """
    for file in uploads:
        content_type = mimetypes.guess_type(file.path.name)[0] or "application/octet-stream"
        try:
            data = file.path.read_bytes()
        except OSError as error:
            if unread is None:
                raise
            unread[shown(str(file.path))] = _unreadable(file.path, error)
            continue
        if not _is_there(objects, tenant.bucket, file.key, data):
            # One by one: files that are put in place together have landed at the same moment.
            objects.put(tenant.bucket, file.key, data, content_type)
        yield file


def _unreadable(path: Path, error: OSError) -> str:
    if not isinstance(error, FileNotFoundError):
        return f"It cannot be read: {error.strerror}."
    return "It is a link that leads nowhere." if path.is_symlink() else VANISHED


def _is_there(objects: Objects, bucket: str, key: str, data: bytes) -> bool:
    try:
        if objects.head(bucket, key).size != len(data):
            return False
        return objects.get(bucket, key).data == data
    except (ObjectGone, StorageUnavailable):  # then writing will say what is wrong
        return False
