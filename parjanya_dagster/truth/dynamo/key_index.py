"""The step to version 6 of the table: present rows get their place in the index of keys."""

from __future__ import annotations

from itertools import islice

from parjanya_dagster.truth.dynamo import changes, keys
from parjanya_dagster.truth.dynamo.codec import attributes, text
from parjanya_dagster.truth.dynamo.wire import READS, Add, Wire

_HEX = "0123456789abcdef"


def file_by_key(wire: Wire) -> None:
    """File the rows whose keys lay where no index sees them. It reads every present row, once.

    A row that somebody changes meanwhile is read again. So it may die anywhere and be done again.
    """
    for tenant in list(wire.query("tenants")):
        for first in _HEX:
            listed = wire.query(keys.listed(text(tenant, "slug"), first), index="listed")
            ids = (text(item, "image_id") for item in listed)
            while page := list(islice(ids, READS)):
                while page := _file(wire, page):
                    pass


def _file(wire: Wire, image_ids: list[str]) -> list[str]:
    """Returns the ids of rows that others changed meanwhile."""
    items = wire.get_all(keys.image(image_id) for image_id in image_ids)
    before = [changes.stored_of(item) for item in items.values() if "key" not in item]

    def file(stored: changes.Stored) -> bool:
        row = stored.row
        place = attributes({"key": row.key, "lying": keys.lying(row)})
        return wire.write(Add(keys.image(row.image_id), {}, place, stored.unchanged)) is None

    done = wire.each(file, before)
    return [stored.row.image_id for stored, filed in zip(before, done, strict=True) if not filed]
