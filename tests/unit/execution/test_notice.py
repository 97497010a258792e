"""A real process that gets SIGTERM amid a stage, as ECS, Kubernetes and spot machines send it."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from parjanya_dagster.execution.notice import Notice
from parjanya_dagster.platform import Platform
from parjanya_dagster.truth.models import ImageRow
from tests.support import world
from tests.support.waiting import wait_until
from tests.unit.execution.told_to_end import RAISED

ROOT = Path(__file__).parents[3]
LONG, SHORT = 1000.0, 1.0  # seconds from SIGTERM to SIGKILL


@contextmanager
def amid_a_stage(platform: Platform, how: str, seconds: float) -> Iterator[subprocess.Popen[str]]:
    """A process that has six rows in hand, of which two are done and not committed."""
    world.arrive(platform.store, 6)
    command = [sys.executable, "-m", "tests.unit.execution.told_to_end", how]
    with subprocess.Popen(
        [*command, str(platform.settings.home), str(seconds)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "working\n"
            assert [row.lease_owner is None for row in rows(platform)] == [False] * 6
            yield process
        finally:
            process.kill()


def rows(platform: Platform) -> list[ImageRow]:
    return platform.store.rows(platform.store.batches())


def handed_back(platform: Platform) -> int:
    """How many rows another worker could have now, with all their attempts."""
    return sum(
        row.lease_owner is None
        and row.pipeline_status == "pending_validation"
        and row.attempts == 0
        for row in rows(platform)
    )


def test_what_is_done_is_committed_and_the_rest_handed_back(platform: Platform) -> None:
    with amid_a_stage(platform, "patient", LONG) as process:
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == RAISED, "who listened before hears it in the end"
    done = [row for row in rows(platform) if row.pipeline_status == "pending_vlm_enrichment"]
    assert len(done) >= 3
    assert {(row.lease_owner, row.attempts) for row in done} == {(None, 0)}
    assert len(done) + handed_back(platform) == 6


def test_a_process_that_is_stuck_in_native_code_hands_back_in_time(platform: Platform) -> None:
    with amid_a_stage(platform, "native", SHORT) as process:
        process.send_signal(signal.SIGTERM)
        wait_until(lambda: handed_back(platform) == 6, "all rows are free")
        assert process.poll() is None, "and it is still stuck"


def test_a_run_of_dagster_hands_back_and_fails(platform: Platform) -> None:
    with amid_a_stage(platform, "run", LONG) as process:
        process.send_signal(signal.SIGTERM)
        assert process.stdout is not None
        last = process.stdout.read().splitlines()[-1]
        assert last == "DagsterExecutionInterruptedError FAILURE"
    assert {(row.lease_owner, row.attempts) for row in rows(platform)} == {(None, 0)}
    assert {row.pipeline_status for row in rows(platform)} == {"pending_vlm_enrichment"}


def test_a_signal_with_nothing_in_hand_is_passed_on_at_once() -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: heard.append(number))
    try:
        notice = Notice(LONG)
        with notice.listening(passed_on=True):
            signal.raise_signal(signal.SIGTERM)
            assert heard == [signal.SIGTERM]
            with notice.in_hand(lambda: None):
                signal.raise_signal(signal.SIGTERM)
                assert len(heard) == 2, "a second one is not put off"
        assert notice.given()
    finally:
        signal.signal(signal.SIGTERM, before)


def _fail_after_a_signal(notice: Notice) -> None:
    with notice.listening(passed_on=True), notice.in_hand(lambda: None):
        signal.raise_signal(signal.SIGINT)
        raise OSError("Truth does not answer")


def test_a_stage_that_fails_does_not_hide_that_the_process_was_told_to_end() -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        notice = Notice(LONG)
        with pytest.raises(KeyboardInterrupt):
            _fail_after_a_signal(notice)
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_thread_hears_nothing_and_is_not_disturbed() -> None:
    before = signal.getsignal(signal.SIGTERM)
    during: list[object] = []

    def listen() -> None:
        with Notice().listening(passed_on=True):
            during.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=listen)
    thread.start()
    thread.join()
    assert during == [before]
