"""How much disk retention gives back: real runs in Dagster's own storage, made old, let go.

python -m bench.retention 60     # runs
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from dagster import DagsterInstance, job, op

from parjanya_dagster.belief.retention import DAY, Retention
from parjanya_dagster.platform import open_platform
from parjanya_dagster.settings import Settings


@op
def write_a_line() -> str:
    print("one line of output")
    return "a result"


@job
def one_step() -> None:
    write_a_line()


def files(folder: Path) -> tuple[int, int]:
    """How many files there are, and how many bytes they take on the disk."""
    found = [path.stat() for path in folder.rglob("*") if path.is_file()]
    return len(found), sum(one.st_blocks * 512 for one in found)


def main(runs: int) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "dagster")
        folder.mkdir()
        platform = open_platform(Settings(home=Path(place, "home")), migrating=True)
        with DagsterInstance.local_temp(str(folder)) as instance:
            print("none", *files(folder))
            for _ in range(runs):
                one_step.execute_in_process(instance=instance)
            print("before", *files(folder))
            later = time.time() + 36 * DAY
            done = Retention(
                platform.store, instance, platform.lanes, lambda: later, 35.0, 30.0
            ).run()
            print("after", *files(folder), f"{done.runs} runs deleted, {done.freed} bytes freed")
        platform.store.close()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 60)
