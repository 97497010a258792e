"""Processes that share the tests compile different files first.

In a fresh checkout nothing is compiled. Each process of xdist would compile all test modules, and
all packages that they import, at the same time as the others: half a minute of processor time each.
So each imports them beginning at another place. When it comes to what another process has
begun with, that is compiled.
"""

from __future__ import annotations

import importlib
from collections.abc import Generator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, Any, Any]:
    worker = getattr(session.config, "workerinput", None)
    if worker is not None:
        number, of = int(worker["workerid"].removeprefix("gw")), worker["workercount"]
        capture = session.config.pluginmanager.getplugin("capturemanager")
        assert capture is not None
        capture.resume_global_capture()
        for module in turned(sorted(modules(session.config)), number, of):
            _import(module)
        capture.suspend_global_capture()
        capture.read_global_capture()  # it is said again where it matters
    return (yield)


def turned(modules: list[str], number: int, of: int) -> list[str]:
    """All of them, for process `number` of `of`: beginning with its own part."""
    start = len(modules) * number // of
    return modules[start:] + modules[:start]


def modules(config: pytest.Config) -> Iterator[str]:
    """Names of the test modules that this session will collect."""
    for argument in config.args:
        path = Path(config.invocation_params.dir, argument.partition("::")[0])
        for file in path.rglob("test_*.py") if path.is_dir() else [path]:
            if file.resolve().is_relative_to(config.rootpath):
                yield ".".join(file.resolve().relative_to(config.rootpath).with_suffix("").parts)


def _import(module: str) -> None:
    """What fails here fails again where it is collected, and is told there. So are warnings that
    are errors."""
    with suppress(Exception, pytest.skip.Exception):
        importlib.import_module(module)
