"""Evidence in items of at most 400 KB. A record is compressed, and a long one is split in parts.

Parts are named by the hash of their content, and written before the item that points at them. A
crash in between leaves parts that nothing points at. The next try writes the same parts again.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from parjanya_dagster.truth.dynamo import codec, keys
from parjanya_dagster.truth.dynamo.codec import Item
from parjanya_dagster.truth.dynamo.keys import Key
from parjanya_dagster.truth.dynamo.wire import Wire
from parjanya_dagster.truth.models import Evidence
from parjanya_dagster.truth.storable import storable

PART = 300_000  # bytes


def fold(evidence: Evidence) -> tuple[Item, list[tuple[Key, Item]]]:
    """The item of evidence, and the parts that must be written before it."""
    record = {field.name: getattr(evidence, field.name) for field in fields(evidence)}
    record["body"] = storable(dict(evidence.body))
    item = {"record": codec.packed(record)}
    if codec.size(item) <= PART:
        return item, []
    raw = zlib.compress(json.dumps(record, ensure_ascii=False).encode())
    digest = hashlib.sha256(raw).hexdigest()
    cut = [raw[start : start + PART] for start in range(0, len(raw), PART)]
    parts = [(keys.part(digest, n), {"part": {"B": part}}) for n, part in enumerate(cut)]
    return codec.attributes({"digest": digest, "parts": len(parts)}), parts


def unfold(wire: Wire, items: Sequence[Mapping[str, Any]]) -> list[Evidence]:
    """The evidence of items, in their order, with parts joined."""
    parts = wire.get_all(key for item in items for key in _parts(item))
    records = []
    for item in items:
        record = item.get("record")
        if pieces := _parts(item):
            record = {"B": b"".join(bytes(parts[key]["part"]["B"]) for key in pieces)}
        records.append(Evidence(**codec.unpacked(record or {})))
    return records


def _parts(item: Mapping[str, Any]) -> list[Key]:
    count = codec.number(item, "parts")
    return [keys.part(codec.text(item, "digest"), n) for n in range(count)]
