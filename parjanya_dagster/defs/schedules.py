"""The job and the schedule that let go of what is old in Dagster's storage."""

from dagster import (
    DefaultScheduleStatus,
    OpExecutionContext,
    ScheduleDefinition,
    in_process_executor,
    job,
    op,
)

from parjanya_dagster.belief.retention import retention_of
from parjanya_dagster.defs.resources import PlatformResource


@op(description="Delete ended runs with their events, and let go of partitions that are decided.")
def let_go_of_what_is_old(context: OpExecutionContext, platform: PlatformResource) -> None:
    done = retention_of(platform.open(), context.instance).run()
    context.add_output_metadata(
        {
            "runs deleted": done.runs,
            "partition keys let go": done.keys,
            "records of identities forgotten": done.identities,
            "bytes freed": done.freed,
            "complete": done.complete,
        }
    )


@job(
    executor_def=in_process_executor,
    description="Retention of Dagster's storage. Rows, evidence and history are never deleted.",
)
def retention_job() -> None:
    let_go_of_what_is_old()


retention_schedule = ScheduleDefinition(
    name="retention_schedule",
    job=retention_job,
    cron_schedule="17 3 * * *",  # a pass is bounded in time: a large backlog takes several nights
    default_status=DefaultScheduleStatus.RUNNING,
    description="Every night.",
)
