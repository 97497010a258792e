"""Checks the files of a release: reads each, compares its hash, and reports what is missing."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from parjanya_dagster.errors import ObjectGone, ReleaseBroken
from parjanya_dagster.objects.store import Objects
from parjanya_dagster.release import frozen as lists
from parjanya_dagster.release.frozen import ROOT
from parjanya_dagster.release.table import Made
from parjanya_dagster.truth.releases import Release

SUMS = "SHA256SUMS"
AT_ONCE = 4  # files that are read at the same time
_LINE = re.compile(r"(?P<sha256>[0-9a-f]{64})  (?P<path>.+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What reading a release back found."""

    files: int
    wrong: Sequence[str]  # nothing: all is as it was written


def sums(files: Iterable[Made]) -> bytes:
    """The bytes of SHA256SUMS, as `sha256sum --check` reads them."""
    lines = sorted((file.path, file.sha256) for file in files)
    return "".join(f"{sha256}  {path}\n" for path, sha256 in lines).encode()


def verify(objects: Objects, bucket: str, release: Release) -> Verified:
    """Read every file of a complete release, and its list. Raises StorageUnavailable."""
    root = f"{ROOT}{release.ref}/"
    wrong: list[str] = []
    try:
        frozen = lists.read(objects, bucket, release.release_id)
        images = sum(1 for _ in lists.all_items(objects, bucket, frozen))
        if images != release.images:
            wrong.append(f"its list has {images} images, and {release.images} were released")
    except ReleaseBroken as error:
        wrong.append(str(error))
    try:
        body = objects.get(bucket, root + SUMS).data
    except ObjectGone:
        return Verified(files=0, wrong=[*wrong, f"{SUMS} is missing"])
    if hashlib.sha256(body).hexdigest() != release.sums:
        wrong.append(f"{SUMS} is not the one that was written")
    files = _read_sums(body)
    wrong += differences(objects, bucket, root, files)
    return Verified(files=len(files) + 1, wrong=wrong)


def differences(
    objects: Objects,
    bucket: str,
    root: str,
    files: Sequence[Made],
    *,
    alone: bool = True,
    seen: Callable[[], None] = lambda: None,
) -> list[str]:
    """What is wrong with files: missing, other bytes, and where they are `alone`, too many.

    `seen` is called for each file that was read.
    """

    def look(file: Made) -> str | None:
        try:
            found = objects.digest(bucket, root + file.path)
        except ObjectGone:
            return f"{file.path} is missing"
        return None if found.sha256 == file.sha256 else f"{file.path} has other bytes"

    with ThreadPoolExecutor(AT_ONCE, "verify") as pool:
        wrong = []
        for why in pool.map(look, files):
            seen()
            wrong += [why] if why is not None else []
    if alone:
        named = {root + file.path for file in files} | {root + SUMS}
        there = (info.key for info in objects.listing(bucket, root))
        wrong += [f"{key.removeprefix(root)} is none of its files" for key in there
                  if key not in named]  # fmt: skip
    return wrong


def _read_sums(body: bytes) -> list[Made]:
    matches = (_LINE.fullmatch(line) for line in body.decode("utf-8", "replace").splitlines())
    return [Made(path=m["path"], sha256=m["sha256"], size=0) for m in matches if m]
