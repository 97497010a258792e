"""What the Prometheus operator is given: the exporter's Service, and the rules that are tested."""

from __future__ import annotations

import importlib.util
import subprocess
from pathlib import Path
from typing import Any

import check
import pytest
import yaml

DEPLOY = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def objects() -> dict[str, dict[str, Any]]:
    folder = DEPLOY / "kubernetes" / "monitoring"
    command = [str(check.BIN / "kubectl"), "kustomize", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return {one["kind"]: one for one in yaml.safe_load_all(done.stdout)}


def test_the_rules_are_those_that_are_tested(objects: dict[str, dict[str, Any]]) -> None:
    file = DEPLOY / "prometheus" / "rule_object.py"
    spec = importlib.util.spec_from_file_location("rule_object", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert objects["PrometheusRule"]["spec"] == module.rule_object()["spec"], f"run {file.name}"


def test_the_monitor_finds_the_exporter(objects: dict[str, dict[str, Any]]) -> None:
    wanted = objects["ServiceMonitor"]["spec"]
    every = yaml.safe_load_all((DEPLOY / "kubernetes" / "base" / "metrics.yaml").read_text())
    (service,) = [one for one in every if one["kind"] == "Service"]
    assert wanted["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    (endpoint,) = wanted["endpoints"]
    assert endpoint["port"] in [port["name"] for port in service["spec"]["ports"]]


def test_an_installation_is_one_instance_whichever_pod_measures(
    objects: dict[str, dict[str, Any]],
) -> None:
    (endpoint,) = objects["ServiceMonitor"]["spec"]["endpoints"]
    relabeled = {one["targetLabel"]: one["sourceLabels"] for one in endpoint["relabelings"]}
    assert relabeled == {"instance": ["__meta_kubernetes_namespace"]}
