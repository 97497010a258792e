"""Rules on the loops that compare Truth with what runs: do they complete?"""

from __future__ import annotations

from collections.abc import Iterator

from parjanya_dagster.belief.tags import RECONCILER
from parjanya_dagster.doctor.case import SENSOR_OF, Case, Rule
from parjanya_dagster.doctor.findings import Finding, finding


def _blind(case: Case) -> Iterator[Finding]:
    facts = case.facts
    if facts.loops is None:
        return
    for loop, sensor in SENSOR_OF.items():
        code = "reconciler_blind" if loop == RECONCILER else "arrivals_blind"
        beat = facts.loops.get(loop)
        if beat is None:
            yield finding(code, f"The loop of {sensor} has never completed", heartbeat=loop)
            continue
        # A loop that takes long on a large bucket rests in proportion before the next one.
        allowed = case.grace.heartbeat + 25.0 * float(beat.payload.get("seconds", 0.0))
        silent = facts.now - beat.at
        if silent > allowed:
            yield finding(
                code,
                f"The loop of {sensor} last completed {silent:.0f} s ago. Its schedule may still "
                "show it as running",
                beat.at,
                heartbeat=loop,
                seconds=round(silent),
                allowed=round(allowed),
            )


def _processes(case: Case) -> Iterator[Finding]:
    """Which of Dagster's processes is away, by name: before the loops' age shows that one is."""
    facts = case.facts
    if facts.daemon is None:
        return
    silent = facts.now - facts.daemon
    if silent > case.grace.daemon:
        yield finding(
            "daemon_away",
            f"Dagster's daemon last gave a sign of life {silent:.0f} s ago: nothing ticks, nothing "
            "is launched",
            facts.daemon,
        )
        return
    on = [sensor for sensor in facts.sensors if sensor.running and sensor.ticked_at is not None]
    quiet = [
        sensor
        for sensor in on
        if sensor.unreachable
        or (not sensor.ticking and facts.now - (sensor.ticked_at or 0.0) > case.grace.ticks)
    ]
    if on and len(quiet) == len(on):
        since = min(sensor.failing_since or sensor.ticked_at or facts.now for sensor in quiet)
        yield finding(
            "code_location_away",
            "The daemon is there and reaches no code location: no sensor ticks",
            since,
        )


def _sensors(case: Case) -> Iterator[Finding]:
    for sensor in case.facts.sensors:
        if not sensor.running:
            yield finding("sensor_stopped", f"The sensor {sensor.name} is switched off")
        if sensor.failures >= case.grace.failed_ticks:
            yield finding(
                "ticks_failing",
                f"The last {sensor.failures} ticks of {sensor.name} failed: {sensor.error}",
                sensor.failing_since,
                sensor=sensor.name,
                ticks=sensor.failures,
            )


BELIEF_RULES: tuple[Rule, ...] = (
    _blind,
    _processes,
    _sensors,
)
