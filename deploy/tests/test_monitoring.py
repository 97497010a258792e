"""What the Prometheus operator is given: the exporter's Service, and the rules that are tested."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from chart_render import rendered

RULES = Path(__file__).parents[1] / "prometheus" / "rules.yaml"


@pytest.fixture
def objects() -> dict[tuple[str, str], dict[str, Any]]:
    return {(one["kind"], one["metadata"]["name"]): one for one in rendered("team")}


def test_the_rules_are_those_that_are_tested(objects: dict[tuple[str, str], Any]) -> None:
    assert objects["PrometheusRule", "parjanya"]["spec"] == yaml.safe_load(RULES.read_text())


def test_the_monitor_finds_the_exporter(objects: dict[tuple[str, str], Any]) -> None:
    wanted = objects["ServiceMonitor", "parjanya"]["spec"]
    service = objects["Service", "parjanya-metrics"]
    assert wanted["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    (endpoint,) = wanted["endpoints"]
    assert endpoint["port"] in [port["name"] for port in service["spec"]["ports"]]


def test_an_installation_is_one_instance_whichever_pod_measures(
    objects: dict[tuple[str, str], Any],
) -> None:
    (endpoint,) = objects["ServiceMonitor", "parjanya"]["spec"]["endpoints"]
    relabeled = {one["targetLabel"]: one["sourceLabels"] for one in endpoint["relabelings"]}
    assert relabeled == {"instance": ["__meta_kubernetes_namespace"]}


def test_operators_take_the_rules_by_the_labels_that_the_site_names(
    objects: dict[tuple[str, str], Any],
) -> None:
    for kind in ("ServiceMonitor", "PrometheusRule"):
        assert objects[kind, "parjanya"]["metadata"]["labels"] == {"release": "prometheus"}
