"""The frozen list of a release's images. The hash of the list is the release's id.

A list lies in the tenant's bucket under its own hash. So it can be written before the release is
recorded, and equal lists are one. It is cut into parts, which are written one by one.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from parjanya_dagster.errors import ObjectGone, ReleaseBroken
from parjanya_dagster.objects.store import NewObject, Objects
from parjanya_dagster.release.items import Item
from parjanya_dagster.release.options import Options
from parjanya_dagster.release.splits import parts

ROOT = "releases/"
"""Everything of releases is below this prefix of a tenant's bucket."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Images that are written together: a shard of one split."""

    split: str
    number: int  # within its split, from 0
    of: int  # parts of its split
    images: int
    sha256: str  # of its lines

    @property
    def stem(self) -> str:
        return f"{self.split}-{self.number:05d}-of-{self.of:05d}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Frozen:
    """The head of a list: what was asked for, and the hashes of its parts."""

    release_id: str
    options: Options
    parts: Sequence[Part]
    counts: Mapping[str, Mapping[str, int]]  # of what -> value -> images

    @property
    def images(self) -> int:
        return sum(part.images for part in self.parts)


def freeze(items: Sequence[Item], options: Options) -> tuple[Frozen, list[NewObject]]:
    """The list of items, and its objects in the order in which they are to be written. Pure."""
    cut: list[Part] = []
    bodies: list[bytes] = []
    for split, _ in options.split:
        mine = [item for item in items if item.split == split]
        shards = list(parts(mine, options.shard_images, options.shard_bytes))
        for number, shard in enumerate(shards):
            body = b"".join(item.line() for item in shard)
            cut.append(
                Part(
                    split=split,
                    number=number,
                    of=len(shards),
                    images=len(shard),
                    sha256=hashlib.sha256(body).hexdigest(),
                )
            )
            bodies.append(body)
    head = {
        "options": options.body(),
        "counts": _counts(items),
        "parts": [[p.split, p.number, p.of, p.images, p.sha256] for p in cut],
    }
    data = json.dumps(head, sort_keys=True, separators=(",", ":")).encode()
    release_id = hashlib.sha256(data).hexdigest()
    new = [
        _packed(_part_key(release_id, part), body) for part, body in zip(cut, bodies, strict=True)
    ]
    return _frozen(release_id, head), [*new, _packed(_head_key(release_id), data)]


def read(objects: Objects, bucket: str, release_id: str) -> Frozen:
    """The head of a list. Raises ReleaseBroken where it is not there, or is another."""
    data = _unpacked(objects, bucket, _head_key(release_id), release_id)
    return _frozen(release_id, json.loads(data))


def items(objects: Objects, bucket: str, frozen: Frozen, part: Part) -> list[Item]:
    """The items of a part, in their order. Raises ReleaseBroken."""
    key = _part_key(frozen.release_id, part)
    body = _unpacked(objects, bucket, key, part.sha256)
    return [Item.of_line(line) for line in body.splitlines()]


def all_items(objects: Objects, bucket: str, frozen: Frozen) -> Iterator[Item]:
    for part in frozen.parts:
        yield from items(objects, bucket, frozen, part)


def _frozen(release_id: str, head: Mapping[str, Any]) -> Frozen:
    return Frozen(
        release_id=release_id,
        options=Options.of_body(head["options"]),
        parts=[
            Part(split=split, number=number, of=of, images=images, sha256=sha256)
            for split, number, of, images, sha256 in head["parts"]
        ],
        counts=head["counts"],
    )


def _counts(items: Sequence[Item]) -> dict[str, dict[str, int]]:
    counted = {
        "split": Counter(item.split for item in items),
        "verdict": Counter(item.verdict for item in items),
        "decided_by": Counter(item.decided_by for item in items),
        "reviewer": Counter(item.reviewer for item in items if item.reviewer),
        "policy": Counter(f"{item.policy} {item.policy_hash}" for item in items),
        "format": Counter(item.format for item in items),
        "category": Counter(
            str(item.evidence.get("enriched", {}).get("category") or "unknown") for item in items
        ),
    }
    groups = Counter(item.group for item in items)
    counted["group"] = Counter({"all": len(groups), "of several": sum(
        count > 1 for count in groups.values())})  # fmt: skip
    return {name: dict(sorted(counter.items())) for name, counter in counted.items()}


def _head_key(release_id: str) -> str:
    return f"{ROOT}lists/{release_id}/head.json.gz"


def _part_key(release_id: str, part: Part) -> str:
    return f"{ROOT}lists/{release_id}/{part.stem}.jsonl.gz"


def _packed(key: str, body: bytes) -> NewObject:
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", filename="", mtime=0, compresslevel=6) as file:
        file.write(body)
    return NewObject(key=key, data=buffer.getvalue(), content_type="application/gzip")


def _unpacked(objects: Objects, bucket: str, key: str, sha256: str) -> bytes:
    place = objects.place(bucket, key)
    try:
        body = gzip.decompress(objects.get(bucket, key).data)
    except ObjectGone as error:
        raise ReleaseBroken(f"{place}, the list of what is released, is not there.") from error
    except (OSError, EOFError, ValueError) as error:
        raise ReleaseBroken(f"{place}, the list of what is released, is damaged.") from error
    if hashlib.sha256(body).hexdigest() != sha256:
        raise ReleaseBroken(f"{place} is not the list that was released.")
    return body
