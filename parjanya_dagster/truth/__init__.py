"""Truth: image rows, evidence, events, tenants, and the bytes they speak of.

Durable, authoritative, enough to rebuild everything else. Only fenced commits change a row.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Protocol

from parjanya_dagster.errors import SettingsInvalid
from parjanya_dagster.truth.store import Store
from parjanya_dagster.truth.transitions import Rules


def open_store(
    url: str,
    *,
    rules: Rules | None = None,
    batch_size: int = 1000,
    rng: random.Random | None = None,
    migrating: bool = False,
) -> Store:
    """Open Truth at `sqlite:///…`, `postgresql://…` or `dynamodb://…`.

    Raises SettingsInvalid, TruthUnavailable, SchemaOutdated. A server's schema is made or brought
    to this version only where `migrating`.
    """
    options = {"rules": rules, "batch_size": batch_size, "rng": rng, "migrating": migrating}
    if not url.startswith("dynamodb:"):
        from parjanya_dagster.truth import sql

        return sql.open_store(url, **options)  # type: ignore[arg-type]
    try:
        from parjanya_dagster.truth import dynamo
    except ImportError as error:
        raise SettingsInvalid(
            f"DynamoDB needs boto3 ({error}). Install it: pip install 'parjanya[aws]'"
        ) from error
    return dynamo.open_store(url, **options)  # type: ignore[arg-type]


class Hints(Protocol):
    """What is told of changes of Truth. Belief: it may be late, incomplete or silent."""

    def poll(self) -> frozenset[str] | None:
        """Batches that came to have work since the last time. None: nothing is known; look."""


def open_hints(url: str, clock: Callable[[], float]) -> Hints | None:
    """Hints of the store at `url`; None where it gives none and must be looked at."""
    if not url.startswith("dynamodb:"):
        return None
    from parjanya_dagster.truth import dynamo

    return dynamo.open_stream(url, clock)
