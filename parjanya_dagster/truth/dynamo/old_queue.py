"""Rows that a version before 4 of the table queued: two indexes held what one does now.

They are written again as they are, and so come into the index `queue`. `parjanya migrate` does it,
and so does whoever frees leases, until a migration a week after that one: a process of the version
before may still be at work meanwhile.
"""

from __future__ import annotations

from itertools import chain

from parjanya_dagster.truth.dynamo import changes, codec, keys
from parjanya_dagster.truth.dynamo.wire import Put, Wire
from parjanya_dagster.truth.stages import WORKABLE

STILL = "old_queue"
"""What the item of the schema has while rows of before may come: when it was migrated."""
FEW, MANY = 200, 2000  # rows of each partition at once: beside other work, and alone


def adopt(wire: Wire, most: int = FEW) -> int:
    """Queue up to `most` rows of each old partition anew. Returns how many.

    A row that somebody else changes meanwhile is left: what it is then written as is new.
    """
    places = [keys.due(status, shard) for status in WORKABLE for shard in range(keys.SHARDS)]

    def old(pk: str) -> list[str]:
        found = wire.query(pk, index="due", most=most)
        return [codec.text(item, "pk").partition("#")[2] for item in found]

    ids = list(chain.from_iterable(wire.each(old, places)))
    items = wire.get_all(keys.image(image_id) for image_id in ids)

    def anew(place: keys.Key) -> bool:
        stored = changes.stored_of(items[place])
        return wire.write(Put(place, changes.item_of(stored), stored.unchanged)) is None

    # The index lags: what it still lists may have been written anew.
    return sum(wire.each(anew, [place for place, item in items.items() if "due_pk" in item]))
