"""Facts in a few words, and what diagnose() finds in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from parjanya_dagster.belief.snapshot import (
    FailedRun,
    LiveRun,
    Snapshot,
)
from parjanya_dagster.doctor.case import Case
from parjanya_dagster.doctor.facts import Facts
from parjanya_dagster.doctor.findings import Finding
from parjanya_dagster.doctor.rules import diagnose
from parjanya_dagster.intent.limits import Limits
from parjanya_dagster.lanes import EMBEDDED
from parjanya_dagster.truth.models import DueBatch, Heartbeat
from tests.support.snapshots import NOW

LOOPS = {name: Heartbeat(name, NOW - 3, {"seconds": 0.1}) for name in ("reconciler", "arrivals")}


def snapshot(
    work: Sequence[DueBatch] = (),
    *,
    runs: Sequence[LiveRun] = (),
    dead: Sequence[FailedRun] = (),
    keys: Sequence[str] | None = None,
) -> Snapshot:
    known = tuple(one.batch for one in work) if keys is None else tuple(keys)
    return Snapshot(
        now=NOW, due=tuple(work), keys=known, runs=tuple(runs), failed=tuple(dead), weights={}
    )


def facts(**read: Any) -> Facts:
    return Facts(now=NOW, **{"snapshot": snapshot(), "loops": LOOPS, **read})


def found(limits: Limits | None = None, **read: Any) -> list[Finding]:
    return diagnose(Case(facts=facts(**read), lanes=EMBEDDED, limits=limits or Limits()))


def codes(**read: Any) -> list[str]:
    return [one.code for one in found(**read)]
