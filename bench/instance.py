"""A real instance for a measurement: `parjanya up` over its own home, idle when it is given."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from parjanya_dagster.platform import Platform, open_platform
from parjanya_dagster.settings import Settings, process_environment


@contextmanager
def running(settings: Settings, patience: float = 900.0) -> Iterator[Platform]:
    """Its platform, once the reconciler has looked for the first time."""
    command = [sys.executable, "-m", "parjanya_dagster.cli", "up", "--home", str(settings.home)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=process_environment(settings)
    ) as instance:
        try:
            _until_idle(instance)
            platform = open_platform(settings)
            until(lambda: "reconciler" in platform.store.heartbeats(), patience)
            yield platform
        finally:
            instance.send_signal(signal.SIGINT)
            instance.wait()


def until(condition: Callable[[], bool], patience: float = 900.0) -> None:
    """Look twice a second. What is measured are the rows' own times, so this only saves work."""
    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"it did not come to pass in {patience:.0f} s")
        time.sleep(0.5)


def _until_idle(instance: subprocess.Popen[str]) -> None:
    assert instance.stdout is not None
    for line in instance.stdout:
        if line.startswith("The UI is at "):
            return
    raise SystemExit("the instance did not start")
