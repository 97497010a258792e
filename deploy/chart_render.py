"""The chart as it would be installed, without a cluster: its values and its objects for a site."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from helm_python import Chart

CHART = Path(__file__).with_name("chart")
EXAMPLES_AT = CHART / "examples"
EXAMPLES = tuple(sorted(EXAMPLES_AT.glob("*.yaml")))
NAMESPACE = "parjanya"
OF_THE_CLUSTER = {"PriorityClass", "NodePool", "EC2NodeClass"}

Values = dict[str, Any]
Object = dict[str, Any]


def example(name: str) -> Values:
    """What the file of an example says; what it says by an alias is a copy."""
    return json.loads(json.dumps(yaml.safe_load((EXAMPLES_AT / f"{name}.yaml").read_text())))


def values(site: Values | None = None) -> Values:
    """The chart's values with a site's over them, as Helm lays them."""
    with Chart.load(CHART) as chart:
        return chart.merge_values(site or {})


def render(site: Values | None = None, folder: Path | None = None) -> list[Object]:
    """The objects of a site. Dagster's own are among them where its chart is in `folder`/charts."""
    with Chart.load(folder or CHART) as chart:
        chart.validate_schema(site or {})
        files = chart.render(site or {}, name="parjanya", namespace=NAMESPACE)
    texts = [text for path, text in sorted(files.items()) if path.endswith(".yaml")]
    objects = [one for text in texts for one in yaml.safe_load_all(text) if one]
    for one in objects:
        if one["kind"] not in OF_THE_CLUSTER:
            one["metadata"].setdefault("namespace", NAMESPACE)
    return objects


@cache
def rendered(name: str) -> tuple[Object, ...]:
    """The objects of an example."""
    return tuple(render(example(name)))
