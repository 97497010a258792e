"""Counts of what was done: books of runs, and the ledgers that they are folded into.

The process of a run writes its book beside its heartbeat, one for all of its stages. When the run
has ended, the reconciler folds the book into the ledgers of its tenants and its job, and then drops
it.
A ledger names the books it has taken in, so a crash between the two steps counts nothing twice.
These are numbers for people and alerts. What is true of one image is in its events.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping

from parjanya_dagster.truth.records import Ledger
from parjanya_dagster.truth.store import Ledgers

TENANT, JOB = "tenant/", "job/"
"""Kinds of accounts, by the beginning of their names."""

REMEMBERED = 200  # names of folded books that a ledger keeps
MOST_FOLDED = 50  # books per reconciliation; the next one goes on

Account = Mapping[str, float]
"""Amounts by what was counted: parts joined by `|`, such as `outcomes|scored|completed`."""


def entry(*parts: str) -> str:
    """The name of an amount. The separator is replaced inside its parts."""
    return "|".join(part.replace("|", "/") for part in parts)


def kind_of(reason: str) -> str:
    """A reason without the details that differ from image to image: its first words."""
    return reason.split(":")[0].strip()[:80] or "no reason was given"


def fold(store: Ledgers, live: Collection[str], now: float, silence: float) -> int:
    """Fold the books of ended runs into ledgers. Returns how many. Doing it twice counts once.

    `live`: ids of runs that have not ended. A book that its run did not close is taken in once it
    has not changed for `silence` seconds.
    """
    ended = [
        book
        for book in store.books()
        if book.run_id not in live and (book.closed or now - book.at > silence)
    ][:MOST_FOLDED]
    if not ended:
        return 0
    ledgers = store.ledgers()
    changed: dict[str, Ledger] = {}
    for book in ended:
        for account, amounts in book.accounts.items():
            known = changed.get(account) or ledgers.get(account) or _empty(account)
            if book.name in known.folded:
                continue
            changed[account] = Ledger(
                account=account,
                amounts=dict(Counter(known.amounts) + Counter(amounts)),
                folded=(*known.folded, book.name)[-REMEMBERED:],
                at=now,
            )
    for ledger in changed.values():
        store.write_ledger(ledger)
    store.drop_books(ended)
    return len(ended)


def accounts(store: Ledgers) -> dict[str, Counter[str]]:
    """Everything counted so far, by account: the ledgers, and the books that are not folded yet.

    Books are read first. If one is folded meanwhile, its ledger shows it, so nothing is lost.
    """
    books = store.books()
    ledgers = store.ledgers()
    totals = {account: Counter(ledger.amounts) for account, ledger in ledgers.items()}
    for book in books:
        for account, amounts in book.accounts.items():
            if book.name not in ledgers.get(account, _empty(account)).folded:
                totals.setdefault(account, Counter()).update(amounts)
    return totals


def _empty(account: str) -> Ledger:
    return Ledger(account=account, amounts={}, folded=(), at=0.0)
