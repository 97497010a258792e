"""The Auto Scaling groups of lanes, adjusted after intent is out: work needs an instance.

What was asked for, when, and what came of it is recorded: for the doctor, and since a group is
lowered only after all has been quiet for a while.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from parjanya_dagster.belief import blind_loops
from parjanya_dagster.errors import CloudUnavailable
from parjanya_dagster.intent.autoscaling import Backlog, Bounds, GroupState, decide
from parjanya_dagster.lanes import Lane
from parjanya_dagster.lines import get_logger
from parjanya_dagster.truth.records import GroupNote
from parjanya_dagster.truth.store import Store

log = get_logger(__name__)
EVERY = 30.0  # seconds between looks at a group


class Group(Protocol):
    """A group of instances. Methods raise CloudUnavailable."""

    def state(self) -> GroupState: ...

    def set_to(self, desired: int) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalingGroups:
    """Raises and lowers the groups of lanes."""

    store: Store
    groups: Mapping[str, Group]  # by lane
    bounds: Bounds
    clock: Callable[[], float]

    def adjust(self, lanes: Sequence[Lane], shares: Mapping[str, int]) -> None:
        """Look at each group that was not looked at just now. Raises TruthUnavailable.

        `shares`: rows that are due and a lane's to do, by lane, as `intent.along` shares them out.
        A group that cannot be read or set is noted, and hinders no other.
        """
        known = self.store.group_notes() if self.groups else {}
        for lane in lanes:
            last = known.get(lane.name)
            if lane.name not in self.groups or _just_now(last, self.clock()):
                continue
            try:
                with blind_loops.told_or_cleared(
                    self.store, f"capacity of {lane.name}", self.clock()
                ):
                    self._adjust(lane, self.groups[lane.name], last, shares.get(lane.name, 0))
            except CloudUnavailable:
                continue

    def _adjust(self, lane: Lane, group: Group, last: GroupNote | None, rows: int) -> None:
        now = self.clock()
        state, backlog = group.state(), self._backlog(lane, rows, now)
        busy = bool(backlog.rows or backlog.leases)
        quiet_since = now if busy or last is None else last.quiet_since
        desired = decide(state, backlog, now - quiet_since, self.bounds)
        if desired is not None:
            log.info("group_set", group=state.name, was=state.desired, to=desired)
            group.set_to(desired)
        wanted = state.desired if desired is None else desired
        waits = wanted > 0 and state.in_service == 0
        waited = last.nothing_since if last is not None else None
        self.store.note_group(
            GroupNote(
                lane=lane.name,
                group=state.name,
                desired=wanted,
                in_service=state.in_service,
                nothing_since=(waited or now) if waits else None,
                said=state.last_failure[:500],
                quiet_since=quiet_since,
                rows=backlog.rows,
                at=now,
            )
        )

    def _backlog(self, lane: Lane, rows: int, now: float) -> Backlog:
        paces = self.store.paces()
        measured = [paces[stage].seconds_per_row for stage in lane.stages if stage in paces]
        return Backlog(
            rows=rows,
            seconds_per_row=sum(measured) if measured else None,
            leases=bool(self.store.leases(now)),
        )


def _just_now(last: GroupNote | None, now: float) -> bool:
    return last is not None and 0 <= now - last.at < EVERY
