"""How many instances a lane's backlog needs. Pure.

A group is raised at once, and lowered only when all is quiet. This is for fleets that start from
nothing: Kubernetes and ECS capacity providers scale by themselves.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupState:
    """An Auto Scaling group, as it says of itself."""

    name: str
    desired: int
    least: int
    most: int
    in_service: int
    last_failure: str = ""  # why the last activity failed, in the group's own words


@dataclass(frozen=True, slots=True)
class Backlog:
    """What a lane has before it."""

    rows: int  # due now
    seconds_per_row: float | None  # as measured; None: not measured yet
    leases: bool  # somebody works, perhaps in this lane


@dataclass(frozen=True, slots=True)
class Bounds:
    """What bounds capacity."""

    most: int = 4  # instances
    drain: float = 1800.0  # seconds in which a backlog should be worked off
    idle: float = 900.0  # seconds of quiet before a group is lowered


def needed(backlog: Backlog, bounds: Bounds) -> int:
    """Instances that work the backlog off in time; one where nobody knows how long a row takes."""
    if backlog.rows <= 0:
        return 0
    seconds = backlog.rows * (backlog.seconds_per_row or 0.0)
    return min(bounds.most, max(1, -int(-seconds // bounds.drain)))


def decide(state: GroupState, backlog: Backlog, quiet: float, bounds: Bounds) -> int | None:
    """What to set a group to; None: leave it. `quiet`: seconds without backlog or lease.

    Never down while leases live, nor below what the group's owner wants at least.
    """
    wanted = min(needed(backlog, bounds), state.most)
    if wanted > state.desired:
        return wanted
    if backlog.rows or backlog.leases or quiet < bounds.idle:
        return None
    return state.least if state.least < state.desired else None
