"""Declaring that the runs of lanes should be what this process is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from parjanya_dagster.belief.drift import Identity, declare
from parjanya_dagster.execution.identity import identity_of
from parjanya_dagster.execution.resources import StageResources
from parjanya_dagster.lanes import Lane
from parjanya_dagster.settings import Settings


def identities(
    settings: Settings,
    lanes: Sequence[Lane],
    given: Mapping[str, Identity] | None = None,
    changed: Identity | None = None,
) -> dict[str, dict[str, str]]:
    """The identity to declare for each lane: the given one, else that of this process.

    `given` is by lane. `changed` replaces single parts, in every lane.
    """
    given = given or {}
    return {
        lane.name: {**(given.get(lane.name) or identity_of(settings, lane)), **(changed or {})}
        for lane in lanes
    }


def declare_lanes(resources: StageResources, lanes: Sequence[Lane]) -> None:
    """Declare that these lanes should run what this process is."""
    for lane, identity in identities(resources.settings, lanes).items():
        declare(resources.store, lane, identity, resources.clock())
