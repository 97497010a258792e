"""`dagster dev` with the repository's own dagster.yaml and workspace.yaml, without DAGSTER_HOME."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil

from parjanya_dagster.instance.home import free_port
from tests.end_to_end.instance import Instance

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
    except BaseException:
        print(log.read_text()[-5000:])
        raise
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(timeout=60)
        _, alive = psutil.wait_procs(family, timeout=30)
        for one in alive:
            one.kill()
        instance.close()
