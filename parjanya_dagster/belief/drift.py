"""What runs against what was declared to run, lane by lane.

The process of each run records what it really is: one record per lane and identity, so that a
stale machine among good ones is not hidden by them. An operator declares what should run. Where
the two differ, the lane has drifted.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from parjanya_dagster.truth.store import Store

DECLARED, RUNNING = "declared", "running"
"""Families of heartbeats: `declared:<lane>`, `running:<lane>/<digest of the identity>`."""

OVERTAKEN = 900.0  # seconds: a stranger counts until a run as declared has begun so much later
KEPT = 30 * 86_400.0  # seconds that a record of what ran is kept

Identity = Mapping[str, str]
"""What a process is: code, image, packages, schema, and the model of each stage that has one."""


@dataclass(frozen=True, slots=True)
class Drift:
    """A run of a lane was not what had been declared."""

    lane: str
    since: float  # when the last such run began
    run_id: str
    differs: Mapping[str, tuple[str, str]]  # part of the identity -> (declared, running)

    def __str__(self) -> str:
        said = [f"{part} {ran!r} instead of {want!r}" for part, (want, ran) in self.differs.items()]
        return f"lane {self.lane}: run {self.run_id} had {', '.join(said)}"


def declare(store: Store, lane: str, identity: Identity, now: float) -> None:
    """From now on, runs of the lane should be this. Parts that are not named are not compared."""
    store.beat(f"{DECLARED}:{lane}", now, dict(identity))


def note_running(store: Store, lane: str, identity: Identity, run_id: str, now: float) -> None:
    """A run of the lane has begun in a process that is this."""
    digest = hashlib.sha256(json.dumps(dict(identity), sort_keys=True).encode()).hexdigest()[:12]
    store.beat(f"{RUNNING}:{lane}/{digest}", now, {"identity": dict(identity), "run_id": run_id})


def differences(declared: Identity, running: Identity) -> dict[str, tuple[str, str]]:
    """Parts that both name and that differ: part -> (declared, running)."""
    return {
        part: (want, running[part])
        for part, want in declared.items()
        if want and running.get(part) and running[part] != want
    }


def declared(store: Store) -> dict[str, Identity]:
    """What was declared, by lane."""
    return {
        name.partition(":")[2]: beat.payload for name, beat in store.heartbeats(DECLARED).items()
    }


def running(store: Store) -> list[tuple[str, float, str, Identity]]:
    """(lane, when its last run began, that run, identity) of each identity seen, newest first."""
    found = [
        (
            name.partition(":")[2].partition("/")[0],
            beat.at,
            str(beat.payload["run_id"]),
            beat.payload["identity"],
        )
        for name, beat in store.heartbeats(RUNNING).items()
    ]
    return sorted(found, key=lambda one: -one[1])


def drifts(store: Store) -> list[Drift]:
    """Lanes that drifted: what ran since the declaration, was not it, and was not overtaken."""
    wanted = store.heartbeats(DECLARED)
    seen = running(store)
    found = []
    for name, beat in wanted.items():
        lane = name.partition(":")[2]
        ours = [one for one in seen if one[0] == lane and one[1] >= beat.at]
        good = [at for _, at, _, ran in ours if not differences(beat.payload, ran)]
        for _, at, run_id, ran in ours:
            differs = differences(beat.payload, ran)
            if differs and (not good or max(good) - at < OVERTAKEN):
                found.append(Drift(lane, at, run_id, differs))
    return found


def forget_old(store: Store, now: float) -> Sequence[str]:
    """Forget what ran long ago. Returns the names of the records."""
    old = [name for name, beat in store.heartbeats(RUNNING).items() if now - beat.at > KEPT]
    store.forget(old)
    return old
