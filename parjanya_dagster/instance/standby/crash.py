"""What Dagster is told of a run whose process died."""

from __future__ import annotations


def report_crash(command: str, status: int) -> None:
    """Record the failure of the run, as Dagster's code server does for its own children.

    `command`: Dagster's serialized ExecuteRunArgs. `status`: as of subprocess, negative for a
    signal. A run that has ended meanwhile is left as it is. Raises what Dagster's storage raises;
    its monitor of runs then finds that the process is gone.
    """
    from dagster import DagsterInstance
    from dagster._grpc.types import ExecuteRunArgs
    from dagster._serdes import deserialize_value
    from dagster._utils import get_run_crash_explanation

    given = deserialize_value(command, ExecuteRunArgs)
    assert given.instance_ref is not None
    with DagsterInstance.from_ref(given.instance_ref) as instance:
        run = instance.get_run_by_id(given.run_id)
        if run is None or run.is_finished:
            return
        prefix = f"Run execution process for {run.run_id}"
        instance.report_engine_event(get_run_crash_explanation(prefix, status), run)
        instance.report_run_failed(run)
