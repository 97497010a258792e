"""Selects the images of a release: those of a view, as Truth has them.

The catalog would answer the view faster, but it may lag behind Truth.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Protocol

from parjanya_dagster.catalog import Query
from parjanya_dagster.catalog.entry import Entry, entry_of
from parjanya_dagster.catalog.facets import PLACE
from parjanya_dagster.embeddings import Embeddings
from parjanya_dagster.errors import ReleaseInvalid
from parjanya_dagster.release.diverse import farthest_first
from parjanya_dagster.release.groups import Kin, groups
from parjanya_dagster.release.items import Item, facts_of
from parjanya_dagster.release.options import ORIGINAL, Options
from parjanya_dagster.release.splits import split_of
from parjanya_dagster.release.stripping import STRIPPED
from parjanya_dagster.truth.models import Evidence, ImageRow
from parjanya_dagster.truth.stages import Status
from parjanya_dagster.truth.store import EvidenceLog, Images, Releases
from parjanya_dagster.truth.store.paging import present_pages

Vectors = Callable[[Sequence[ImageRow]], Embeddings]


class Source(Images, EvidenceLog, Releases, Protocol):
    """What a selection reads of Truth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selected:
    """The images of a release, by their bytes and keys, and what was left out."""

    items: Sequence[Item]
    left_out: Mapping[str, int]  # why -> images


def select(store: Source, tenant: str, options: Options, vectors: Vectors) -> Selected:
    """The images of a view in groups and splits, or so many of them as differ most.

    `vectors` reads those of rows. Raises ReleaseInvalid.
    """
    withdrawn = store.withdrawals(tenant)
    query, left_out = options.query, Counter[str]()
    found: list[tuple[dict[str, Any], Mapping[str, Any]]] = []
    rows: list[ImageRow] = []  # of what was found, where they are looked at again
    for page in present_pages(store, tenant):
        chosen = []
        for row, evidence in _matching(store, page, query):
            if row.pipeline_status != Status.CURATED or row.effective_verdict is None:
                left_out["not decided"] += 1
            elif row.sha256 is None or not evidence.keys() >= {"validated", "curated"}:
                left_out["without its evidence"] += 1
            elif row.sha256 in withdrawn:
                left_out["withdrawn"] += 1
            else:
                chosen.append((row, evidence))
        originals = _originals(store, [evidence for _, evidence in chosen])
        for row, evidence in chosen:
            original = originals.get(str(evidence["curated"].body.get("duplicate_of")))
            facts = facts_of(row, evidence, original, options.keep_exif)
            found.append((facts, evidence["validated"].body.get("likeness") or {}))
            rows += [row] if options.diverse else []
    if not found:
        raise ReleaseInvalid(f"No decided image of {tenant!r} matches {_told(options)}.")
    if options.diverse:
        places = _diverse(rows, options.diverse, vectors)
        left_out["less diverse"] += len(found) - len(places)
        found = [found[place] for place in places]
    if options.pictures == ORIGINAL and not options.keep_exif:
        _require_strippable([facts for facts, _ in found])
    return Selected(items=_items(found, options), left_out=dict(left_out))


def _matching(
    store: Source, page: Sequence[ImageRow], query: Query
) -> list[tuple[ImageRow, Mapping[str, Evidence]]]:
    evidence = store.evidence(page)
    rows = [(row, evidence.get(row.image_id, {})) for row in page]
    return [(row, found) for row, found in rows if matches(entry_of(row, found), query)]


def matches(entry: Entry, query: Query) -> bool:
    """Whether an image is in a view: as `catalog.columns` and `catalog.postings` answer it."""
    if not all(
        set(wanted).intersection(entry.facets[PLACE[facet]])
        for facet, wanted in query.filters.items()
    ):
        return False
    *whole, last = query.words or [""]
    return entry.words.issuperset(whole) and (
        not last or any(word.startswith(last) for word in entry.words)
    )


def _diverse(rows: Sequence[ImageRow], k: int, vectors: Vectors) -> list[int]:
    """The places of the k rows that differ most. It depends on their bytes and keys alone."""
    order = sorted(range(len(rows)), key=lambda at: (str(rows[at].sha256), rows[at].key))
    known = vectors([rows[at] for at in order])
    if known.missing:
        raise ReleaseInvalid(
            f"{len(known.missing)} of {len(rows)} images have no vector, so nothing says how they "
            f"differ. `parjanya embeddings make --tenant {rows[0].tenant}` makes what is missing."
        )
    return [order[at] for at in farthest_first(known.matrix, k)]


def _originals(store: Images, found: Sequence[Mapping[str, Evidence]]) -> dict[str, str]:
    """Image id -> sha256, of the images whose duplicates these are."""
    ids = {one["curated"].body.get("duplicate_of") for one in found} - {None}
    rows = store.get_many(sorted(map(str, ids)))
    return {image_id: row.sha256 for image_id, row in rows.items() if row.sha256}


def _items(
    found: Sequence[tuple[dict[str, Any], Mapping[str, Any]]], options: Options
) -> list[Item]:
    group_of = groups(
        [
            Kin(
                sha256=facts["sha256"],
                duplicate_of=facts["duplicate_of"] or "",
                likeness=likeness,
            )
            for facts, likeness in found
        ]
    )
    items, copies = [], Counter[str]()
    for facts, _ in sorted(found, key=lambda one: (one[0]["sha256"], one[0]["key"])):
        sha256 = facts["sha256"]
        copies[sha256] += 1
        number = copies[sha256]
        items.append(
            Item(
                name=sha256 if number == 1 else f"{sha256}-{number}",
                group=group_of[sha256],
                split=split_of(group_of[sha256], options.split),
                **facts,
            )
        )
    return items


def _require_strippable(found: Sequence[Mapping[str, Any]]) -> None:
    others = Counter(facts["format"] for facts in found if facts["format"] not in STRIPPED)
    if others:
        told = ", ".join(f"{count} {fmt}" for fmt, count in sorted(others.items()))
        raise ReleaseInvalid(
            f"EXIF and places cannot be taken out of originals in these formats: {told}. "
            "Release --bytes preview or resized, or --keep-exif, or choose others with "
            f"--where ({'&'.join(f'format={fmt}' for fmt in STRIPPED)})."
        )


def _told(options: Options) -> str:
    return " and ".join(chain(f"{name}={value}" for name, value in options.where)) or "anything"
