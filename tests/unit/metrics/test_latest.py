"""Who asks for a measurement that stands still is told that nothing could be read."""

from __future__ import annotations

import threading

from parjanya_dagster.doctor.facts import Facts
from parjanya_dagster.intent.limits import Limits
from parjanya_dagster.metrics.exporter import Exporter
from parjanya_dagster.metrics.latest import Latest
from parjanya_dagster.metrics.measure import BELIEF, TRUTH, Measured
from tests.support.clock import Clock


def measured() -> Measured:
    return Measured(facts=Facts(now=0.0), findings=(), lanes=(), limits=Limits(), seconds=0.1)


def test_a_measurement_that_stands_still_is_told_and_the_next_one_counts() -> None:
    goes_on, taken = threading.Event(), []

    def measure() -> Measured:
        taken.append(1)
        goes_on.wait()
        return measured()

    clock = Clock()
    latest = Latest(measure, clock, 5.0, patience=0.05)
    for _ in range(3):
        late = latest.look()
        assert not late.readable(TRUTH)
        assert not late.readable(BELIEF)
        clock.pass_by(60.0)
    assert taken == [1]  # and none is begun beside it
    goes_on.set()
    while latest._measuring.under_way:  # the one that was late ends by itself
        continue
    latest._patience = 60.0
    assert latest.look().readable(TRUTH)
    assert len(taken) == 2


def test_a_scrape_of_what_cannot_be_read_says_so() -> None:
    never = threading.Event()

    def measure() -> Measured:
        never.wait()
        return measured()

    exporter = Exporter(measure, Clock(), 5.0)
    exporter._latest._patience = 0.05
    text = exporter.text()
    assert 'parjanya_readable{layer="truth"} 0.0' in text
    assert 'parjanya_readable{layer="belief"} 0.0' in text
    never.set()
