"""Truth: image rows, their evidence, their events, and the tenants that they belong to.

Truth is durable and authoritative. Everything else can be rebuilt from it. A worker changes a row
only by a commit that names the row's current fence.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from parjanya_dagster.errors import SettingsInvalid

if TYPE_CHECKING:  # settings import a module of this package, and need no more of it
    import random

    from parjanya_dagster.objects.store import Objects
    from parjanya_dagster.truth.probe import Probe
    from parjanya_dagster.truth.store import Store
    from parjanya_dagster.truth.transitions import Rules


def open_store(
    url: str,
    *,
    rules: Rules | None = None,
    batch_size: int = 1000,
    rng: random.Random | None = None,
    migrating: bool = False,
    objects: Objects | None = None,
) -> Store:
    """Open Truth at `sqlite:///…`, `postgresql://…` or `dynamodb://…`.

    The schema is created, or brought to this version, only where `migrating`.
    `objects`: where DynamoDB keeps copies of what grows and never changes. Raises
    SettingsInvalid, TruthUnavailable, SchemaOutdated.
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
    return dynamo.open_store(url, objects=objects, **options)  # type: ignore[arg-type]


def open_probe(url: str) -> Probe:
    """What tells within seconds whether the store at `url` answers. Raises SettingsInvalid."""
    if not url.startswith("dynamodb:"):
        from parjanya_dagster.truth.sql.probe import open_probe

        return open_probe(url)
    from parjanya_dagster.truth import dynamo

    return dynamo.open_probe(url)


class Hints(Protocol):
    """What a store tells of its changes. It is Belief: it may be late, incomplete or silent."""

    def poll(self) -> frozenset[str] | None:
        """Batches that got work since the last call. None: not known, so look at the store."""


def open_hints(url: str, clock: Callable[[], float]) -> Hints | None:
    """The hints of the store at `url`. None: it gives none, so look at the store itself."""
    if not url.startswith("dynamodb:"):
        return None
    from parjanya_dagster.truth import dynamo

    return dynamo.open_stream(url, clock)
