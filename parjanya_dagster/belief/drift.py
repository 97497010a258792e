"""Compares what runs with what was declared to run, lane by lane.

The process of each run records its identity, one record per lane and identity. So a stale machine
among good ones still shows. An operator declares what should run. A lane has drifted when the two
differ.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from parjanya_dagster.truth.records import Declaration, Identified
from parjanya_dagster.truth.store import Declarations

OVERTAKEN = 900.0  # seconds: a wrong run counts until a right one begins so much later
KEPT = 30 * 86_400.0  # seconds that a record of what ran is kept

Identity = Mapping[str, str]
"""What a process is: code, image, packages, schema, and the model of each stage that has one."""


@dataclass(frozen=True, slots=True)
class Drift:
    """A run of a lane differed from what had been declared."""

    lane: str
    since: float  # when the last such run began
    run_id: str
    differs: Mapping[str, tuple[str, str]]  # part of the identity -> (declared, running)

    def __str__(self) -> str:
        parts = [
            f"{part} {ran!r} instead of {want!r}" for part, (want, ran) in self.differs.items()
        ]
        return f"lane {self.lane}: run {self.run_id} had {', '.join(parts)}"


def declare(store: Declarations, lane: str, identity: Identity, now: float) -> None:
    """Declare what runs of the lane should be. Parts that are not named are not compared."""
    store.declare(Declaration(lane=lane, identity=dict(identity), at=now))


def note_running(
    store: Declarations, lane: str, identity: Identity, run_id: str, now: float
) -> None:
    """Record the identity of a process in which a run of the lane began."""
    digest = hashlib.sha256(json.dumps(dict(identity), sort_keys=True).encode()).hexdigest()[:12]
    store.note_identity(
        Identified(lane=lane, digest=digest, identity=dict(identity), run_id=run_id, at=now)
    )


def differences(declared: Identity, running: Identity) -> dict[str, tuple[str, str]]:
    """Parts that both identities name and that differ: part -> (declared, running)."""
    return {
        part: (want, running[part])
        for part, want in declared.items()
        if want and running.get(part) and running[part] != want
    }


def declared(store: Declarations) -> dict[str, Identity]:
    """The declared identity of each lane."""
    return {lane: declaration.identity for lane, declaration in store.declarations().items()}


def running(store: Declarations) -> list[tuple[str, float, str, Identity]]:
    """Every identity seen, newest first: (lane, when its last run began, that run, identity)."""
    return [(seen.lane, seen.at, seen.run_id, seen.identity) for seen in store.identities()]


def drifts(store: Declarations) -> list[Drift]:
    """Lanes that drifted since their declaration.

    Wrong runs that right ones overtook do not count.
    """
    wanted = store.declarations()
    seen = store.identities()
    drifted = []
    for lane, declaration in wanted.items():
        ours = [ran for ran in seen if ran.lane == lane and ran.at >= declaration.at]
        good = [ran.at for ran in ours if not differences(declaration.identity, ran.identity)]
        for ran in ours:
            differs = differences(declaration.identity, ran.identity)
            if differs and (not good or max(good) - ran.at < OVERTAKEN):
                drifted.append(Drift(lane, ran.at, ran.run_id, differs))
    return drifted


def forget_old(store: Declarations, now: float) -> int:
    """Drop records of what ran long ago. Returns how many."""
    return store.drop_identities(now - KEPT)
