"""The asset `taste`: a partition for each tenant, and a run that learns."""

from __future__ import annotations

import pytest
from dagster import DagsterInstance, build_sensor_context, materialize

from parjanya_dagster.defs import resources
from parjanya_dagster.defs.resources import PlatformResource
from parjanya_dagster.defs.taste import PARTITIONS, taste, tastes_sensor
from parjanya_dagster.platform import Platform
from parjanya_dagster.truth.reviews import ReviewDecision
from tests.support.clock import Clock
from tests.unit.regrade.world import history, rows


def test_a_run_learns_a_tenants_taste_and_shows_how_well(
    platform: Platform, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resources, "shared_platform", lambda: platform)
    history(platform, {"acme": 60})
    clock.pass_by(60)
    for row in rows(platform, "acme").values():
        action = "accept" if row.verdict == "accept" else "reject"
        decision = ReviewDecision(
            image_id=row.image_id, who="ana", action=action, request_id=row.image_id
        )
        platform.store.review(decision, clock(), seen=0)
    given = {"platform": PlatformResource()}
    with DagsterInstance.ephemeral() as instance:
        with build_sensor_context(instance=instance, resources=given) as context:
            tastes_sensor(context)
        assert list(instance.get_dynamic_partitions(PARTITIONS)) == ["acme"]
        done = materialize(
            [taste], instance=instance, partition_key="acme", resources=given, selection=[taste]
        )
    (event,) = done.asset_materializations_for_node("taste")
    assert event.metadata["version"].value == 1
    assert event.metadata["decisions"].value == 60
    assert "borne out" in str(event.metadata["calibration"].value)
    assert platform.tastes.newest("acme") is not None
