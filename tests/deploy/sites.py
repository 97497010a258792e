"""What Parjanya reads at the sites of the chart's examples, and the lanes that it makes there."""

from __future__ import annotations

from pathlib import Path

from parjanya_dagster.lanes import BY_NAME, Lane
from parjanya_dagster.lanes.placement import placed
from parjanya_dagster.settings import Settings
from parjanya_dagster.settings.loading import read
from tests.deploy.objects import of, pod

TRUTH = {"PARJANYA_TRUTH__URL": "postgresql://truth@postgres.example/truth"}


def settings_of(site: str, part: str = "code") -> Settings:
    """The settings of a part of a site, with the checks that it makes where it starts."""
    shared = of("ConfigMap", site)["parjanya-settings"]["data"]
    (container,) = pod(of("Deployment", site)[f"parjanya-{part}"])["containers"]
    own = {one["name"]: one["value"] for one in container["env"] if "value" in one}
    return read(Path("/opt/parjanya"), {**shared, **own, **TRUTH})


def lanes_of(site: str) -> dict[str, Lane]:
    """Lanes by the name of their job, placed as the code location places them."""
    lanes = settings_of(site).lanes
    made = placed(BY_NAME[lanes.layout], lanes.launcher, lanes.by_name)
    return {lane.job: lane for lane in made}
