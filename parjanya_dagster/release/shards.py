"""A WebDataset shard: a tar of a picture and a JSON file for each image. Pure.

Equal pictures give equal bytes: members come in the order of the list, and have no time, no owner
and no mode of their own. The format is POSIX's ustar, which every reader of tars knows.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from parjanya_dagster.release.pictures import Picture


def as_tar(images: Iterable[tuple[Picture, Mapping[str, Any]]]) -> bytes:
    """The bytes of a shard of pictures with their records."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for picture, known in images:
            _add(tar, picture.name, picture.data)
            body = orjson.dumps(known, option=orjson.OPT_SORT_KEYS)
            _add(tar, f"{picture.item.name}.json", body)
    return buffer.getvalue()


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(data), 0o644
    tar.addfile(member, io.BytesIO(data))
