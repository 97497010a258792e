"""A code location whose only job waits until a file is there."""

import os
import time
from pathlib import Path

from dagster import Definitions, in_process_executor, job, op

GATE = "TEST_GATE"  # names the file in the environment


@op
def wait_at_the_gate() -> None:
    gate = Path(os.environ[GATE])
    while not gate.exists():
        time.sleep(0.02)


@job(executor_def=in_process_executor)
def waiting_job() -> None:
    wait_at_the_gate()


defs = Definitions(jobs=[waiting_job])
