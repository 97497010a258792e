"""The columns of the catalog in memory: filters, counts and pages of a million images.

An image is a slot. A facet is a column of codes into its vocabulary, whose values are tuples, so
that a facet with several values per image is counted as the others are. Knows no file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from parjanya_dagster.catalog.facets import FACETS, PLACE, SORT_PLACE, SORTS
from parjanya_dagster.catalog.file import Delta, Values

MOST_VALUES = 1000
"""Of a facet are counted: the most frequent. Few facets have more: batches, originals of copies."""

Mask = NDArray[np.bool_]
Filters = Mapping[str, Collection[str]]


class Columns:
    """Codes and numbers of all slots."""

    def __init__(self) -> None:
        self.build = ""
        self.written = 0
        self.size = 0
        self._codes = np.zeros((len(FACETS), 0), np.int32)
        self._sorts = np.zeros((len(SORTS), 0), np.float64)
        self._present = np.zeros(0, np.bool_)
        self._vocabulary: list[list[Values]] = [[()] for _ in FACETS]
        self._single = [True for _ in FACETS]  # whether no image has several values

    @property
    def sizes(self) -> dict[str, int]:
        """How many codes of each facet are known."""
        return {facet.name: len(self._vocabulary[place]) for place, facet in enumerate(FACETS)}

    @property
    def present(self) -> int:
        return int(np.count_nonzero(self._present[: self.size]))

    def take(self, delta: Delta) -> None:
        """Take over what was written to the file."""
        for facet, new in delta.vocabulary.items():
            values = self._vocabulary[PLACE[facet]]
            for code, value in sorted(new):
                if code == len(values):
                    values.append(value)
                    self._single[PLACE[facet]] &= len(value) < 2
        if len(delta.slots):
            self._grow(int(delta.slots.max()) + 1)
            self._codes[:, delta.slots] = delta.packed["codes"].T
            self._sorts[:, delta.slots] = delta.packed["sorts"].T
            self._present[delta.slots] = delta.packed["present"] != 0
        self.build, self.written = delta.build, delta.written

    def _grow(self, size: int) -> None:
        self.size = max(self.size, size)
        room = self._present.shape[0]
        if size > room:
            more = max(size, 2 * room, 1024) - room
            self._codes = np.pad(self._codes, ((0, 0), (0, more)))
            self._sorts = np.pad(self._sorts, ((0, 0), (0, more)))
            self._present = np.pad(self._present, (0, more))

    # questions

    def values(self, facet: str) -> set[str]:
        """Every value that an image has or had."""
        return {value for values in self._vocabulary[PLACE[facet]] for value in values}

    def matching(self, filters: Filters, having: Mask | None = None) -> Mask:
        """Which slots match: one of the values of each facet that is filtered by."""
        mask = self._present[: self.size].copy()
        if having is not None:
            mask &= having[: self.size]
        for facet, wanted in filters.items():
            mask &= self._having_one(facet, wanted)
        return mask

    def counts(
        self, filters: Filters, facets: Iterable[str], having: Mask | None = None
    ) -> dict[str, Counter[str]]:
        """Images by value of each facet, among those that match all filters but its own."""
        base = self.matching({}, having)
        single = {facet: self._having_one(facet, wanted) for facet, wanted in filters.items()}
        every = base.copy()
        for one in single.values():
            every &= one
        at = np.flatnonzero(every)
        whole = len(at) == self.size
        counted = {}
        for facet in facets:
            codes = self._codes[PLACE[facet], : self.size]
            if facet in single:
                mask = base.copy()
                for other, one in single.items():
                    if other != facet:
                        mask &= one
                tally = np.bincount(codes[mask])
            else:
                tally = np.bincount(codes if whole else codes[at])
            counted[facet] = self._named(facet, tally, filters.get(facet, ()))
        return counted

    def page(
        self, mask: Mask, sort: str, largest_first: bool, after: tuple[float, int] | None, n: int
    ) -> tuple[list[int], tuple[float, int] | None]:
        """Up to n slots in the order of a number, then of slots, after a place in that order.

        Returns them, and the place of the last where more follow. Unknown numbers come last.
        """
        at = np.flatnonzero(mask)
        numbers = self._sorts[SORT_PLACE[sort]][at]
        numbers = np.where(np.isnan(numbers), np.inf, -numbers if largest_first else numbers)
        if after is not None:
            number, slot = after
            rest = (numbers > number) | ((numbers == number) & (at > slot))
            at, numbers = at[rest], numbers[rest]
        more = len(at) > n
        if more:
            # Only the first n are put in order, and equal numbers by slot.
            border = np.partition(numbers, n - 1)[n - 1]
            below = np.flatnonzero(numbers < border)
            equal = np.flatnonzero(numbers == border)[: n - len(below)]
            chosen = np.concatenate([below, equal])
            at, numbers = at[chosen], numbers[chosen]
        order = np.lexsort((at, numbers))
        slots = at[order].tolist()
        last = (float(numbers[order[-1]]), slots[-1]) if more else None
        return slots, last

    def beside(
        self, mask: Mask, sort: str, largest_first: bool, slot: int
    ) -> tuple[int | None, int | None]:
        """The slots before and after one, in the order of `page`."""
        numbers = self._sorts[SORT_PLACE[sort], : self.size]
        numbers = np.where(np.isnan(numbers), np.inf, -numbers if largest_first else numbers)
        number = numbers[slot]
        at = np.flatnonzero(mask)
        those = numbers[at]
        earlier = (those < number) | ((those == number) & (at < slot))
        later = (those > number) | ((those == number) & (at > slot))
        before, after = at[earlier], at[later]
        first = _first(-those[earlier], -before)
        last = _first(those[later], after)
        return (
            None if first is None else int(before[first]),
            None if last is None else int(after[last]),
        )

    def count(self, mask: Mask) -> int:
        return int(np.count_nonzero(mask))

    def of(self, tenants: Collection[str]) -> Mask:
        """Which slots are those of tenants."""
        return self._having_one("tenant", tenants)

    def _having_one(self, facet: str, wanted: Collection[str]) -> Mask:
        place, chosen = PLACE[facet], frozenset(wanted)
        codes = self._codes[place, : self.size]
        named = [bool(chosen.intersection(values)) for values in self._vocabulary[place]]
        return np.array(named, np.bool_)[codes]

    def _named(self, facet: str, tally: NDArray[np.int64], wanted: Collection[str]) -> Counter[str]:
        """Counts by value: of the most frequent values, and of those that are wanted."""
        values: Sequence[Values] = self._vocabulary[PLACE[facet]]
        codes = np.flatnonzero(tally)
        if len(codes) > MOST_VALUES and self._single[PLACE[facet]]:
            often = np.argpartition(tally[codes], -MOST_VALUES)[-MOST_VALUES:]
            kept = codes[often]
            if wanted:
                asked = [code for code in codes.tolist() if set(values[code]) & set(wanted)]
                kept = np.union1d(kept, np.array(asked, kept.dtype))
            codes = kept
        counter: Counter[str] = Counter()
        for code in codes.tolist():
            for value in values[code]:
                counter[value] += int(tally[code])
        return counter


def _first(numbers: NDArray[np.float64], slots: NDArray[np.int64]) -> int | None:
    """Where the smallest number is; of equal ones, that of the smallest slot."""
    if not len(numbers):
        return None
    equal = np.flatnonzero(numbers == numbers.min())
    return int(equal[np.argmin(slots[equal])])
