"""The step to version 3 of the table: rows that wait for a person get their place in the index."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from parjanya_dagster.truth.dynamo import changes, keys
from parjanya_dagster.truth.dynamo.codec import attributes, text
from parjanya_dagster.truth.dynamo.wire import READS, Add, Wire

PLACE = ("review_pk", "review_sk")


def file_for_review(wire: Wire) -> None:
    """File the rows that the version before sent to review. It reads every row, once.

    A row that somebody changes meanwhile is read again. So it may die anywhere and be done again.
    """
    ids = _every_id(wire)
    while page := list(islice(ids, READS)):
        while page := _file(wire, page):
            pass


def _file(wire: Wire, image_ids: list[str]) -> list[str]:
    """Returns the ids of rows that others changed meanwhile."""
    changed = []
    for key, item in wire.get_all(keys.image(image_id) for image_id in image_ids).items():
        stored = changes.stored_of(item)
        if not stored.row.waits_for_person or PLACE[0] in item:
            continue
        place = {name: keys.places(stored.row)[name] for name in PLACE}
        if wire.write(Add(key, {}, attributes(place), stored.unchanged)) is not None:
            changed.append(stored.row.image_id)
    return changed


def _every_id(wire: Wire) -> Iterator[str]:
    for item in wire.query("batches"):
        pk, _ = keys.member(text(item, "batch"), "")
        yield from (text(member, "sk") for member in wire.query(pk))
