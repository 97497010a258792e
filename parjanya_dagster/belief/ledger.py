"""What was done, counted. Each run keeps a book of its own; those of ended runs become ledgers.

A book is a heartbeat that the process of a run writes beside its signs of life, one per stage. The
reconciler folds the book of a run that has ended into the ledgers of its tenants and its job, and
then forgets it. A ledger names the books it has taken in, so that a death between the two counts
nothing twice. Numbers for people and alerts: what is true of an image stands in its events.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any

from parjanya_dagster.truth.models import Heartbeat
from parjanya_dagster.truth.store import Store

BOOK, LEDGER = "book", "ledger"
"""Families of heartbeats: `book:<run>/<stage>`, `ledger:<account>`."""

TENANT, JOB = "tenant/", "job/"
"""Kinds of accounts, by the beginning of their names."""

REMEMBERED = 200  # books that a ledger remembers to have taken in
MOST_FOLDED = 50  # books per reconciliation; the next one goes on

Account = Mapping[str, float]
"""Amounts by what was counted: parts joined by `|`, such as `outcomes|scored|completed`."""


def entry(*parts: str) -> str:
    """The name of an amount. A part cannot hold what separates them."""
    return "|".join(part.replace("|", "/") for part in parts)


def kind_of(reason: str) -> str:
    """A reason without what differs from image to image: its first words."""
    return reason.split(":")[0].strip()[:80] or "no reason was given"


def fold(store: Store, live: Collection[str], now: float, silence: float) -> int:
    """Fold the books of ended runs into ledgers. Returns how many. Doing it twice counts once.

    `live`: ids of runs that have not ended. A book that its run did not close is taken in once it
    has been still for `silence` seconds.
    """
    ended = [
        book
        for book in store.heartbeats(BOOK).values()
        if _run(book.name) not in live and (book.payload.get("closed") or now - book.at > silence)
    ]
    if not ended:
        return 0
    ended = sorted(ended, key=lambda book: book.at)[:MOST_FOLDED]
    ledgers = store.heartbeats(LEDGER)
    changed: dict[str, dict[str, Any]] = {}
    for book in ended:
        for name, account in book.payload["accounts"].items():
            ledger = f"{LEDGER}:{name}"
            known = changed.get(ledger) or _payload(ledgers.get(ledger))
            if book.name in known["folded"]:
                continue
            changed[ledger] = {
                "account": dict(Counter(known["account"]) + Counter(account)),
                "folded": [*known["folded"], book.name][-REMEMBERED:],
            }
    for ledger, payload in changed.items():
        store.beat(ledger, now, payload)
    store.forget([book.name for book in ended])
    return len(ended)


def accounts(store: Store) -> dict[str, Counter[str]]:
    """Everything counted so far, by account: the ledgers and the books they have not taken in.

    Books are read first: one that is folded meanwhile is then known by its ledger, not lost.
    """
    books = store.heartbeats(BOOK)
    totals: dict[str, Counter[str]] = {}
    folded: dict[str, set[str]] = {}
    for name, ledger in store.heartbeats(LEDGER).items():
        account = name.partition(":")[2]
        totals[account] = Counter(ledger.payload["account"])
        folded[account] = set(ledger.payload["folded"])
    for book in books.values():
        for account, amounts in book.payload["accounts"].items():
            if book.name not in folded.get(account, ()):
                totals.setdefault(account, Counter()).update(amounts)
    return totals


def _run(name: str) -> str:
    return name.partition(":")[2].partition("/")[0]


def _payload(ledger: Heartbeat | None) -> dict[str, Any]:
    return dict(ledger.payload) if ledger else {"account": {}, "folded": []}
