"""A small house for unit tests: a real SQLite Truth, a real folder of buckets, a clock in hand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from parjanya_dagster.objects.local import FolderObjects
from parjanya_dagster.platform import Platform
from parjanya_dagster.settings import Settings
from parjanya_dagster.truth.sql import open_store

NOON = 1_760_011_200.0  # 2025-10-09 12:00 UTC


@dataclass
class Clock:
    """Time that moves when a test says so."""

    now: float = NOON

    def __call__(self) -> float:
        return self.now

    def pass_by(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def platform(tmp_path: Path, clock: Clock) -> Iterator[Platform]:
    """An empty platform. Files in its buckets count as still at once."""
    settings = Settings(home=tmp_path / "home", arrivals={"settle": 0.0}, media={"workers": 2})
    (settings.home / "buckets").mkdir(parents=True)
    store = open_store(
        settings.truth_url, rules=settings.rules, batch_size=settings.arrivals.batch_size
    )
    yield Platform(settings, store, FolderObjects(settings.home / "buckets", 0.0), clock)
    store.close()
