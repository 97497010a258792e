"""The state machine of a row. Each function takes a row and what happened, and gives a change.

All functions are pure, and every store applies them. So SQLite, PostgreSQL and DynamoDB cannot
disagree. A change names the columns that change. Its event repeats them, so a row can be rebuilt
from its history.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from parjanya_dagster.errors import InvalidTransition
from parjanya_dagster.truth.holders import is_dead, named, run_of
from parjanya_dagster.truth.models import (
    DELETED,
    PRESENT,
    REPLACED,
    Event,
    EventKind,
    ImageRow,
    Move,
)
from parjanya_dagster.truth.outcomes import Claim, Completed, Outcome, Retry, SendBack
from parjanya_dagster.truth.records import Holder
from parjanya_dagster.truth.requests import Reset
from parjanya_dagster.truth.reviews import LAPSE, PLATFORM, Review, Standing
from parjanya_dagster.truth.stages import STAGE_OF, STAGES, WAITS_FOR, Status, after
from parjanya_dagster.truth.storable import storable, storable_text

HOUR = 3600.0

PRODUCTS = frozenset(
    {
        "preview_bucket",
        "preview_key",
        "thumbnail_key",
        "sha256",
        "phash",
        "verdict",
        "reasons",
        "policy",
    }
)
"""The columns that a completed stage may fill in. The others belong to the state machine."""

WITHOUT_OBJECT = (f"object_{DELETED}", f"object_{REPLACED}", "object_gone", "object_changed")
"""Failure classes of rows whose object was missing. They end when the object comes back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How often and for how long work is tried again. Times in seconds."""

    max_attempts: int = 5
    retry_horizon: float = 72 * HOUR  # longer than a weekend
    backoff_first: float = 5.0
    backoff_most: float = 15 * 60.0
    crash_first: float = 60.0  # wait after a second death in a row, growing by `crash_growth`
    crash_growth: float = 5.0
    crash_most: float = 30 * 60.0
    asleep: float = HOUR  # due for longer than this and not tried: nobody was there to try it

    @property
    def longest_wait(self) -> float:
        """No row waits longer than this for its next attempt."""
        return max(self.backoff_most, self.crash_most)


@dataclass(frozen=True, slots=True)
class Change:
    """New column values of one row, the event that records them, and the review if it is one."""

    columns: Mapping[str, Any]
    event: Event
    review: Review | None = None  # written with them


_FREE: dict[str, Any] = {"lease_owner": None, "lease_until": None}
_CALM: dict[str, Any] = {"attempts": 0, "retries": 0, "retry_since": None, "suspect": False}
_NO_FAILURE: dict[str, Any] = {"failure_class": None, "failure_reason": None, "failed_stage": None}
_UNDECIDED: dict[str, Any] = {"verdict": None, "reasons": [], "policy": None}


def backoff(retries: int, rules: Rules, rng: random.Random) -> float:
    """Seconds to wait before the next attempt: exponential, the upper half of it jittered."""
    ceiling = min(rules.backoff_most, rules.backoff_first * 2.0 ** min(retries, 30))
    return rng.uniform(ceiling / 2, ceiling)


def crash_wait(attempts: int, rules: Rules) -> float:
    """Seconds that a row waits after its process died for the `attempts`th time in a row.

    The first death says little: most rows that were in flight are innocent, so they are tried
    again at once, each alone. A row whose process dies again waits by itself, and holds up
    nobody.
    """
    if attempts < 2:
        return 0.0
    return min(rules.crash_most, rules.crash_first * rules.crash_growth ** min(attempts - 2, 30))


def trying_since(row: ImageRow, now: float, rules: Rules) -> float:
    """Since when a row is retried, less the time in which nobody was there to retry it.

    It is moved forward by the time that the row was due and not tried, beyond `rules.asleep`. So
    neither a weekend with everything scaled to zero nor a clock that jumps spends the horizon.
    """
    if row.retry_since is None:
        return now
    unattended = max(0.0, now - row.not_before - rules.asleep)
    return min(row.retry_since + unattended, now)


def finish(
    claim: Claim, outcome: Outcome, now: float, run_id: str, rules: Rules, rng: random.Random
) -> Change:
    """The change that an outcome makes to a claimed row. Raises InvalidTransition."""
    row = claim.row
    if isinstance(outcome, Completed):
        _check(claim, outcome)
        status = after(claim.stage)
        columns = {
            **_FREE,
            **_CALM,
            **storable(dict(outcome.columns)),
            "evidence": {**row.evidence, claim.stage: outcome.evidence.fingerprint},
            "pipeline_status": str(status),
            "not_before": now,
            "due_at": None if status.terminal else now,
        }
        if status is Status.CURATED:
            columns["target"] = None
        lapse = _lapse(row, outcome, columns, now)
        if lapse is None:
            return _change(row, columns, now, "completed", claim.stage, run_id)
        columns |= {**Standing().after(lapse).columns, "reviews": lapse.number}
        reason = f"{claim.stage}; {lapse.note}"
        return replace(_change(row, columns, now, "completed", reason, run_id), review=lapse)
    if isinstance(outcome, SendBack):
        if STAGES.index(outcome.stage) >= STAGES.index(claim.stage):
            raise InvalidTransition(f"{claim.stage} cannot send a row back to {outcome.stage}.")
        columns = {
            **_FREE,
            "attempts": max(0, row.attempts - 1),  # nothing died
            "suspect": False,
            "pipeline_status": str(WAITS_FOR[outcome.stage]),
            "not_before": now,
            "due_at": now,
        }
        return _change(row, columns, now, "sent_back", outcome.reason, run_id)
    if isinstance(outcome, Retry):
        if not outcome.refund and row.attempts >= rules.max_attempts:
            return _fail(row, claim.stage, "crashed_repeatedly", outcome.reason, now, run_id)
        since = trying_since(row, now, rules)
        if now - since > rules.retry_horizon:
            reason = f"still failing after {rules.retry_horizon / HOUR:.0f} h: {outcome.reason}"
            return _fail(row, claim.stage, "retry_horizon", reason, now, run_id)
        at = now + backoff(row.retries, rules, rng)
        columns = {
            **_FREE,
            # the claim counted it
            "attempts": max(0, row.attempts - 1) if outcome.refund else row.attempts,
            "retries": row.retries + 1,
            "retry_since": since,
            "suspect": False,
            "not_before": at,
            "due_at": at,
        }
        return _change(row, columns, now, "retry", outcome.reason, run_id)
    return _fail(row, claim.stage, outcome.failure_class, outcome.reason, now, run_id)


def go_on(claim: Claim, change: Change, lease: float, now: float) -> Change | None:
    """The same change by a worker that keeps the row for the next stage. None: there is none.

    It is the row's outcome and its next claim at once, so the event says what it always says. A
    lease that has half of `lease` left stays as it is: on DynamoDB each change of it is paid for.
    """
    status = Status(change.event.to_status)
    if change.event.kind != "completed" or status.terminal:
        return None
    freed = {"lease_owner", "lease_until", "due_at"}
    columns = {name: value for name, value in change.columns.items() if name not in freed}
    columns |= {"fence": claim.row.fence + 1, "attempts": 1}
    if (claim.row.lease_until or now) - now < lease / 2:
        columns |= {"lease_until": now + lease, "due_at": now + lease}
    return replace(change, columns=columns)


def kept(claim: Claim, change: Change) -> Claim:
    """The claim of the stage that follows, on a row that went on (`go_on`)."""
    row = replace(claim.row, **change.columns)
    return Claim(row, STAGE_OF[Status(row.pipeline_status)], claim.owner)


def perhaps_kept(claim: Claim) -> Claim | None:
    """What `kept` gives where a commit that keeps rows was written, and its answer lost."""
    status = after(claim.stage)
    if status.terminal:
        return None
    row = replace(claim.row, pipeline_status=str(status), fence=claim.row.fence + 1, attempts=1)
    return Claim(row, STAGE_OF[status], claim.owner)


def _lapse(
    row: ImageRow, outcome: Completed, columns: Mapping[str, Any], now: float
) -> Review | None:
    """The end of a person's verdict, where the policy that decides now asks people again.

    The claimed row tells who decided: nobody reviews a row while it is decided again.
    """
    policy = columns.get("policy")
    stands = row.person_verdict is not None
    if not (outcome.asks_again and stands) or row.reviewed_under == policy:
        return None
    number = row.reviews + 1
    return Review(
        image_id=row.image_id,
        number=number,
        tenant=row.tenant,
        batch=row.batch,
        at=now,
        who=PLATFORM,
        action=LAPSE,
        note=f"{row.person_verdict} by {row.person} lapsed: {policy} asks people again",
        evidence=columns["evidence"],
        policy=policy,
        policy_verdict=columns.get("verdict"),
        sha256=row.sha256,
        request_id=f"lapse-{number}",
    )


def review(row: ImageRow, made: Review, columns: Mapping[str, Any], now: float) -> Change:
    """The change that a person's decision makes. `truth.reviewing` says whether it may be made."""
    columns = {**columns, "reviews": made.number}
    reason = f"{made.action} by {made.who}" + (f": {made.note}" if made.note else "")
    return replace(_change(row, columns, now, "reviewed", reason, ""), review=made)


def free(row: ImageRow, holder: Holder | None, now: float, rules: Rules) -> Change | None:
    """What becomes of a leased row whose worker is presumed dead. None: it lives, or is done.

    `holder`: the record of the lease's owner, if it has one.
    """
    if row.lease_owner is None:
        return None
    if holder is not None and is_dead(holder, now) and named(row) not in holder.hand:
        reason = f"{row.lease_owner} died, and did not work on it"
        return release(Claim(row, "", row.lease_owner), now, reason, run_of(row.lease_owner))
    if is_dead(holder, now) or (row.lease_until or 0.0) <= now:
        return expire_lease(row, now, rules)
    return None


def expire_lease(row: ImageRow, now: float, rules: Rules) -> Change:
    """The lease ran out without an outcome. The worker is presumed dead. The attempt counts."""
    owner = row.lease_owner or ""
    if row.attempts >= rules.max_attempts:
        reason = f"{row.attempts} attempts ended with the death of their process"
        return _fail(
            row,
            STAGE_OF[Status(row.pipeline_status)],
            "crashed_repeatedly",
            reason,
            now,
            run_of(owner),
        )
    at = now + crash_wait(row.attempts, rules)
    columns = {
        **_FREE,
        "suspect": True,
        "attempts": row.attempts,
        "fence": row.fence,
        "not_before": at,
        "due_at": at,
    }
    return _change(row, columns, now, "lease_lapsed", f"lease of {owner} ran out", run_of(owner))


def pull_back(row: ImageRow, now: float, lease: float, than: float) -> Change | None:
    """Make a row due that is due later than any wait. None: it is not.

    A clock was ahead when its time was written, or is behind now. A lease is not ended, since its
    worker may live: it ends `lease` seconds from now, unless it is extended.
    """
    if row.due_at is None or row.due_at <= than:
        return None
    columns: dict[str, Any] = {"due_at": now, "not_before": min(row.not_before, now)}
    if row.lease_owner is not None:
        columns |= {"lease_until": now + lease, "due_at": now + lease}
    late = row.due_at - now
    return _change(row, columns, now, "pulled_back", f"it was due in {late:.0f} s: a clock", "")


def release(claim: Claim, now: float, reason: str, run_id: str) -> Change:
    """Hand a claimed row back untouched. The attempt is refunded."""
    columns = {
        **_FREE,
        "attempts": max(0, claim.row.attempts - 1),
        "not_before": now,
        "due_at": now,
    }
    return _change(claim.row, columns, now, "released", reason, run_id)


def reset(row: ImageRow, to: Reset, now: float) -> Change | None:
    """Send a row back to a stage. None: it never reached that stage, or its object is gone.

    The fence grows, so a worker that holds the row has lost it.
    """
    if row.object_state != PRESENT or not reached(row, to.stage):
        return None
    columns = {**_goes_on(row, to.stage, now), "target": to.policy or row.target}
    return _change(row, columns, now, "reset", to.reason, to.run_id)


def regrade(row: ImageRow, move: Move, policy: str, now: float, reason: str) -> Change | None:
    """Send a row to its replay boundary under a policy. None: the row has changed since.

    A row that waits for an earlier stage keeps its place, its lease and its backoff.
    """
    if (row.fence, row.pipeline_status) != (move.fence, move.status):
        return None
    if row.object_state != PRESENT or row.pipeline_status == Status.FAILED:
        return None
    if move.stage is None:
        return _change(row, {"target": policy}, now, "regrade", reason, "")
    columns = {
        **_FREE,
        **_CALM,
        "pipeline_status": str(WAITS_FOR[move.stage]),
        "evidence": {**row.evidence, **move.evidence},
        "fence": row.fence + 1,
        "not_before": now,
        "due_at": now,
        "target": policy,
    }
    return _change(row, columns, now, "regrade", reason, "")


def leave_bucket(
    row: ImageRow, state: str, now: float, reason: str, by: str | None = None
) -> Change:
    """The object was deleted, or replaced `by` another image.

    A decided row keeps its decision; another row fails.
    """
    columns: dict[str, Any] = {"object_state": state, "replaced_by": by}
    status = Status(row.pipeline_status)
    if status.terminal:
        return _change(row, columns, now, "object_state", reason, "")
    stage = STAGE_OF.get(status, STAGES[0])
    return _fail(row, stage, f"object_{state}", reason, now, "", columns)


def return_to_bucket(
    row: ImageRow, landed_at: float, now: float, reason: str, version: str
) -> Change:
    """The object of a departed row is in its bucket again.

    A decided row is decided again, from recorded evidence: a copy of it may have been accepted
    meanwhile. A row that failed because its object was missing goes on where it stopped.
    """
    columns: dict[str, Any] = {
        "object_state": PRESENT,
        "landed_at": landed_at,
        "replaced_by": None,
        **_lies_as(row, version, now),
    }
    if row.pipeline_status == Status.FAILED and row.failure_class in WITHOUT_OBJECT:
        columns |= _goes_on(row, row.failed_stage or STAGES[0], now)
    elif row.pipeline_status == Status.CURATED:
        columns |= _goes_on(row, STAGES[-1], now)
    return _change(row, columns, now, "object_state", reason, "")


def relocate(row: ImageRow, version: str, now: float) -> Change:
    """The row's bytes lie at its key as another version. What was found and decided stays."""
    reason = "the same bytes, copied, restored or moved"
    if row.sha256 is None:
        reason = "not read yet, so it is read as it lies there now"
    return _change(row, _lies_as(row, version, now), now, "relocated", reason, "")


def _lies_as(row: ImageRow, version: str, now: float) -> dict[str, Any]:
    """The columns of a row whose object is this version now.

    Nobody knows the bytes of a row that was never read. It is validated from the beginning, and a
    worker that read the version before loses it.
    """
    if version == row.version:
        return {}
    return {"version": version} | (_goes_on(row, STAGES[0], now) if row.sha256 is None else {})


def _goes_on(row: ImageRow, stage: str, now: float) -> dict[str, Any]:
    """The columns of a row that waits for a stage from now on. Whoever holds it has lost it."""
    return {
        **_FREE,
        **_CALM,
        **_NO_FAILURE,
        "pipeline_status": str(WAITS_FOR[stage]),
        "fence": row.fence + 1,
        "not_before": now,
        "due_at": now,
    }


def reached(row: ImageRow, stage: str) -> bool:
    """Whether the row has come as far as waiting for `stage`."""
    status = Status(row.pipeline_status)
    if status is Status.CURATED:
        return True
    at = row.failed_stage if status is Status.FAILED else STAGE_OF.get(status)
    return at is not None and STAGES.index(at) >= STAGES.index(stage)


def registered(row: ImageRow, reason: str) -> Event:
    """The first event of a row: all of its columns."""
    return Event(
        image_id=row.image_id,
        tenant=row.tenant,
        batch=row.batch,
        at=row.arrived_at,
        kind="registered",
        from_status=None,
        to_status=row.pipeline_status,
        reason=reason,
        run_id="",
        policy=None,
        fence=row.fence,
        changes=jsonable(row),
    )


def jsonable(row: ImageRow) -> dict[str, Any]:
    columns = asdict(row)
    columns["reasons"] = list(row.reasons)
    columns["evidence"] = dict(row.evidence)
    return columns


def rebuild(events: list[Event]) -> ImageRow:
    """The row that a history leads to. The oldest event comes first. Leases are not in it."""
    columns: dict[str, Any] = {}
    for event in events:
        columns.update(event.changes)
    return ImageRow(**{**columns, "reasons": tuple(columns["reasons"])})


def _check(claim: Claim, outcome: Completed) -> None:
    evidence = outcome.evidence
    if (evidence.image_id, evidence.stage) != (claim.image_id, claim.stage):
        raise InvalidTransition(
            f"The evidence speaks of {evidence.stage} of {evidence.image_id}, the claim of "
            f"{claim.stage} of {claim.image_id}."
        )
    if foreign := set(outcome.columns) - PRODUCTS:
        raise InvalidTransition(f"A completed stage cannot set {', '.join(sorted(foreign))}.")


def _fail(
    row: ImageRow,
    stage: str,
    failure_class: str,
    reason: str,
    now: float,
    run_id: str,
    more: Mapping[str, Any] | None = None,
) -> Change:
    reason = storable_text(reason)
    columns = {
        **_FREE,
        **_UNDECIDED,
        **(more or {}),
        "pipeline_status": str(Status.FAILED),
        "target": None,
        "failure_class": failure_class,
        "failure_reason": reason,
        "failed_stage": stage,
        "fence": row.fence + 1,  # nobody who still works on it may commit
        "attempts": row.attempts,
        "retries": row.retries,
        "retry_since": row.retry_since,
        "suspect": row.suspect,
        "due_at": None,
    }
    return _change(row, columns, now, "failed", f"{failure_class}: {reason}", run_id)


def _change(
    row: ImageRow, columns: dict[str, Any], now: float, kind: EventKind, reason: str, run_id: str
) -> Change:
    # A claim has no event of its own. The event that ends it carries its attempt and fence.
    columns.setdefault("fence", row.fence)
    columns.setdefault("attempts", row.attempts)
    columns["updated_at"] = now
    event = Event(
        image_id=row.image_id,
        tenant=row.tenant,
        batch=row.batch,
        at=now,
        kind=kind,
        from_status=row.pipeline_status,
        to_status=columns.get("pipeline_status", row.pipeline_status),
        reason=storable_text(reason),
        run_id=run_id,
        policy=columns.get("policy") or row.policy,
        fence=columns["fence"],
        changes=columns,
    )
    return Change(columns, event)
