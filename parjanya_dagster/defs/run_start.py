"""How a Dagster run begins in its process. What it reports is told as tags of the run, too."""

from __future__ import annotations

import atexit
import multiprocessing
import os
from typing import TYPE_CHECKING

from parjanya_dagster.belief.tags import LIGHT_TAG
from parjanya_dagster.execution.run_start import process_began, report_cold_start
from parjanya_dagster.execution.stage_run import StageRunner
from parjanya_dagster.platform import Platform
from parjanya_dagster.traces import spans

if TYPE_CHECKING:
    from dagster import AssetExecutionContext

    from parjanya_dagster.belief.drift import Identity

GIVES_WAY = 10
"""Niceness of runs with much to do."""
_runners: dict[str, StageRunner] = {}
"""By run id, of the runs that have begun in this process: one, but for tests."""


def runner_of(context: AssetExecutionContext, platform: Platform) -> StageRunner:
    """The runner of this run. It begins with the first asset of the run in this process.

    Raises Drifted where drifted lanes are held and this process is not what was declared: nothing
    has been claimed then, and whoever tries again in this process is told again.
    """
    run = context.run
    if run.run_id not in _runners:
        lane = next((lane for lane in platform.lanes if lane.job == run.job_name), None)

        def announce(identity: Identity) -> None:
            context.instance.add_run_tags(
                run.run_id, {f"parjanya/{part}": value for part, value in identity.items()}
            )
            _report_cold_start(context, platform)

        if LIGHT_TAG not in run.tags:
            _give_way()
        spans.begin_run(run.run_id, (lane or platform.lanes[0]).name)
        runner = StageRunner.begin(
            platform,
            lane or platform.lanes[0],
            run_id=run.run_id,
            ledger_id=run.run_id,
            job=run.job_name,
            announce=announce,
        )
        _runners[run.run_id] = runner
        atexit.register(runner.leave)  # where the run is stopped between two stages
    return _runners[run.run_id]


def _give_way() -> None:
    """Let the sensors of this machine go first, and its runs with little to do.

    Only in a process that was made for this run. It holds for this thread and those it starts.
    """
    if multiprocessing.parent_process() is not None:
        os.nice(GIVES_WAY)


def _report_cold_start(context: AssetExecutionContext, platform: Platform) -> None:
    record = context.instance.get_run_record_by_id(context.run.run_id)
    if record is None:
        return
    began = process_began()
    report_cold_start(
        platform,
        ledger_id=context.run.run_id,
        job=context.run.job_name,
        phases={
            "launching": began - record.create_timestamp.timestamp(),  # queue, node, process
            "importing": platform.clock() - began,
        },
    )
