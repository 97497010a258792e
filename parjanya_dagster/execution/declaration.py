"""Declaring that the runs of lanes should be what this process is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from parjanya_dagster.belief.drift import Identity, declare
from parjanya_dagster.execution.identity import identity_of
from parjanya_dagster.execution.stages.build import Place
from parjanya_dagster.lanes import Lane


def identities(
    place: Place,
    lanes: Sequence[Lane],
    given: Mapping[str, Identity] | None = None,
    changed: Identity | None = None,
) -> dict[str, dict[str, str]]:
    """The identity to declare for each lane: the given one, else that of this process.

    `given` is by lane. `changed` replaces single parts, in every lane.
    """
    given = given or {}
    return {
        lane.name: {**(given.get(lane.name) or identity_of(place, lane)), **(changed or {})}
        for lane in lanes
    }


def declare_lanes(place: Place, lanes: Sequence[Lane]) -> None:
    """Declare that these lanes should run what this process is."""
    for lane, identity in identities(place, lanes).items():
        declare(place.store, lane, identity, place.clock())
