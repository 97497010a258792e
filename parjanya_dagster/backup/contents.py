"""`backup.json`: what is in a backup, and whether its files are still what was written."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from parjanya_dagster.errors import BackupInvalid

CONTENTS = "backup.json"
FORMAT = 1
_PIECE = 1 << 20  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What a backup says of itself."""

    made_at: float
    parjanya: str  # version of the code that wrote it
    store: str  # sqlite or postgresql
    schema: str  # revision of the store
    tenants: Mapping[str, Mapping[str, Any]]  # slug -> bucket, its identity, images, policy
    policies: Mapping[str, str]  # name@version -> hash
    files: Mapping[str, str]  # name -> sha256
    format: int = FORMAT


def write_contents(folder: Path, contents: Contents) -> None:
    path = folder / CONTENTS
    path.write_text(json.dumps(asdict(contents), indent=2, sort_keys=True), encoding="utf-8")
    sync(path)


def read_contents(folder: Path) -> Contents:
    """What is in a backup, whose files were compared. Raises BackupInvalid."""
    try:
        said = json.loads((folder / CONTENTS).read_text(encoding="utf-8"))
        if said.get("format") != FORMAT:
            raise BackupInvalid(
                f"{folder} is a backup of another format ({said.get('format')}). Use the version "
                f"of Parjanya that wrote it: {said.get('parjanya')}."
            )
        contents = Contents(**said)
        for name, sha256 in contents.files.items():
            if digest(folder / name) != sha256:
                raise BackupInvalid(f"{folder / name} is not what was backed up: take another one.")
    except (OSError, TypeError, ValueError, AttributeError) as error:
        raise BackupInvalid(f"{folder} is no whole backup ({error}).") from None
    return contents


def digest(path: Path) -> str:
    sha256 = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            sha256.update(piece)
    return sha256.hexdigest()


def sync(path: Path) -> None:
    """Bring a file or a folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
