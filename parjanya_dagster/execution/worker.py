"""The loop of a disposable worker: claim, work, commit, until nothing is due.

It may die at any instruction. What it committed stays; what it held is freed when its lease runs
out. It never decides what an outcome means: `truth.transitions` does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from parjanya_dagster.belief.ledger import kind_of
from parjanya_dagster.execution.kept import TOLD, Hand, Kept
from parjanya_dagster.execution.notice import Notice
from parjanya_dagster.execution.return_limit import no_more_than_often
from parjanya_dagster.execution.tracing import about, span_over
from parjanya_dagster.lines import get_logger
from parjanya_dagster.traces import spans
from parjanya_dagster.truth.holders import run_of
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
from parjanya_dagster.truth.transitions import perhaps_kept

log = get_logger(__name__)
Clock = Callable[[], float]
NEARLY = 0.1  # of the time that a process has to end: what is done by then is committed


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
    kept: Kept | None = None,
    keeps: bool = False,
    notice: Notice | None = None,
) -> Tally:
    """Work on all due rows of `batches` that wait for the stage of `work`.

    `most`: rows after which no more are claimed; 0: all that are due.
    `ahead`: stages that this process does next.
    `kept`: rows that this process has kept for this stage. They come before others.
    `keeps`: whether what this stage completes is kept for the next one, there.
    `tally`: counts as it goes, for whoever watches; it is what is returned.
    `notice`: once it is given, what is done is committed, and what is not is handed back.
    Raises what `prepare` raises, and what the store raises. Rows then held wait for lease expiry.
    """
    tally = Tally() if tally is None else tally
    kept = Kept(store, owner, clock, pace.lease) if kept is None else kept
    notice = Notice() if notice is None else notice
    began = clock()
    work.prepare()
    tally.load_seconds = clock() - began
    size = min(pace.rows, most or pace.rows)
    loaded = work.load_seconds
    while not stop() and not notice.given() and not 0 < most <= tally.rows:
        started = clock()
        hand = Hand(kept)
        with notice.in_hand(hand.let_go):
            try:
                with spans.span("claim") as noted:
                    hand.claims = ours = kept.take(work.stage, size)
                    hand.claims = claims = ours or store.claim(
                        ClaimRequest(
                            stage=work.stage,
                            batches=batches,
                            limit=size,
                            owner=owner,
                            lease=kept.lease,
                            ahead=ahead,
                        ),
                        started,
                    )
                    noted.note(**about(claims))
                tally.commit_seconds += clock() - started
                if not claims:
                    break
                few = (not ours and len(claims) < size) or 0 < most <= tally.rows + len(claims)
                asked = _Asked(partial(_none_waits, store, work.stage, batches, clock))
                last = _yes if few else asked
                keep = partial(_keep, kept, work.stage, last) if keeps else _no
                with kept.working_on(claims):
                    _one_batch(store, work, claims, owner, pace, clock, tally, kept, keep, notice)
            except BaseException as error:
                # We are stopped, or the infrastructure failed.
                kept.hand_back(hand.claims, f"{type(error).__name__}: {error}")
                raise
        # The first image that needs a model waits for it, and is not slow for that.
        loading = work.load_seconds - loaded
        loaded += loading
        tally.load_seconds += loading
        tally.image_seconds -= loading
        if ours and asked.answer and not kept.waits_for(work.stage):
            break  # nothing else waits: a claim would ask the same again
        # A claim should last about its commit intervals and no longer, so a crash costs little.
        spent = max(clock() - started - loading, 1e-6)
        lasting = int(len(claims) * pace.seconds * pace.intervals / spent)
        size = max(1, min(pace.rows * pace.intervals, lasting))
        if most:
            size = min(size, most - tally.rows)
    return tally


@dataclass(slots=True)
class _Asked:
    """A question, and what was answered when it was last asked."""

    question: Callable[[], bool]
    answer: bool = False

    def __call__(self) -> bool:
        self.answer = self.question()
        return self.answer


def _yes() -> bool:
    return True


def _no() -> bool:
    return False


def _none_waits(store: WorkQueue, stage: str, batches: Sequence[str], clock: Clock) -> bool:
    """Whether what is claimed is the last for a stage."""
    return not store.due_rows(batches, [stage], clock(), 1)


def _keep(kept: Kept, stage: str, last: Callable[[], bool]) -> bool:
    """Whether what is done is kept. If more follows, it is kept for longer than a lease lasts."""
    if kept.full:
        return False
    if not kept.announced and (kept.waits_for(stage) or not last()):
        kept.announce()
    return True


def _one_batch(
    store: Store,
    work: StageWork,
    claims: Sequence[Claim],
    owner: str,
    pace: Pace,
    clock: Clock,
    tally: Tally,
    kept: Kept,
    keep: Callable[[], bool],
    notice: Notice,
) -> None:
    """Work on these claims. `keep`: whether rows that complete the stage are kept; asked once."""
    keeps: bool | None = None
    pending: list[tuple[Claim, Outcome]] = []
    left = {claim.image_id: claim for claim in claims}
    committed_at = mark = clock()

    def commit() -> None:
        nonlocal committed_at, mark, keeps
        begun = clock()
        tally.image_seconds += begun - mark
        with span_over("commit", [claim for claim, _ in pending]) as noted:
            if keeps is None:
                keeps = keep()
            try:
                lease = kept.lease if keeps and not notice.given() else None
                committed = store.commit(pending, begun, run_of(owner), keep=lease)
            except BaseException as error:
                if keeps:  # it may have been written, and its answer lost
                    done = [claim for claim, one in pending if isinstance(one, Completed)]
                    reason = f"{type(error).__name__}: {error}"
                    kept.hand_back([*filter(None, map(perhaps_kept, done))], reason)
                raise
            kept.hold(committed.kept)
            noted.note(lost=len(committed.lost))
        logged = log.bind(stage=work.stage, run=run_of(owner))
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
        committed_at = mark = clock()
        tally.commit_seconds += committed_at - begun

    told_at: float | None = None
    for claim, outcome in work.work(claims):
        pending.append((claim, no_more_than_often(store, claim, outcome)))
        left.pop(claim.image_id, None)
        if notice.given():
            told_at = clock() if told_at is None else told_at
            if clock() - told_at >= notice.seconds * NEARLY:
                commit()
                kept.hand_back([*left.values()], TOLD)
                return
        if len(pending) >= pace.rows or clock() - committed_at >= pace.seconds:
            commit()
    # A stage that forgets a claim has a bug: it is ours, not the image's.
    pending += [
        (claim, Retry("the stage gave no outcome for this image", refund=False))
        for claim in left.values()
    ]
    if pending:
        commit()


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
