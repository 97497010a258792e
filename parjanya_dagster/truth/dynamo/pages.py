"""Pages: what a commit says of its images, their events and evidence, some images to an item.

An item costs at least a unit, and in a transaction two. An image would need ten of its own. So
whoever changes rows first writes pages, outside the transaction, and in it the rows that point
there. A page that no row points at says nothing: its writer died, or another was quicker.

A row points at the page of its last event and at those of its evidence. Each entry of a page names
the page of the events before it. Pages are named by the hash of their content and never change.
They are small, so that reading one image costs little. Pure, but for `write` and `read`.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from parjanya_dagster.lines import get_logger
from parjanya_dagster.truth.dynamo import codec, keys
from parjanya_dagster.truth.dynamo.codec import Item
from parjanya_dagster.truth.dynamo.keys import Key
from parjanya_dagster.truth.dynamo.shelf import Shelf
from parjanya_dagster.truth.dynamo.wire import Wire
from parjanya_dagster.truth.models import Event, Evidence
from parjanya_dagster.truth.storable import storable

log = get_logger(__name__)

SMALL = 48_000  # bytes of entries that share a page, each compressed by itself: 9 units to read
PART = 300_000  # bytes of an item of a long page
NAME = 12  # bytes of a page's name
EVENTS = ""
"""What a row calls the page of its last event, among those of its evidence."""

_CODES = {EVENTS: 0, "validated": 1, "enriched": 2, "scored": 3, "curated": 4}
_CODED = {number: name for name, number in _CODES.items()}

Pointers = Mapping[str, str]
"""`EVENTS` and stages -> the page, by its name in hexadecimal digits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What a page says of one image."""

    image_id: str
    first: int  # the number of its first event here
    events: Sequence[Event]
    evidence: Evidence | None = None
    pages: Pointers = field(default_factory=dict)  # where its row pointed before

    @property
    def before(self) -> str:
        """The page of the events before. Empty: there are none, or they lie in items of theirs."""
        return self.pages.get(EVENTS, "")

    def pointers(self, page: str) -> Pointers:
        """Where the row points once it is written with this entry in that page."""
        new = {EVENTS: page} if self.evidence is None else {EVENTS: page, self.evidence.stage: page}
        return {**self.pages, **new}


def bound(entries: Iterable[Entry]) -> Iterator[tuple[str, list[Entry], list[tuple[Key, Item]]]]:
    """Pages of these entries: the name of each, what is in it, and its items."""
    for together in _shared(entries):
        raw = zlib.compress(json.dumps([_said(one) for one in together]).encode(), 9)
        name = hashlib.sha256(raw).hexdigest()[: 2 * NAME]
        cut = [raw[start : start + PART] for start in range(0, len(raw), PART)]
        items = [
            (keys.page(name, n), {"said": {"B": part}, **_parts(cut if n == 0 else [])})
            for n, part in enumerate(cut)
        ]
        yield name, together, items


def write(wire: Wire, entries: Sequence[Entry], shelf: Shelf | None = None) -> dict[str, Pointers]:
    """Write pages. Returns where the row of each image is to point, by the image's id.

    `shelf`: where they are kept for whoever reads them soon.
    """
    pointers: dict[str, Pointers] = {}
    puts: list[tuple[Key, Item]] = []
    whole: dict[str, bytes] = {}
    for name, together, items in bound(entries):
        puts += items
        whole[name] = b"".join(bytes(item["said"]["B"]) for _, item in items)
        pointers |= {one.image_id: one.pointers(name) for one in together}
    wire.put_all(puts)
    if shelf is not None:
        for name, page in whole.items():
            shelf.put(name, page)
    return pointers


def read(
    wire: Wire, names: Iterable[str], shelf: Shelf | None = None
) -> dict[str, dict[str, Entry]]:
    """The entries of pages, by the name of the page and the image's id.

    A page that is not there whole is left out. A backup of AWS is not of one moment: a table that
    was restored from it may have a row, and not the page that was written just before. `shelf`:
    pages that need not be read.
    """
    names = list(dict.fromkeys(names))
    kept = {name: page for name in names if shelf and (page := shelf.get(name)) is not None}
    wanted = [name for name in names if name not in kept]
    firsts = wire.get_all(keys.page(name, 0) for name in wanted)
    numbers = {
        name: range(1, codec.number(firsts[keys.page(name, 0)], "parts", 1))
        for name in wanted
        if keys.page(name, 0) in firsts
    }
    more = wire.get_all(keys.page(name, n) for name, rest in numbers.items() for n in rest)
    items = firsts | more
    found: dict[str, dict[str, Entry]] = {}
    for name in names:
        try:
            page = kept.get(name)
            if page is None:
                places = [keys.page(name, n) for n in (0, *numbers.get(name, ()))]
                page = b"".join(bytes(items[place]["said"]["B"]) for place in places)
            said = json.loads(zlib.decompress(page))
        except (KeyError, ValueError, zlib.error) as error:
            log.warning("page_of_events_is_lost", page=name, error=repr(error))
            continue
        found[name] = {entry.image_id: entry for entry in map(_heard, said)}
    return found


def packed(pointers: Pointers) -> bytes:
    """Pointers in 13 bytes each: a row is paid for by the KB."""
    return b"".join(
        bytes([_CODES[name]]) + bytes.fromhex(page) for name, page in sorted(pointers.items())
    )


def unpacked(raw: bytes) -> Pointers:
    each = (raw[start : start + 1 + NAME] for start in range(0, len(raw), 1 + NAME))
    return {_CODED[one[0]]: one[1:].hex() for one in each}


def _shared(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    together: list[Entry] = []
    size = 0
    for entry in entries:
        its = len(zlib.compress(json.dumps(_said(entry)).encode(), 1))
        if together and size + its > SMALL:
            yield together
            together, size = [], 0
        together.append(entry)
        size += its
    if together:
        yield together


def _parts(cut: Sequence[bytes]) -> Item:
    return codec.attributes({"parts": len(cut)}) if len(cut) > 1 else {}


def _said(entry: Entry) -> dict[str, Any]:
    evidence = entry.evidence
    return {
        "image": entry.image_id,
        "first": entry.first,
        "before": entry.before,
        "events": [_event(one) for one in entry.events],
        **({"found": _columns(evidence)} if evidence else {}),
    }


def _event(event: Event) -> dict[str, Any]:
    said = _columns(event)
    del said["image_id"]
    return said


def _columns(said: Event | Evidence) -> dict[str, Any]:
    """Its fields. Some come from outside: what a model server calls itself, say."""
    values = {each.name: getattr(said, each.name) for each in fields(said)}
    columns: dict[str, Any] = storable(
        {
            name: dict(value) if isinstance(value, Mapping) else value
            for name, value in values.items()
        }
    )
    return columns


def _heard(said: Mapping[str, Any]) -> Entry:
    image_id = said["image"]
    return Entry(
        image_id=image_id,
        first=said["first"],
        events=tuple(Event(image_id=image_id, **one) for one in said["events"]),
        evidence=Evidence(**said["found"]) if "found" in said else None,
        pages={EVENTS: said["before"]} if said["before"] else {},
    )
