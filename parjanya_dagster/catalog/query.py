"""What is asked of the catalog, and how an address says it. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import urlencode

from parjanya_dagster.catalog.facets import BY_NAME, SORTS
from parjanya_dagster.catalog.words import words
from parjanya_dagster.errors import QueryInvalid

FIRST_SORT = "-landed"
MOST_TEXT = 200  # characters that are searched for


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A view of images: filters, text and order. Equal views have equal addresses."""

    filters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # facet -> any of these
    text: str = ""
    sort: str = FIRST_SORT
    after: tuple[float, int] | None = None  # the place of a page, see `Columns.page`
    tenants: tuple[str, ...] | None = None  # those that exist to who asks; None: all

    @classmethod
    def of(cls, pairs: Iterable[tuple[str, str]]) -> Query:
        """From the pairs of an address. Names that are not ours are left alone.

        Raises QueryInvalid.
        """
        filters: dict[str, list[str]] = {}
        text, sort, after = "", FIRST_SORT, None
        for name, value in pairs:
            if name in BY_NAME:
                filters.setdefault(name, []).append(value)
            elif name == "q":
                text = value.strip()[:MOST_TEXT]
            elif name == "sort" and value:
                sort = value
            elif name == "after":
                after = _place(value)
        if sort.removeprefix("-") not in SORTS:
            raise QueryInvalid(f"Nothing is sorted by {sort!r}: choose one of {', '.join(SORTS)}.")
        kept = {name: tuple(sorted(set(values))) for name, values in sorted(filters.items())}
        return cls(filters=kept, text=text, sort=sort, after=after)

    @property
    def words(self) -> list[str]:
        return words(self.text)

    def pairs(self) -> list[tuple[str, str]]:
        """As the pairs of an address, without the page, and without who asks."""
        pairs = [(name, value) for name, values in self.filters.items() for value in values]
        if self.text:
            pairs.append(("q", self.text))
        if self.sort != FIRST_SORT:
            pairs.append(("sort", self.sort))
        return pairs

    def address(self, place: tuple[float, int] | None = None) -> str:
        """The query part of an address; with a place, of the page after it."""
        pairs = self.pairs()
        if place is not None:
            pairs.append(("after", cursor(place)))
        return urlencode(pairs, errors="surrogateescape")

    def page_after(self, place: tuple[float, int]) -> Query:
        """The same view, after a place in it."""
        return replace(self, after=place)

    def toggled(self, facet: str, value: str) -> Query:
        """The same view with a value chosen, or no longer chosen."""
        values = set(self.filters.get(facet, ())) ^ {value}
        rest = {name: kept for name, kept in self.filters.items() if name != facet}
        if values:
            rest[facet] = tuple(sorted(values))
        return replace(self, filters=dict(sorted(rest.items())), after=None)

    def within(self, facet: str, allowed: Iterable[str]) -> Query:
        """The same view of images with these values alone, whatever else was asked for."""
        chosen = tuple(sorted(set(allowed)))
        asked = self.filters.get(facet)
        kept = tuple(value for value in asked if value in chosen) if asked else chosen
        return replace(self, filters={**self.filters, facet: kept})


def cursor(place: tuple[float, int]) -> str:
    return f"{place[0]!r}_{place[1]}"


def _place(text: str) -> tuple[float, int]:
    number, _, slot = text.partition("_")
    try:
        place = float(number), int(slot)
    except ValueError:
        raise QueryInvalid(f"There is no page {text[:40]!r}.") from None
    if math.isnan(place[0]):
        raise QueryInvalid(f"There is no page {text[:40]!r}.")
    return place
