"""What running a stage needs of the process that it runs in. `Platform` has all of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from parjanya_dagster.execution.worker import Pace
from parjanya_dagster.objects.store import Objects
from parjanya_dagster.policy import Policy
from parjanya_dagster.settings import Settings
from parjanya_dagster.truth.policy_registry import PolicyRegistry
from parjanya_dagster.truth.store import Store

if TYPE_CHECKING:
    from parjanya_dagster.learning.tastes import Tastes


class StageResources(Protocol):
    """Settings, Truth, object bytes, time, and policies."""

    @property
    def settings(self) -> Settings: ...
    @property
    def store(self) -> Store: ...
    @property
    def objects(self) -> Objects: ...
    @property
    def clock(self) -> Callable[[], float]: ...
    @property
    def pace(self) -> Pace: ...
    @property
    def registry(self) -> PolicyRegistry: ...
    @property
    def tastes(self) -> Tastes: ...
    def policy_of(self, tenant: str) -> Policy: ...
