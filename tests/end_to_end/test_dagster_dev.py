"""`dagster dev` with the repository's own dagster.yaml and workspace.yaml, without DAGSTER_HOME."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil

from parjanya_dagster.instance.home import free_port
from tests.support.instance import Instance, with_suppressed_kill
from tests.support.waiting import is_alive, tail, wait_for_end, wait_until, work_of

ROOT = Path(__file__).parents[2]


def locations(instance: Instance) -> list[str]:
    """The code locations that the UI has loaded; none while it starts."""
    query = (
        "{ repositoriesOrError { ... on RepositoryConnection { nodes { location { name } } } } }"
    )
    try:
        found = instance.graphql(query)["repositoriesOrError"]
    except OSError:
        return []
    return [node["location"]["name"] for node in found.get("nodes", ())]


def test_dagster_dev_serves_the_same_definitions_and_runs_the_loops(tmp_path: Path) -> None:
    for name in ("dagster.yaml", "workspace.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    instance = Instance(tmp_path / ".parjanya")
    instance.port = free_port()
    del instance.environment["PARJANYA_HOME"]  # `.parjanya` in the present folder is the default
    log = tmp_path / "dev.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "dagster", "dev", "-h", "127.0.0.1", "-p", str(instance.port)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**instance.environment, "PYTHONPATH": os.environ.get("PYTHONPATH", str(ROOT))},
            cwd=tmp_path,
            start_new_session=True,
        )
    family: list[psutil.Process] = []
    try:
        instance.until(
            lambda: {"arrivals", "reconciler"} <= instance.platform.store.heartbeats().keys(),
            "both loops completed",
        )
        instance.until(lambda: locations(instance) == ["parjanya"], "the UI shows it")
        assert (tmp_path / ".parjanya" / "dagster" / "storage").is_dir()
        family = psutil.Process(process.pid).children(recursive=True)
        os.killpg(process.pid, signal.SIGINT)
        wait_for_end(process, "`dagster dev` ends", lambda: tail(log))
        pids = [one.pid for one in family]
        wait_until(
            lambda: not any(is_alive(one) for one in family),
            "what it started ends",
            moves=lambda: work_of(*pids),
            log=lambda: tail(log),
        )
    finally:
        print(tail(log))
        for one in family:
            with_suppressed_kill(one)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        instance.close()
