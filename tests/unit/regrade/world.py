"""A small history to regrade: rows with recorded evidence, decided by the real worker."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from bench.recorded import record
from parjanya_dagster.execution.manifest import all_rows
from parjanya_dagster.execution.manifest_table import as_parquet
from parjanya_dagster.execution.stages.build import stage_work
from parjanya_dagster.execution.worker import Pace, work_off
from parjanya_dagster.platform import Platform
from parjanya_dagster.regrade.advance import Advance, selection
from parjanya_dagster.truth.models import ImageRow, Regrade

DECISION = ["image_id", "status", "verdict", "reasons", "policy", "policy_hash", "duplicate_of"]
"""The decision columns of a manifest."""


def history(platform: Platform, tenants: dict[str, int], policy: str = "default@1") -> None:
    """Tenants with so many images each, decided under a policy."""
    for tenant, count in tenants.items():
        record(platform.store, tenant, count, platform.clock(), policy=policy)  # type: ignore[arg-type]
    decide(platform)


def decide(
    platform: Platform, batches: Sequence[str] | None = None, stages: Sequence[str] = ("curated",)
) -> int:
    """Work off what is due, as a run does. Returns how many rows were decided or worked."""
    return sum(
        work_off(
            platform.store,
            stage_work(platform, stage, "run-1"),
            platform.store.batches() if batches is None else batches,
            owner="run-1",
            pace=Pace(rows=500),
            clock=platform.clock,
        ).rows
        for stage in stages
    )


def regrade(
    platform: Platform, to: str, *tenants: str, since: str = "", until: str = ""
) -> Regrade:
    """Ask for a regrade, and send its rows back."""
    policy = platform.registry.named(to)
    wanted = selection(platform.store, policy, tenants, since, until, platform.clock())
    wanted = platform.store.begin_regrade(wanted)
    assert Advance(
        store=platform.store, published=platform.registry.get, clock=platform.clock, regrade=wanted
    ).run()
    return wanted


def rows(platform: Platform, *tenants: str) -> dict[str, ImageRow]:
    found = {}
    for tenant in tenants:
        for batch in platform.store.batches(tenant):
            found |= {row.image_id: row for row in all_rows(platform.store, batch)}
    return found


def decisions(platform: Platform, *tenants: str) -> dict[str, bytes]:
    """The decision columns of each batch's manifest, as bytes."""
    import io

    import pandas

    found = {}
    for tenant in tenants:
        for batch in platform.store.batches(tenant):
            some = all_rows(platform.store, batch)
            table: Any = pandas.read_parquet(
                io.BytesIO(as_parquet(some, platform.store.evidence(some)))
            )
            found[batch] = table[DECISION].to_json(orient="records").encode()
    return found


def shuffled(batches: Sequence[str], seed: int) -> list[str]:
    return random.Random(seed).sample(list(batches), len(batches))
