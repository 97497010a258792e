"""A process amid a stage, for test_notice: it says `working`, and then waits for a signal.

`python -m tests.unit.execution.told_to_end HOW HOME SECONDS`: the stage has `SECONDS` to end, and
its third image takes until the signal (`patient`), is stuck in native code (`native`), or is worked
on in a run of Dagster until the signal (`run`).
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from parjanya_dagster.execution.notice import Notice
from parjanya_dagster.execution.worker import Pace, work_off
from parjanya_dagster.truth import open_store
from parjanya_dagster.truth.outcomes import Claim, Outcome
from tests.support import world
from tests.support.clock import Clock

RAISED = 7  # exit status where who listened before heard the signal


class Raised(BaseException):
    """What the handler raises that was there before, as Dagster's does."""


class Work:
    """Two images are done at once; the third takes long; each later one takes a second."""

    stage = "validated"
    load_seconds: ClassVar[float] = 0.0

    def __init__(self, notice: Notice, clock: Clock, native: bool) -> None:
        self._notice, self._clock, self._native = notice, clock, native

    def prepare(self) -> None: ...

    def work(self, claims: Sequence[Claim]) -> Iterator[tuple[Claim, Outcome]]:
        for number, claim in enumerate(claims):
            if number == 2:
                print("working", flush=True)
                if self._native:
                    hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)  # it hears no signal
                self._notice.wait(120.0)
            elif self._notice.given():
                self._clock.pass_by(1.0)
            yield claim, world.completed(claim)


def _stage(how: str, home: str, seconds: float) -> None:
    import signal

    def raising(*_: object) -> None:
        raise Raised

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, raising)
    store = open_store(f"sqlite:///{home}/truth.db")
    notice, clock = Notice(seconds), Clock()
    with notice.listening(passed_on=True):
        pass  # an earlier stage of the same run
    with notice.listening(passed_on=True):
        work_off(
            store,
            Work(notice, clock, how == "native"),
            store.batches(),
            owner="run-1",
            pace=Pace(rows=50, seconds=900.0, lease=600.0),
            clock=clock,
            notice=notice,
        )


def _run(home: str) -> None:
    """A run of Dagster as its launcher's command makes it: signals are Dagster's to handle."""
    os.environ["PARJANYA_HOME"] = home
    import dagster as dg
    from dagster._utils.interrupts import capture_interrupts

    from parjanya_dagster.belief.tags import INTENT_TAG, RECONCILER
    from parjanya_dagster.defs import assets, run_start
    from parjanya_dagster.defs.jobs import lane_jobs
    from parjanya_dagster.defs.partitions import PARTITIONS
    from parjanya_dagster.defs.resources import PlatformResource
    from parjanya_dagster.platform import shared_platform

    place: Any = shared_platform()
    begin = run_start.StageRunner.begin

    def working(*positional: Any, **named: Any) -> Any:
        notice = Notice(float(sys.argv[3]))
        work = Work(notice, Clock(), native=False)
        return begin(*positional, **named, notice=notice, work=lambda *_: work)

    run_start.StageRunner.begin = working  # type: ignore[method-assign]
    defs = dg.Definitions(
        assets=[assets.uploads, *assets.STAGE_ASSETS],
        jobs=lane_jobs(place.lanes),
        resources={"platform": PlatformResource()},
    )
    (batch,) = place.store.batches()
    with dg.DagsterInstance.ephemeral() as instance, capture_interrupts():
        instance.add_dynamic_partitions(PARTITIONS, [batch])
        try:
            defs.resolve_job_def(place.lanes[0].job).execute_in_process(
                instance=instance, partition_key=batch, tags={INTENT_TAG: RECONCILER}
            )
        except BaseException as error:
            (run,) = instance.get_runs()
            print(f"{type(error).__name__} {run.status.value}", flush=True)


if __name__ == "__main__":
    try:
        if sys.argv[1] == "run":
            _run(sys.argv[2])
        else:
            _stage(sys.argv[1], sys.argv[2], float(sys.argv[3]))
    except Raised:
        sys.exit(RAISED)
