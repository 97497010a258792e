"""A measurement as families of Prometheus. A pure function: it reads nothing."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from parjanya_dagster.belief.ledger import JOB, TENANT
from parjanya_dagster.belief.snapshot import LiveRun, RunState, Snapshot
from parjanya_dagster.doctor.rules_runs import living
from parjanya_dagster.execution.run_ledger import BOUNDS
from parjanya_dagster.intent.along import Share, shared
from parjanya_dagster.metrics.measure import BELIEF, TRUTH, Measured
from parjanya_dagster.metrics.names import METRICS, PREFIX
from parjanya_dagster.truth.stages import Status

VERDICTS = ("accept", "review", "reject")


class Sheet:
    """Families that are filled one sample at a time, by the names of `METRICS`."""

    def __init__(self) -> None:
        self._families: dict[str, Any] = {}

    def set(self, name: str, value: float, *labels: str) -> None:
        self._family(name).add_metric([_text(label) for label in labels], value)

    def observed(
        self,
        name: str,
        labels: Iterable[str],
        below: Mapping[str, float],
        count: float,
        total: float,
    ) -> None:
        """A histogram: how many were in each bound's own bucket, how many in all, their sum."""
        running, buckets = 0.0, []
        for bound in map(str, BOUNDS):
            running += below.get(bound, 0.0)
            buckets.append((f"{float(bound)}", running))
        self._family(name).add_metric(
            list(labels), buckets=[*buckets, ("+Inf", count)], sum_value=total
        )

    def families(self) -> list[Metric]:
        for name in METRICS:
            self._family(name)
        return [self._families[name] for name in METRICS]

    def _family(self, name: str) -> Any:
        if name not in self._families:
            metric = METRICS[name]
            kind = {
                "gauge": GaugeMetricFamily,
                "counter": CounterMetricFamily,
                "histogram": HistogramMetricFamily,
            }[metric.kind]
            self._families[name] = kind(PREFIX + name, metric.says, labels=metric.labels)
        return self._families[name]


def families(seen: Measured) -> list[Metric]:
    """Every family of `METRICS`. A family that could not be read has no samples."""
    sheet = Sheet()
    for layer in (TRUTH, BELIEF):
        sheet.set("readable", float(seen.readable(layer)), layer)
    sheet.set("measuring_seconds", seen.seconds)
    _truth(sheet, seen)
    _belief(sheet, seen)
    if seen.facts.snapshot is not None:
        _backlog(sheet, seen, seen.facts.snapshot)
        _runs(sheet, seen, seen.facts.snapshot)
    _work(sheet, seen)
    _drift(sheet, seen)
    findings = Counter(
        (finding.code, str(finding.boundary), str(finding.severity)) for finding in seen.findings
    )
    for labels, count in findings.items():
        sheet.set("findings", count, *labels)
    return sheet.families()


def _truth(sheet: Sheet, seen: Measured) -> None:
    for count in seen.facts.counts:
        for status in Status:
            sheet.set("images", count.by_status.get(status, 0), count.tenant, str(status))
        for verdict in VERDICTS:
            people = count.by_person.get(verdict, 0)
            policies = count.by_effective.get(verdict, 0) - people
            sheet.set("verdicts", policies, count.tenant, verdict, "policy")
            sheet.set("verdicts", people, count.tenant, verdict, "person")
        for failure_class, rows in count.by_failure.items():
            sheet.set("failed_images", rows, count.tenant, failure_class)
        sheet.set("in_flight", count.in_flight, count.tenant)
        sheet.set("conservation", count.registered - count.rows - count.departed, count.tenant)
    if seen.facts.ahead is not None:
        sheet.set("clock_ahead_seconds", seen.facts.ahead)


def _belief(sheet: Sheet, seen: Measured) -> None:
    loops = seen.facts.loops or {}
    for name, beat in loops.items():
        sheet.set("heartbeat_age_seconds", max(0.0, seen.facts.now - beat.at), name)
        if "seconds" in beat.payload:
            sheet.set("loop_seconds", float(beat.payload["seconds"]), name)
    _totals(sheet, seen.facts.totals)
    for sensor in seen.facts.sensors:
        sheet.set("sensor_on", float(sensor.running), sensor.name)
        sheet.set("sensor_failed_ticks", sensor.failures, sensor.name)
    if seen.facts.snapshot is not None:
        sheet.set("partition_keys", len(seen.facts.snapshot.keys))


def _totals(sheet: Sheet, totals: Mapping[str, float]) -> None:
    plain = {
        "reconciliations": "reconciliations_total",
        "seconds": "reconciling_seconds_total",
        "guarded": "intent_guarded_total",
        "deduplicated": "intent_deduplicated_total",
        "cooled": "intent_cooled_total",
        "lapsed": "leases_lapsed_total",
        "buried": "runs_buried_total",
    }
    for part, name in plain.items():
        if part in totals:
            sheet.set(name, totals[part])
    for part, runs in totals.items():
        if part.startswith("emitted|"):
            sheet.set("intent_emitted_total", runs, part.partition("|")[2])


def _backlog(sheet: Sheet, seen: Measured, snapshot: Snapshot) -> None:
    rows: Counter[tuple[str, str, str]] = Counter()
    oldest: dict[tuple[str, str, str], float] = {}
    lane_of = {stage: lane.name for lane in seen.lanes for stage in lane.stages}
    for tenant in seen.facts.counts:  # nothing due is a number too: it has been read
        for stage, lane in lane_of.items():
            rows[lane, stage, tenant.tenant] = 0
    for due in snapshot.due:
        labels = (lane_of[due.stage], due.stage, due.tenant)
        rows[labels] += due.rows
        oldest[labels] = min(oldest.get(labels, due.oldest), due.oldest)
    for labels, count in rows.items():
        sheet.set("due", count, *labels)
        waited = snapshot.now - oldest.get(labels, snapshot.now)
        sheet.set("due_oldest_seconds", max(0.0, waited), *labels)


def _runs(sheet: Sheet, seen: Measured, snapshot: Snapshot) -> None:
    live, _ = living(snapshot, seen.lanes, seen.limits)
    for share in shared(snapshot, seen.lanes, live, seen.limits):
        lane, ours = share.lane, share.runs
        sheet.set("launch_deadline_seconds", lane.launch_deadline, lane.name)
        states: dict[str, list[LiveRun]] = defaultdict(list)
        for run in ours:
            states[run.state].append(run)
        for state in RunState:
            those = states.get(state, [])
            oldest = max((snapshot.now - run.since for run in those), default=0.0)
            sheet.set("runs", len(those), lane.name, state)
            sheet.set("run_oldest_seconds", max(0.0, oldest), lane.name, state)
        waiting = sum(run.state is not RunState.STARTED and not run.light for run in ours)
        sheet.set("queue_full", float(waiting >= seen.limits.queued_runs), lane.name)
        sheet.set("lane_held", float(lane.name in seen.limits.held_lanes), lane.name)
        _uncovered(sheet, share, snapshot)
        quiet = [
            snapshot.now - max(run.since, run.pulse.progress_at if run.pulse else 0.0)
            for run in states.get(RunState.STARTED, [])
        ]
        sheet.set("run_quiet_seconds", max(0.0, *quiet, 0.0), lane.name)


def _uncovered(sheet: Sheet, share: Share, snapshot: Snapshot) -> None:
    lane, with_rows = share.lane, [need for need in share.needs if need.rows]
    oldest = max((snapshot.now - need.oldest for need in with_rows), default=0.0)
    sheet.set("uncovered", sum(need.rows for need in with_rows), lane.name)
    sheet.set("uncovered_oldest_seconds", max(0.0, oldest), lane.name)


def _work(sheet: Sheet, seen: Measured) -> None:
    retries: Counter[tuple[str, ...]] = Counter()
    for name, account in seen.accounts.items():
        if name.startswith(TENANT):
            tenant = name.removeprefix(TENANT)
            for what, amount in account.items():
                kind, *rest = what.split("|")
                if kind == "outcomes":
                    sheet.set("outcomes_total", amount, tenant, *rest)
                elif kind == "seconds":
                    sheet.set("work_seconds_total", amount, tenant, *rest)
                elif kind == "gpu_seconds":
                    sheet.set("gpu_seconds_total", amount, tenant)
                elif kind == "retries":
                    retries[tuple(rest)] += int(amount)
        elif name.startswith(JOB):
            _starts(sheet, seen, name.removeprefix(JOB), account)
    for labels, count in retries.items():
        sheet.set("retries_total", count, *labels)
    for stage, seconds in seen.paces.items():
        sheet.set("seconds_per_image", seconds, stage)


def _starts(sheet: Sheet, seen: Measured, job: str, account: Mapping[str, float]) -> None:
    lane = next((lane.name for lane in seen.lanes if lane.job == job), job)
    phases: dict[str, dict[str, float]] = defaultdict(dict)
    for what, amount in account.items():
        _, phase, *rest = what.split("|")
        phases[phase]["|".join(rest)] = amount
    for phase, amounts in phases.items():
        below = {what[3:]: amount for what, amount in amounts.items() if what.startswith("le|")}
        sheet.observed(
            "run_start_seconds",
            (lane, phase),
            below,
            amounts.get("count", 0),
            amounts.get("sum", 0.0),
        )


def _drift(sheet: Sheet, seen: Measured) -> None:
    if seen.facts.loops is None:
        return
    drifted = {drift.lane for drift in seen.facts.drifts}
    for lane in seen.lanes:
        if lane.name in seen.declared:
            sheet.set("drifted", float(lane.name in drifted), lane.name)
        newest = next((record for record in seen.running if record[0] == lane.name), None)
        if newest is not None:
            ran = newest[3]
            parts = [ran.get(part, "") for part in ("code", "image", "packages")]
            sheet.set("running_info", 1.0, lane.name, *parts)


def _text(label: str) -> str:
    return label.encode("utf-8", "replace").decode()
