"""The sensors' ticks in Dagster's history, and the signs of life of the daemon that makes them."""

from __future__ import annotations

from collections.abc import Sequence

from dagster import DagsterInstance
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    InstigatorTick,
    TickStatus,
)
from dagster._daemon.types import DaemonHeartbeat

from parjanya_dagster.belief.snapshot import SensorSeen
from parjanya_dagster.errors import BeliefUnreadable

TICKS = 50  # looked at per sensor
SENSOR_DAEMON = "SENSOR"


def sensors_seen(instance: DagsterInstance, names: Sequence[str]) -> tuple[SensorSeen, ...]:
    """Those of the named sensors that Dagster knows. Raises BeliefUnreadable."""
    try:
        states = instance.all_instigator_state(instigator_type=InstigatorType.SENSOR)
        return tuple(
            _seen(instance, state) for state in states if state.instigator_name in set(names)
        )
    except Exception as error:
        raise BeliefUnreadable(
            f"Dagster's tick history cannot be read ({type(error).__name__}: {error})."
        ) from error


def daemon_beat(instance: DagsterInstance) -> float | None:
    """When Dagster's daemon last gave a sign of life; None: never. Raises BeliefUnreadable."""
    try:
        beats: dict[str, DaemonHeartbeat] = dict(instance.get_daemon_heartbeats())
    except Exception as error:
        raise BeliefUnreadable(
            f"The heartbeats of Dagster's daemon cannot be read ({type(error).__name__}: {error})."
        ) from error
    beat = beats.get(SENSOR_DAEMON)
    return None if beat is None else float(beat.timestamp)


def _seen(instance: DagsterInstance, state: InstigatorState) -> SensorSeen:
    ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=TICKS)
    failed: list[InstigatorTick] = []
    for tick in ticks:  # newest first
        if tick.status is TickStatus.FAILURE:
            failed.append(tick)
        elif tick.status is not TickStatus.STARTED:
            break
    error = failed[0].error if failed else None
    return SensorSeen(
        name=state.instigator_name,
        running=state.status is not InstigatorStatus.STOPPED,
        failures=len(failed),
        failing_since=failed[-1].timestamp if failed else None,
        error=_line(error.message) if error else "",
        ticked_at=ticks[0].timestamp if ticks else None,
        ticking=bool(ticks) and ticks[0].status is TickStatus.STARTED,
        unreachable=error is not None
        and error.cls_name == DagsterUserCodeUnreachableError.__name__,
    )


def _line(message: str) -> str:
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    return lines[0][:300] if lines else ""
