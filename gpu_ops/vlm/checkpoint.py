"""Where the files of a model are, and exactly which files. Reads folders; loads no model."""

from __future__ import annotations

import hashlib
import os
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

_COMMIT = re.compile(r"[0-9a-f]{40}")
_hashes: dict[tuple[str, int, int], str] = {}
_lock = threading.Lock()


class ModelMissing(FileNotFoundError):
    """The model's folder is not there. Nothing is downloaded: put it there beforehand."""


def folder_of(model: str, revision: str = "") -> Path:
    """The folder of a model: itself, or the snapshot of a repository in the local hub cache.

    `revision` is a branch, tag or commit of a repository. Raises ModelMissing where there is none.
    """
    folder = Path(model).expanduser()
    if folder.is_dir():
        if revision:
            raise ModelMissing(f"{folder} is a folder, and a folder has no revision {revision!r}")
        return folder.absolute()
    if folder.is_absolute() or model.count("/") != 1:
        raise ModelMissing(f"there is no model folder {model}")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return Path(snapshot_download(model, revision=revision or None, local_files_only=True))
    except LocalEntryNotFoundError:
        raise ModelMissing(
            f"{model} {revision or '(main)'} is not in the local cache, and nothing is downloaded "
            f"here. Fill it with `hf download {model}`, or name a folder"
        ) from None


def revision_of(folder: Path) -> str:
    """Which files exactly: the commit of a snapshot, else a hash over the folder's files.

    Hashing reads all weights once per process (seconds per 10 GB), and again only what changed.
    """
    if folder.parent.name == "snapshots" and _COMMIT.fullmatch(folder.name):
        return f"commit:{folder.name}"
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        files = sorted(file for file in folder.rglob("*") if file.is_file() and _counts(file))
        hashes = pool.map(_sha256, files)
        lines = [
            f"{file.relative_to(folder).as_posix()} {sha256}"
            for file, sha256 in zip(files, hashes, strict=True)
        ]
    return "sha256:" + hashlib.sha256("\n".join(lines).encode()).hexdigest()


def name_of(model: str, folder: Path) -> str:
    """What to call it in evidence: the repository's id, or the folder's name without its place."""
    if Path(model).expanduser().is_dir():
        return folder.parents[1].name if folder.parent.name == "snapshots" else folder.name
    return model


def _counts(file: Path) -> bool:
    """Documentation and hidden files do not change an answer."""
    return not file.name.startswith(".") and file.suffix not in {".md", ".gitattributes"}


def _sha256(file: Path) -> str:
    stat = file.stat()
    key = (str(file), stat.st_size, stat.st_mtime_ns)
    with _lock:
        known = _hashes.get(key)
    if known is None:
        with file.open("rb") as opened:
            known = hashlib.file_digest(opened, "sha256").hexdigest()
        with _lock:
            _hashes[key] = known
    return known
