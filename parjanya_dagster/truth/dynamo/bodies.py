"""Evidence in items of at most 400 KB: bodies are compressed, and long ones lie in parts.

Parts are named by the hash of what they hold and written before the item that points at them, so
a death in between leaves parts that nothing points at, and the next try writes the same again.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from parjanya_dagster.truth.dynamo import codec, keys
from parjanya_dagster.truth.dynamo.codec import Item
from parjanya_dagster.truth.dynamo.keys import Key
from parjanya_dagster.truth.dynamo.wire import Wire
from parjanya_dagster.truth.rows import Evidence
from parjanya_dagster.truth.storable import storable

PART = 300_000  # bytes


def fold(one: Evidence) -> tuple[Item, list[tuple[Key, Item]]]:
    """The item of evidence, and the parts that must be there before it."""
    item = codec.pack(one)
    item["body"] = codec.packed(storable(dict(one.body)))
    if codec.size({"body": item["body"]}) <= PART:
        return item, []
    raw = zlib.compress(json.dumps(storable(dict(one.body)), ensure_ascii=False).encode())
    digest = hashlib.sha256(raw).hexdigest()
    cut = [raw[start : start + PART] for start in range(0, len(raw), PART)]
    parts = [(keys.body_part(digest, n), {"part": {"B": part}}) for n, part in enumerate(cut)]
    del item["body"]
    return item | codec.attributes({"digest": digest, "parts": len(parts)}), parts


def unfold(wire: Wire, items: Sequence[Mapping[str, Any]]) -> list[Evidence]:
    """Evidence of items, in their order, with its bodies put together."""
    parts = wire.get_all(key for item in items for key in _parts(item))
    found = []
    for item in items:
        whole = dict(item)
        if pieces := _parts(item):
            whole["body"] = {"B": b"".join(bytes(parts[key]["part"]["B"]) for key in pieces)}
        found.append(codec.unpack(Evidence, whole))
    return found


def _parts(item: Mapping[str, Any]) -> list[Key]:
    count = codec.number(item, "parts")
    return [keys.body_part(codec.text(item, "digest"), n) for n in range(count)]
