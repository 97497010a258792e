"""A store that dies at a chosen write, before or after it is committed.

Death is a BaseException, like the SIGKILL it stands for: nobody's `except Exception` survives it,
and whoever still calls the store afterwards dies again, so that no clean-up code helps.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from parjanya_dagster.truth.store import Store

WRITES = frozenset(
    {
        "put_tenant",
        "pin",
        "register",
        "depart",
        "note_sweep",
        "drop_sweep",
        "manifest_written",
        "claim",
        "extend",
        "commit",
        "release",
        "expire_leases",
        "note_holder",
        "drop_holder",
        "fold_counts",
        "reset",
        "reset_images",
        "write_book",
        "write_ledger",
        "drop_books",
        "message_sent",
        "message_taken",
        "message_returned",
        "message_done",
        "review",
        "claim_review",
        "extend_review",
        "release_review",
        "begin_regrade",
        "regrade_rows",
        "note_replayed",
        "end_reset",
        "hold",
        "drop_hold",
        "note_reconciliation",
        "note_preflight",
        "drop_preflight",
        "note_pace",
        "note_identity",
        "beat",
        "forget",
    }
)


class Died(BaseException):
    """The process is gone."""


class Mortal:
    """Passes calls on to a store, and dies at write number `at` (from 1) where that is given."""

    def __init__(self, store: Store, at: int | None = None, *, after: bool = False) -> None:
        self._store, self._at, self._after = store, at, after
        self.writes: list[str] = []
        self.died = ""  # at which write

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._store, name)
        if not callable(real):
            return real
        return self._mortal(name, real)

    def _mortal(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            if self.died:
                raise Died(name)
            if name not in WRITES:
                return real(*arguments, **named)
            self.writes.append(name)
            fatal = len(self.writes) == self._at
            if fatal and not self._after:
                self.died = f"before {name}"
                raise Died(self.died)
            result = real(*arguments, **named)
            if fatal:
                self.died = f"after {name}"
                raise Died(self.died)
            return result

        return call
