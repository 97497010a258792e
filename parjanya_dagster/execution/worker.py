"""The loop of a disposable worker: claim, work, commit, until nothing is due.

It may die at any instruction. What it committed stays; what it held is freed when its lease runs
out. It never decides what an outcome means: `truth.transitions` does.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from parjanya_dagster.belief.ledger import kind_of
from parjanya_dagster.execution.return_limit import no_more_than_often
from parjanya_dagster.execution.tracing import about, span_over
from parjanya_dagster.lines import get_logger
from parjanya_dagster.traces import spans
from parjanya_dagster.truth.outcomes import (
    Claim,
    Completed,
    Outcome,
    Retry,
    SendBack,
    TerminalFailure,
)
from parjanya_dagster.truth.requests import ClaimRequest
from parjanya_dagster.truth.store import Store, WorkQueue

log = get_logger(__name__)
Clock = Callable[[], float]


class StageWork(Protocol):
    """What one stage does to claimed rows."""

    stage: str

    @property
    def load_seconds(self) -> float:
        """Spent on models so far, by work that loads them as it goes; else 0."""

    def prepare(self) -> None:
        """Load what the work needs. Raising fails the run before a row is claimed."""

    def work(self, claims: Sequence[Claim]) -> Iterator[tuple[Claim, Outcome]]:
        """Yield an outcome for each claim, in any order, as soon as it is known."""


@dataclass(slots=True, kw_only=True)
class Tally:
    """What a worker did, by batch: kind of outcome -> rows."""

    by_batch: dict[str, Counter[str]] = field(default_factory=dict)
    load_seconds: float = 0.0  # spent before the first claim: imports and models
    image_seconds: float = 0.0  # spent in the stage's own work
    commit_seconds: float = 0.0  # spent in Truth
    lost: int = 0  # rows that another worker had meanwhile
    replayed: int = 0  # rows that were sent through the stage again before it began
    retries: dict[str, Counter[str]] = field(default_factory=dict)  # batch -> kind of reason

    def count(self, batch: str, kind: str) -> None:
        self.by_batch.setdefault(batch, Counter())[kind] += 1

    def retried(self, batch: str, reason: str) -> None:
        self.retries.setdefault(batch, Counter())[kind_of(reason)] += 1

    @property
    def rows(self) -> int:
        return sum(sum(kinds.values()) for kinds in self.by_batch.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """When to commit, and how long a silent worker keeps its rows."""

    rows: int = 50
    seconds: float = 5.0
    lease: float = 120.0
    intervals: int = 1  # of commits that one claim lasts: an engine idles between claims


def work_off(
    store: Store,
    work: StageWork,
    batches: Sequence[str],
    *,
    owner: str,
    pace: Pace,
    clock: Clock,
    stop: Callable[[], bool] = lambda: False,
    most: int = 0,
    tally: Tally | None = None,
    ahead: Sequence[str] = (),
) -> Tally:
    """Work on all due rows of `batches` that wait for the stage of `work`.

    `most`: rows after which no more are claimed; 0: all that are due.
    `ahead`: stages that this process does next.
    `tally`: counts as it goes, for whoever watches; it is what is returned.
    Raises what `prepare` raises, and what the store raises. Rows then held wait for lease expiry.
    """
    tally = Tally() if tally is None else tally
    began = clock()
    work.prepare()
    tally.load_seconds = clock() - began
    size = min(pace.rows, most or pace.rows)
    loaded = work.load_seconds
    while not stop() and not 0 < most <= tally.rows:
        started = clock()
        with spans.span("claim") as noted:
            claims = store.claim(
                ClaimRequest(
                    stage=work.stage,
                    batches=batches,
                    limit=size,
                    owner=owner,
                    lease=pace.lease,
                    ahead=ahead,
                ),
                started,
            )
            noted.note(**about(claims))
        tally.commit_seconds += clock() - started
        if not claims:
            break
        with _Lease(store, claims, pace, clock):
            try:
                _one_batch(store, work, claims, owner, pace, clock, tally)
            except BaseException as error:
                _hand_back(store, claims, error, owner, clock)
                raise
        # The first image that needs a model waits for it, and is not slow for that.
        loading = work.load_seconds - loaded
        loaded += loading
        tally.load_seconds += loading
        tally.image_seconds -= loading
        # A claim should last about its commit intervals and no longer, so a crash costs little.
        spent = max(clock() - started - loading, 1e-6)
        lasting = int(len(claims) * pace.seconds * pace.intervals / spent)
        size = max(1, min(pace.rows * pace.intervals, lasting))
        if most:
            size = min(size, most - tally.rows)
    return tally


def _one_batch(
    store: Store,
    work: StageWork,
    claims: Sequence[Claim],
    owner: str,
    pace: Pace,
    clock: Clock,
    tally: Tally,
) -> None:
    pending: list[tuple[Claim, Outcome]] = []
    left = {claim.image_id: claim for claim in claims}
    last = mark = clock()

    def commit() -> None:
        nonlocal last, mark
        begun = clock()
        tally.image_seconds += begun - mark
        with span_over("commit", [claim for claim, _ in pending]) as noted:
            committed = store.commit(pending, begun, owner)
            noted.note(lost=len(committed.lost))
        logged = log.bind(stage=work.stage, run=owner)
        for claim, outcome in pending:
            lost = claim.image_id in committed.lost
            tally.count(claim.row.batch, "lost" if lost else kind(outcome))
            if isinstance(outcome, Retry) and not lost:
                tally.retried(claim.row.batch, outcome.reason)
            logged.info(
                "outcome",
                image=claim.image_id,
                batch=claim.row.batch,
                tenant=claim.row.tenant,
                fence=claim.row.fence,
                outcome="lost" if lost else kind(outcome),
                **why(outcome),
            )
        tally.lost += len(committed.lost)
        pending.clear()
        last = mark = clock()
        tally.commit_seconds += last - begun

    for claim, outcome in work.work(claims):
        pending.append((claim, no_more_than_often(store, claim, outcome)))
        left.pop(claim.image_id, None)
        if len(pending) >= pace.rows or clock() - last >= pace.seconds:
            commit()
    # A stage that forgets a claim has a bug: it is ours, not the image's.
    pending += [
        (claim, Retry("the stage gave no outcome for this image", refund=False))
        for claim in left.values()
    ]
    if pending:
        commit()


def _hand_back(
    store: WorkQueue, claims: Sequence[Claim], error: BaseException, owner: str, clock: Clock
) -> None:
    """We are stopped, or the infrastructure failed: no image is at fault, none loses an attempt.

    Rows that were committed meanwhile are not ours any more. If this fails too, leases run out.
    """
    try:
        store.release(claims, clock(), f"{type(error).__name__}: {error}"[:500], owner)
    except Exception as second:
        log.warning("claims_not_released", error=str(second))


def kind(outcome: Outcome) -> str:
    """The name of an outcome in counts and logs."""
    if isinstance(outcome, Completed):
        return "completed"
    if isinstance(outcome, Retry):
        return "retry"
    if isinstance(outcome, SendBack):
        return "sent_back"
    return "failed"


def why(outcome: Outcome) -> dict[str, str]:
    """The kind of reason, in a word: reasons in full stand in the history of the image."""
    if isinstance(outcome, Retry):
        return {"reason": kind_of(outcome.reason)}
    if isinstance(outcome, TerminalFailure):
        return {"reason": outcome.failure_class}
    return {}


class _Lease:
    """Extends the leases of claims from a thread, for as long as the block runs."""

    def __init__(self, store: WorkQueue, claims: Sequence[Claim], pace: Pace, clock: Clock) -> None:
        self._store, self._claims, self._pace, self._clock = store, claims, pace, clock
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lease", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._done.wait(self._pace.lease / 3):
            try:
                self._store.extend(self._claims, self._pace.lease, self._clock())
            except Exception as error:  # the next beat tries again; the fence guards the commit
                log.warning("lease_not_extended", error=str(error))
