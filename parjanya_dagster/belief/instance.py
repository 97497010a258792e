"""The Dagster of a home, opened to be read. Importing this module does not import Dagster."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from parjanya_dagster.errors import BeliefUnreadable
from parjanya_dagster.settings import Settings, dagster_home


def open_dagster(settings: Settings) -> Any:
    """The Dagster of a home, as a context manager. Raises BeliefUnreadable."""
    from dagster import DagsterInstance

    home = dagster_home(settings)
    if not (home / "dagster.yaml").exists():
        raise BeliefUnreadable(f"There is no Dagster in {home}: start `parjanya up` there.")
    try:
        return DagsterInstance.from_config(str(home))
    except Exception as error:
        raise BeliefUnreadable(
            f"Dagster does not open ({type(error).__name__}: {error})."
        ) from None


class Unreadable:
    """Belief that could not be opened. Each read raises the reason."""

    def __init__(self, error: BeliefUnreadable) -> None:
        self._error = error

    def read(self, now: float) -> Any:
        raise self._error

    def expire(self, run_id: str, reason: str) -> bool:
        raise self._error

    def __call__(self) -> Any:
        raise self._error


def oldest_ended_run(instance: Any) -> float | None:
    """When the oldest of Dagster's ended runs was last changed."""
    from dagster import RunsFilter
    from dagster._core.storage.dagster_run import FINISHED_STATUSES

    ended = RunsFilter(statuses=list(FINISHED_STATUSES))
    for record in instance.get_run_records(ended, limit=1, ascending=True):
        at: datetime = record.update_timestamp
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    return None
