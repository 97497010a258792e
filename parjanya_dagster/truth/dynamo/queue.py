"""Lines of the index `queue`: what waits for a stage, batch by batch, without reading every row.

A line is the rows of one batch that wait for the same and may be claimed together. Lines lie behind
each other, each in the order in which its rows are due. A look reads the head of a line. If that is
not all, it jumps behind the line. So it costs by batches, and not by rows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from parjanya_dagster.truth.dynamo import codec, keys
from parjanya_dagster.truth.dynamo.codec import Item
from parjanya_dagster.truth.dynamo.keys import Key
from parjanya_dagster.truth.dynamo.wire import Wire

HEAD = 32  # rows that a look reads at once: about 4 KB, the least that is paid for
Of = tuple[str, str]
"""A status, and the batch of a line."""
Place = tuple[str, str]
"""Where a line is: its partition, and what its sort keys begin with."""
Seen = dict[Place, float]
"""Since when, or from when on, the first row of a line is due, for lines of suspects of which
something was seen: they lie right behind the others of their batch. Infinite: there is none."""


@dataclass(slots=True)
class Line:
    """What a look saw of a line."""

    head: str  # of its sort keys
    now: float
    read: int = 0
    due: int = 0
    oldest: float = float("inf")
    newest: float = float("-inf")  # when the last row that was read is due
    cut: bool = False  # there are more rows, and some of them may be due

    def add(self, due_at: float) -> None:
        self.read += 1
        self.newest = due_at
        if due_at <= self.now:
            self.due += 1
            self.oldest = min(self.oldest, due_at)


def lines(
    wire: Wire, group: str, now: float, *, status: str = "", whole: bool = False
) -> list[Line]:
    """The lines of a partition, or those of one status. Not `whole`: heads of long ones."""
    seen: list[Line] = []
    after, end = (f"{status} ", f"{status}!") if status else ("", "~")
    while True:
        where = (">", after) if after else None
        page = wire.query(group, where, index="queue", most=None if whole else HEAD)
        here: dict[str, Line] = {}
        read = 0
        for item in page:
            sk = codec.text(item, "queue_sk")
            if sk >= end:
                break
            head, due_at = keys.waits(sk)
            here.setdefault(head, Line(head, now)).add(due_at)
            read += 1
        if whole or read < HEAD:
            return seen + list(here.values())
        *complete, last = here.values()
        seen += complete
        if complete:  # the last one began in the middle of the page: it is read from its beginning
            after = last.head
        else:
            last.cut = last.newest <= now
            seen.append(last)
            after = keys.behind(last.head)


def about(cut: Mapping[Of, int], due: Mapping[Of, int], totals: Mapping[Of, int]) -> dict[Of, int]:
    """About how many rows are due of each that was `cut`.

    `due`: what was seen of all, those among them. `totals`: for each that was cut, how many rows
    have its status in the batches that share its tally. What nobody has seen is shared out.
    """
    alike: dict[tuple[str, Key], list[Of]] = defaultdict(list)
    for status, batch in cut:
        alike[status, keys.tally(batch)].append((status, batch))
    guessed: dict[Of, int] = {}
    for (status, tally), some in alike.items():
        seen = sum(n for (s, batch), n in due.items() if s == status and keys.tally(batch) == tally)
        share = max(0, totals[some[0]] - seen) // len(some)
        guessed.update({of: cut[of] + share for of in some})
    return guessed


def later(wire: Wire, group: str, than: float, most: int) -> list[str]:
    """Up to `most` image ids of a partition that are due later than that time."""
    found: list[str] = []
    for line in lines(wire, group, float("inf")):
        if not line.cut and line.newest <= than:
            continue
        start = line.head + keys.moment(than)
        for item in wire.query(group, (">", start), index="queue", page=HEAD):
            if not codec.text(item, "queue_sk").startswith(line.head) or len(found) == most:
                break
            found.append(image_id(item))
    return found


def head(
    wire: Wire, line: Place, now: float, page: int, seen: Seen | None = None
) -> Iterator[tuple[str, float]]:
    """The image ids of a line that are due, and since when, the longest due first.

    `seen`: what earlier heads saw beside their lines, to which this one adds. A line in it of which
    nothing is due is not asked for.
    """
    seen = {} if seen is None else seen
    if seen.get(line, now) > now:
        return
    group, start = line
    behind = ""
    for item in wire.query(group, (">", start), index="queue", page=page):
        sk = codec.text(item, "queue_sk")
        if not sk.startswith(start):
            behind = sk
            break
        if (due_at := keys.waits(sk)[1]) > now:
            return
        yield image_id(item), due_at
    suspects = keys.suspects(start)
    if suspects != start:
        there = behind.startswith(suspects)
        seen[group, suspects] = keys.waits(behind)[1] if there else float("inf")


def image_id(item: Item) -> str:
    return codec.text(item, "pk").partition("#")[2]
