"""Rows that go back to an earlier stage are not sent there for ever.

A stage that finds a preview or evidence missing sends the row back to the stage that makes it.
Where that does not help (a rule of the bucket deletes previews, say), the row would go round
without end, and each round costs a decode. After a few rounds it fails, with a class of its own,
and an operator can reset it.
"""

from __future__ import annotations

from parjanya_dagster.truth.outcomes import Claim, Outcome, SendBack, TerminalFailure
from parjanya_dagster.truth.stages import WAITS_FOR, Status
from parjanya_dagster.truth.store import EvidenceLog

MOST = 5  # times that a stage may send a row back before it must be decided
SENT_BACK_REPEATEDLY = "sent_back_repeatedly"
_ANEW = frozenset({"registered", "reset", "regrade", "object_state"})


def no_more_than_often(store: EvidenceLog, claim: Claim, outcome: Outcome) -> Outcome:
    """The outcome, or a failure where the row was sent back for it too often already.

    The history counts, from the last time the row began anew, so that nothing has to be kept
    beside it and whoever works on the row next counts the same.
    """
    if not isinstance(outcome, SendBack):
        return outcome
    waits, times = WAITS_FOR[claim.stage], 0
    for event in reversed(store.history(claim.image_id)):
        if event.kind in _ANEW or event.to_status == Status.CURATED:
            break
        times += event.kind == "sent_back" and event.from_status == waits
    if times < MOST:
        return outcome
    reason = f"{outcome.reason}; doing {outcome.stage} again has not helped {times} times"
    return TerminalFailure(SENT_BACK_REPEATEDLY, reason)
