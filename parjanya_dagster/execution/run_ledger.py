"""The book that a run keeps: outcomes and seconds by stage and tenant, and how it started."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from parjanya_dagster.belief.ledger import JOB, TENANT, entry
from parjanya_dagster.execution.worker import Clock, Tally
from parjanya_dagster.lines import get_logger
from parjanya_dagster.truth.models import parse_batch
from parjanya_dagster.truth.records import RunBook
from parjanya_dagster.truth.store import Ledgers

log = get_logger(__name__)
UNSAID = 2.0  # seconds of work of which a process that dies may take the numbers with it
BOUNDS = (1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)  # seconds, of how long a start took


def gpu_attached(devices: Path = Path("/dev")) -> bool:
    """Whether this process was given a GPU: a container without one has no such device."""
    return any(devices.glob("nvidia[0-9]*"))


class Book:
    """Amounts of one run, stage after stage. They only grow, so whoever reads them may take
    differences.

    Seconds are shared out among tenants by the rows each had since the last writing. Tell it `at`
    which stage it begins: that is its name.
    """

    def __init__(self, store: Ledgers, run_id: str, clock: Clock, *, gpu: bool) -> None:
        self._store, self._run_id, self._clock, self._gpu = store, run_id, clock, gpu
        self._closed = True  # until something is counted

    def at(self, stage: str) -> None:
        """Count what is done at this stage from now on, in `tally`. What has been closed is another
        book."""
        if self._closed:
            self._first, self._accounts = stage, dict[str, Counter[str]]()
            self._closed, self._said_at = False, self._clock()
        self._stage = stage
        self._seen: Counter[tuple[str, ...]] = Counter()
        self._worked = self._held = 0.0
        self.tally = Tally()

    def leave(self, goes_on: bool) -> None:
        """The stage is over. `goes_on`: this process is sure to run another one, with this book."""
        if not goes_on:
            self.close()
        elif self._clock() - self._said_at >= UNSAID:
            self.write()
        else:
            self._enter()

    def close(self) -> None:
        """No more will be counted, if it was not closed before."""
        if not self._closed:
            self.write(closed=True)

    def started(self, job: str, phases: Mapping[str, float]) -> None:
        """Note how long the run took to start: seconds by phase, in the form of a histogram."""
        account = self._accounts.setdefault(f"{JOB}{job}", Counter())
        for phase, seconds in phases.items():
            account[entry("start", phase, "sum")] += max(0.0, seconds)  # type: ignore[assignment]
            account[entry("start", phase, "count")] += 1
            bound = next((bound for bound in BOUNDS if seconds <= bound), None)
            if bound is not None:
                account[entry("start", phase, "le", str(bound))] += 1

    def write(self, closed: bool = False) -> None:
        """Bring the book up to date. A store that does not answer costs numbers, not work."""
        self._enter()
        self._closed, self._said_at = closed, self._clock()
        try:
            self._store.write_book(
                RunBook(
                    run_id=self._run_id,
                    stage=self._first,
                    accounts={name: dict(amounts) for name, amounts in self._accounts.items()},
                    closed=closed,
                    at=self._said_at,
                )
            )
        except Exception as error:
            log.warning("book_not_written", error=type(error).__name__)

    def _enter(self) -> None:
        """What the tally has that the book lacks."""
        tally, stage = self.tally, self._stage
        now: Counter[tuple[str, ...]] = Counter()
        for batch, kinds in list(tally.by_batch.items()):
            for kind, rows in list(kinds.items()):
                now[parse_batch(batch)[0], entry("outcomes", stage, kind)] += rows
        for batch, reasons in list(tally.retries.items()):
            for reason, rows in list(reasons.items()):
                now[parse_batch(batch)[0], entry("retries", stage, reason)] += rows
        fresh = now - self._seen
        rows_of: Counter[str] = Counter()
        for (tenant, what), rows in fresh.items():
            self._accounts.setdefault(f"{TENANT}{tenant}", Counter())[what] += rows
            if what.startswith("outcomes|"):
                rows_of[tenant] += rows
        self._seen = now
        if not rows_of:
            return  # seconds wait for rows that they were spent on
        worked = tally.image_seconds
        held = tally.load_seconds + tally.image_seconds + tally.commit_seconds
        for tenant, rows in rows_of.items():
            share = rows / rows_of.total()
            account = self._accounts[f"{TENANT}{tenant}"]
            account[entry("seconds", stage)] += max(0.0, worked - self._worked) * share  # type: ignore[assignment]
            if self._gpu:
                account["gpu_seconds"] += max(0.0, held - self._held) * share  # type: ignore[assignment]
        self._worked, self._held = max(worked, self._worked), max(held, self._held)
