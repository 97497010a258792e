"""measure(): reads Truth and Belief once, in bounded time. It goes on if a part cannot be read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from parjanya_dagster.belief.drift import Identity, declared, running
from parjanya_dagster.belief.ledger import accounts
from parjanya_dagster.belief.snapshot import Belief, SensorSeen
from parjanya_dagster.doctor.case import SENSOR_OF, Case
from parjanya_dagster.doctor.examine import Bounds, Examiner
from parjanya_dagster.doctor.facts import Facts
from parjanya_dagster.doctor.findings import Finding
from parjanya_dagster.doctor.rules import diagnose
from parjanya_dagster.errors import BeliefUnreadable, ParjanyaError, TruthUnavailable
from parjanya_dagster.intent.limits import Limits
from parjanya_dagster.lanes import Lane
from parjanya_dagster.platform import Platform

TRUTH, BELIEF = "truth", "belief"
ALL_OF_TRUTH = ("the heartbeats of Truth", "the counts of Truth", "what runs did", "Truth")
ALL_OF_BELIEF = ("Dagster's runs and partitions", "Dagster's ticks")
WITHOUT_BUCKETS = Bounds(seconds=10.0, places=0, objects=0, troubled=50, ours=50, stranded=False)
"""Listing buckets costs money and time: the doctor does that, and not every few seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One measurement. What could not be read is empty, and named in `unread`."""

    facts: Facts
    findings: tuple[Finding, ...]
    lanes: tuple[Lane, ...]
    limits: Limits
    seconds: float  # what measuring took
    accounts: Mapping[str, Counter[str]] = field(default_factory=dict)
    paces: Mapping[str, float] = field(default_factory=dict)  # stage -> seconds per image
    declared: Mapping[str, Identity] = field(default_factory=dict)
    running: Sequence[tuple[str, float, str, Identity]] = ()
    unread: Mapping[str, str] = field(default_factory=dict)

    def readable(self, layer: str) -> bool:
        parts = ALL_OF_TRUTH if layer == TRUTH else ALL_OF_BELIEF
        return not any(part in self.unread for part in parts)


def measure(
    platform: Platform,
    belief: Belief | None,
    sensors: Callable[[], Sequence[SensorSeen]],
    daemon: Callable[[], float | None] = lambda: None,
) -> Measured:
    """Read everything that can be read. An error of reading is named in `unread`, not raised."""
    began = platform.clock()
    store = platform.store
    examiner = Examiner(
        store=store,
        objects=platform.objects,
        belief=belief,
        sensors=sensors,
        daemon=daemon,
        clock=platform.clock,
        bounds=WITHOUT_BUCKETS,
    )
    facts = examiner.examine()
    unread = dict(facts.unread)
    limits = Limits()
    read: dict[str, Any] = {}

    @contextmanager
    def part(what: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # whatever it is, that part is not known
            unread[what] = str(error) if isinstance(error, ParjanyaError) else type(error).__name__

    if facts.loops is not None:  # else nothing else of Truth can be read either
        with part("what runs did"):
            limits = platform.limits
            read["accounts"] = accounts(store)
            read["paces"] = {stage: pace.seconds_per_row for stage, pace in store.paces().items()}
            read["declared"] = declared(store)
            read["running"] = running(store)
    findings = tuple(diagnose(Case(facts=facts, lanes=platform.lanes, limits=limits)))
    seconds = platform.clock() - began
    return Measured(
        facts=facts,
        findings=findings,
        lanes=platform.lanes,
        limits=limits,
        seconds=seconds,
        unread=unread,
        **read,
    )


def _without_truth(platform: Platform, why: str, seconds: float) -> Measured:
    facts = Facts(now=platform.clock(), unread={"Truth": why})
    limits = Limits()
    case = Case(facts=facts, lanes=platform.lanes, limits=limits)
    return Measured(
        facts=facts,
        findings=tuple(diagnose(case)),
        lanes=platform.lanes,
        limits=limits,
        seconds=seconds,
        unread=facts.unread,
    )


def measure_home(platform: Platform) -> Measured:
    """Measure an instance from outside: open the Dagster of its home, and close it again."""
    from parjanya_dagster.belief.instance import Unreadable, open_dagster
    from parjanya_dagster.belief.runs import DagsterBelief
    from parjanya_dagster.belief.ticks import daemon_beat, sensors_seen

    began = platform.clock()
    try:
        platform.probe()
    except TruthUnavailable as error:  # reading it, or Dagster beside it, could take minutes
        return _without_truth(platform, str(error), platform.clock() - began)
    try:
        instance = open_dagster(platform.settings)
    except BeliefUnreadable as error:
        away = Unreadable(error)
        return measure(platform, away, away)
    with instance:
        return measure(
            platform,
            DagsterBelief(instance, platform.lanes),
            lambda: sensors_seen(instance, list(SENSOR_OF.values())),
            lambda: daemon_beat(instance),
        )
