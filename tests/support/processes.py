"""Calls in processes of their own, which begin at the same moment.

The processes are forks of one that has imported what they import: an interpreter that imports the
store anew takes longer than most of them work.
"""

from __future__ import annotations

import multiprocessing
import os
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

T = TypeVar("T")

IMPORTED = [
    "psycopg2",
    "parjanya_dagster.truth.dynamo",
    "parjanya_dagster.truth.sql.migrate",
    "tests.support.backends",
    "tests.support.world",
]
PATIENCE = 600.0  # seconds: only a failure takes that long


def at_once(work: Callable[..., T], calls: Sequence[tuple[Any, ...]]) -> list[T]:
    """What `work`, a function of a module, returned of each call, in any order.

    Raises AssertionError with the traceback of a call that raised.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(IMPORTED)
    barrier, results = context.Barrier(len(calls)), context.Queue()
    processes = [
        context.Process(
            target=_begin, args=(work, call, dict(os.environ), barrier, results), daemon=True
        )
        for call in calls
    ]
    for process in processes:
        process.start()
    ended = [results.get(timeout=PATIENCE) for _ in processes]
    for process in processes:
        process.join()
    wrong = [trace for _, trace in ended if trace]
    assert not wrong, "\n".join(wrong)
    return [returned for returned, _ in ended]


def _begin(
    work: Callable[..., Any],
    call: tuple[Any, ...],
    environment: Mapping[str, str],
    barrier: Any,
    results: Any,
) -> None:
    os.environ.clear()  # it is that of the first test which had processes
    os.environ.update(environment)
    try:
        barrier.wait(PATIENCE)
        results.put((work(*call), ""))
    except Exception:
        results.put((None, traceback.format_exc()))
