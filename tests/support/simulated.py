"""The seed of a session's simulations, how many there are, and counts of what happened.

A session has one seed, also where several processes share its tests: they inherit it.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from typing import Any

import pytest

EXAMPLES = int(os.environ.get("SIMULATION_EXAMPLES") or 4)
WIDE = 300
"""Simulated sequences from which on nothing else is sampled either."""
BY_DAY = 20261128
"""By day all sessions do the same, so that a change is judged by what it changed."""
SEED = int(
    os.environ.get("SIMULATION_SEED")
    or (random.SystemRandom().randrange(10**9) if EXAMPLES >= WIDE else BY_DAY)
)
COUNTED: Counter[str] = Counter()
_SENT = "parjanya_simulated"


def pytest_configure() -> None:
    os.environ["SIMULATION_SEED"] = str(SEED)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker of xdist hands its counts to the process that reports."""
    if (output := getattr(session.config, "workeroutput", None)) is not None:
        output[_SENT] = dict(COUNTED)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    COUNTED.update(getattr(node, "workeroutput", {}).get(_SENT, {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not COUNTED:
        return
    terminalreporter.section("simulation")
    terminalreporter.line(f"SIMULATION_SEED={SEED} replays it.")
    for name, count in sorted(COUNTED.items()):
        terminalreporter.line(f"{count:>9,}  {name}")
