"""How many images of each tenant are where, by counters that are written with their rows.

A tenant's tally is in a few items, each of which counts some of its batches completely. Each item
is consistent by itself. So their sum is consistent too, whenever each of them is read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain

from parjanya_dagster.truth.dynamo import codec, keys
from parjanya_dagster.truth.dynamo.changes import kinds
from parjanya_dagster.truth.dynamo.reads import Reads
from parjanya_dagster.truth.dynamo.wire import Wire
from parjanya_dagster.truth.store import Counts


class Counting(Reads):
    """The part of the store that counts images."""

    def counts(self, tenant: str | None = None) -> list[Counts]:
        if tenant is None:
            slugs = [codec.text(item, "slug") for item in self.wire.query("tenants")]
        else:
            slugs = [tenant] if self.wire.get(keys.tenant(tenant)) else []
        in_flight = self._in_flight()
        return [
            Counts(
                tenant=slug,
                by_status=_under(named, "status:"),
                by_verdict=_under(named, "verdict:"),
                by_failure=_under(named, "failure:"),
                in_flight=in_flight[slug],
                registered=named["registered"],
                departed=named["departed"],
                by_effective=effective(named),
                by_person=_under(named, "person:"),
            )
            for slug, named in tallied(self.wire, slugs).items()
        ]

    def counted(self, tenant: str | None = None) -> list[Counts]:
        counted = []
        for kept in self.counts(tenant):
            named: Counter[str] = Counter()
            for batch in self.batches(kept.tenant):
                after = ""
                while page := self.rows([batch], after):
                    after = page[-1].image_id
                    named.update(chain.from_iterable(map(kinds, page)))
            counted.append(
                replace(
                    kept,
                    by_status=_under(named, "status:"),
                    by_verdict=_under(named, "verdict:"),
                    by_failure=_under(named, "failure:"),
                    departed=named["departed"],
                    by_effective=effective(named),
                    by_person=_under(named, "person:"),
                )
            )
        return counted

    def fold_counts(self) -> None:
        """Each counter is one number in one of a few items: there is nothing to add up."""

    def rebuild_counts(self) -> bool:
        """Not possible while anybody writes: a counter has no parts that a count could leave out.

        It moves in the transaction of its rows, under their conditions.
        """
        return False

    def _in_flight(self) -> Counter[str]:
        """Rows under a lease, by tenant. The cost grows with the rows in flight."""

        def read(group: str) -> list[str]:
            items = self.wire.query(group, index="leased")
            return [codec.text(item, "tenant") for item in items]

        return Counter(chain.from_iterable(self.wire.each(read, keys.groups())))


def tallied(wire: Wire, slugs: Sequence[str]) -> dict[str, Counter[str]]:
    """What is counted of each tenant, by the names of `changes.kinds`."""
    items = wire.get_all(key for slug in slugs for key in keys.tallies(slug))
    counted: dict[str, Counter[str]] = {}
    for slug in slugs:
        named = counted.setdefault(slug, Counter())
        for item in (items[key] for key in keys.tallies(slug) if key in items):
            named.update({n: int(v["N"]) for n, v in item.items() if "N" in v})
    return counted


def effective(named: Counter[str]) -> dict[str, int]:
    """Rows by the verdict that counts. Where people overrule policies, both are counted apart."""
    sums = Counter(_under(named, "verdict:"))
    sums.update(_under(named, "overruling:"))
    sums.subtract(_under(named, "overruled:"))
    return {verdict: n for verdict, n in sums.items() if n}


def _under(named: Counter[str], prefix: str) -> dict[str, int]:
    return {name[len(prefix) :]: n for name, n in named.items() if name.startswith(prefix) and n}
