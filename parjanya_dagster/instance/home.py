"""The home of an instance: Dagster's configuration, written from the settings."""

from __future__ import annotations

import fcntl
import os
import random
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import yaml
from sqlalchemy import make_url

from parjanya_dagster.errors import HomeBusy, PortBusy, SettingsInvalid
from parjanya_dagster.instance.standby import wire
from parjanya_dagster.lanes import BY_NAME
from parjanya_dagster.settings import Settings

HOST = "127.0.0.1"
DESK_PORT = 3100
DESK_FILE = "desk"  # in the home: the address of the desk that is served over it
SHARES = 3  # of a lane: what arrives, what arrives for tenants with little to do, regrades
RUNS_PER_SHARE = 2
RELEASE_RUNS = 1
BACKFILL_RUNS = 2  # of all backfills together, so that none holds up what arrives


def runs_at_once(lanes: int) -> int:
    """Enough for every share, so that none waits for another's runs to end."""
    return lanes * SHARES * RUNS_PER_SHARE + BACKFILL_RUNS + RELEASE_RUNS


def forks_runs() -> bool:
    """Whether the processes of runs are forked from one that has imported the code.

    `runs.standby` of them wait for a run and have loaded models. With 0 a run is a fork all the
    same, and loads what it needs itself.
    """
    return wire.AVAILABLE


def dagster_config(settings: Settings) -> dict[str, Any]:
    """The contents of dagster.yaml. With a PostgreSQL truth, Dagster's storage lives there too."""
    patience = settings.runs.launch_deadline or max(
        lane.launch_deadline for lane in BY_NAME[settings.lanes.layout]
    )
    config: dict[str, Any] = {
        "telemetry": {"enabled": False},
        "nux": {"enabled": False},
        "run_coordinator": {
            "module": "parjanya_dagster.instance.run_queue",
            "class": "PromptRunCoordinator",
        },
        "concurrency": {
            "runs": {
                "max_concurrent_runs": runs_at_once(len(BY_NAME[settings.lanes.layout])),
                "tag_concurrency_limits": [
                    {
                        "key": "parjanya/share",
                        "limit": RUNS_PER_SHARE,
                        "value": {"applyLimitPerUniqueValue": True},
                    },
                    {"key": "dagster/backfill", "limit": BACKFILL_RUNS},
                ],
            }
        },
        "run_monitoring": {
            "enabled": True,
            "start_timeout_seconds": int(patience),
            "cancel_timeout_seconds": 180,
            "poll_interval_seconds": 30,
        },
        # Both loops run for a whole tick, so each needs a thread.
        "sensors": {"use_threads": True, "num_workers": 4},
        "run_retries": {"enabled": False},  # the reconciler owns retries
        "retention": {
            "sensor": {"purge_after_days": {"skipped": 1, "failure": 30, "success": 7}},
        },
    }
    if forks_runs():
        config["run_launcher"] = {
            "module": "parjanya_dagster.instance.standby.launcher",
            "class": "StandbyLauncher",
            "config": {"socket": str(settings.home / "dagster" / wire.SOCKET_NAME)},
        }
    url = make_url(settings.truth_url)
    if url.drivername == "postgresql+iam":
        raise SettingsInvalid(
            "PARJANYA_TRUTH__URL logs in by IAM, and Dagster's own tables beside Truth cannot: it "
            "renews no token. Use a password with `parjanya up`."
        )
    if url.get_backend_name() == "postgresql":
        address = url.set(drivername="postgresql").render_as_string(hide_password=False)
        config["storage"] = {"postgres": {"postgres_url": address}}
    else:
        config["storage"] = {
            "custom": {
                "module": "parjanya_dagster.instance.kept_storage",
                "class": "KeptStorage",
                "config": {"base_dir": str(settings.home / "dagster" / "storage")},
            }
        }
    return config


def write_home(settings: Settings, code_port: int) -> Path:
    """Make the home's folders and files. Returns the workspace file."""
    dagster_home = settings.home / "dagster"
    for folder in (dagster_home, settings.home / "logs", settings.home / "buckets"):
        folder.mkdir(parents=True, exist_ok=True)
    _write(dagster_home / "dagster.yaml", yaml.safe_dump(dagster_config(settings)), 0o600)
    workspace = {
        "load_from": [
            {"grpc_server": {"host": HOST, "port": code_port, "location_name": "parjanya"}}
        ]
    }
    path = dagster_home / "workspace.yaml"
    _write(path, yaml.safe_dump(workspace), 0o644)
    return path


def _write(path: Path, text: str, mode: int) -> None:
    temporary = path.with_suffix(".part")
    with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w") as file:
        file.write("# Written by `parjanya up`: change settings instead.\n" + text)
    os.replace(temporary, path)


@contextmanager
def alone(settings: Settings) -> Iterator[None]:
    """Hold the home for this process. Raises HomeBusy. The hold ends when the process does."""
    settings.home.mkdir(parents=True, exist_ok=True)
    with open(settings.home / "up.lock", "a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise HomeBusy(
                f"Another `parjanya up` runs over {settings.home}. Stop it, or use another --home."
            ) from None
        yield


def choose_port(wanted: int | None, default: int = 3000) -> int:
    """The wanted port, or the first free one from the default on. Raises PortBusy."""
    if wanted is not None:
        if not _free(wanted):
            raise PortBusy(
                f"Port {wanted} is in use. Choose another with --port, or leave it out to take "
                "the next free one."
            )
        return wanted
    for port in range(default, default + 200):
        if _free(port):
            return port
    raise PortBusy(f"No port from {default} to {default + 199} is free.")


def free_port() -> int:
    """A port that nobody listens on at present. Raises PortBusy.

    The kernel gives the ports from 32768 on to connections and to whoever asks for any port. The
    services that start meanwhile make many, so this one is lower.
    """
    first = random.randrange(20_000, 30_000)
    for port in chain(range(first, 30_000), range(20_000, first)):
        if _free(port):
            return port
    raise PortBusy("No port from 20000 to 29999 is free.")


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True
