"""A WebDataset shard: a tar of a picture and a JSON file for each image. Pure.

Equal pictures give equal bytes: members come in the order of the list, and have no time, no owner
and no mode of their own. The format is POSIX's ustar, which all tar readers know.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson

from parjanya_dagster.release.pictures import Picture


def as_tar(images: Iterable[tuple[Picture, Mapping[str, Any]]]) -> bytes:
    """The bytes of a shard of pictures with their records."""
    pieces: list[bytes] = []
    for picture, known in images:
        pieces += _member(picture.name, picture.data)
        body = orjson.dumps(known, option=orjson.OPT_SORT_KEYS)
        pieces += _member(f"{picture.item.name}.json", body)
    size = sum(map(len, pieces)) + 2 * tarfile.BLOCKSIZE  # two empty blocks are the end
    pieces.append(bytes(2 * tarfile.BLOCKSIZE + -size % tarfile.RECORDSIZE))
    return b"".join(pieces)  # at once: `tarfile` would copy each picture twice


def _member(name: str, data: bytes) -> Iterator[bytes]:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(data), 0o644
    yield member.tobuf(tarfile.USTAR_FORMAT)
    yield data
    yield bytes(-len(data) % tarfile.BLOCKSIZE)
