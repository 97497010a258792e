"""Evidence in items of at most 400 KB. A record is compressed, and a long one lies in parts.

What is written in a transaction costs twice. So a record of some KB is written before it, as a part
of its own, and the transaction writes what points there (docs/aws-cost.md). Parts are named by the
hash of their content. A crash in between leaves parts that nothing points at. The next try writes
the same parts again.
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
WHOLE = 3_000  # bytes of a record up to which its part would cost as much as it saves


def fold(evidence: Evidence) -> tuple[Item, list[tuple[Key, Item]]]:
    """The item of evidence, and the parts that must be written before it."""
    record = {field.name: getattr(evidence, field.name) for field in fields(evidence)}
    record["body"] = storable(dict(evidence.body))
    item = {"record": codec.packed(record)}
    if codec.size(item) <= WHOLE:
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
        said = [codec.unpacked(item["record"])] if "record" in item else []
        if pieces := _parts(item):
            joined = b"".join(bytes(parts[key]["part"]["B"]) for key in pieces)
            said.append(codec.unpacked({"B": joined}))
        # A version that kept it otherwise may have written the same before: the first one stands.
        records.append(Evidence(**min(said, key=lambda record: float(record["created_at"]))))
    return records


def _parts(item: Mapping[str, Any]) -> list[Key]:
    count = codec.number(item, "parts")
    return [keys.part(codec.text(item, "digest"), n) for n in range(count)]
