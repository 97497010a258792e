"""`python deploy/prometheus/rule_object.py`: rules.yaml as an object of the Prometheus operator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

RULES = Path(__file__).with_name("rules.yaml")
OBJECT = RULES.parents[1] / "kubernetes" / "monitoring" / "rules.yaml"


def rule_object() -> dict[str, Any]:
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "parjanya"},
        "spec": yaml.safe_load(RULES.read_text()),
    }


if __name__ == "__main__":
    head = "# Made of ../../prometheus/rules.yaml by rule_object.py beside it. Edit that.\n"
    OBJECT.write_text(head + yaml.safe_dump(rule_object(), sort_keys=False, width=100))
