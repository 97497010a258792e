"""Evidence that a version before 5 of the table wrote: an item each, a long one in parts.

Parts are named by the hash of their content.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from parjanya_dagster.truth.dynamo import codec, keys
from parjanya_dagster.truth.dynamo.keys import Key
from parjanya_dagster.truth.dynamo.wire import Wire
from parjanya_dagster.truth.models import Evidence


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
