"""The Grafana dashboard and the alert rules ask only for what the exporter has."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from parjanya_dagster.doctor.findings import KINDS
from parjanya_dagster.metrics.names import METRICS, PREFIX
from tests.support.prometheus_server import ROOT, RULES, expressions, tool

_USE = re.compile(PREFIX + r"(\w+)(?:\{([^}]*)\})?")
_MATCHER = re.compile(r'(\w+)\s*(?:=~|!~|!=|=)\s*"')
_GROUPING = re.compile(r"\b(?:by|on)\s*\(([^)]*)\)")
HISTOGRAM = ("_bucket", "_sum", "_count")


def rules() -> Iterator[tuple[str, str]]:
    for group in yaml.safe_load(RULES.read_text())["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]


def family(used: str) -> str:
    """The family that a series in an expression belongs to."""
    for suffix in HISTOGRAM:
        base = used.removesuffix(suffix)
        if base != used and base in METRICS and METRICS[base].kind == "histogram":
            return base
    return used


@pytest.mark.parametrize(("where", "expression"), [*expressions(), *rules()])
def test_every_metric_and_label_of_a_query_is_exported(where: str, expression: str) -> None:
    used = [(family(name), matchers or "") for name, matchers in _USE.findall(expression)]
    assert used or "up{" in expression, "it asks for nothing of ours"
    allowed = {"le", "job", "namespace", "instance"}  # of the histogram, and of every target
    for name, matchers in used:
        assert name in METRICS, f"{where} asks for {name}, which is not exported"
        labels = set(METRICS[name].labels)
        assert set(_MATCHER.findall(matchers)) <= labels, where
        allowed |= labels
    for grouped in _GROUPING.findall(expression):
        assert {one.strip() for one in grouped.split(",")} - {""} <= allowed, where


def test_counters_end_in_total_and_only_they_are_rated() -> None:
    for name, metric in METRICS.items():
        assert name.endswith("_total") == (metric.kind == "counter"), name
    for where, expression in [*expressions(), *rules()]:
        for name in re.findall(r"(?:rate|increase)\(" + PREFIX + r"(\w+)", expression):
            assert METRICS[family(name)].kind != "gauge", (where, name)


def test_findings_named_in_rules_exist() -> None:
    named = {code for _, expression in rules() for code in re.findall(r'code="(\w+)"', expression)}
    assert named <= KINDS.keys()
    assert named


def test_the_page_lists_every_metric() -> None:
    from parjanya_dagster.metrics.names import table

    assert table() in (ROOT / "docs" / "operations.md").read_text()


def promtool(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [tool("promtool"), *arguments], cwd=folder, capture_output=True, text=True, check=False
    )


def test_promtool_accepts_the_rules_and_their_tests_pass() -> None:
    folder = RULES.parent
    for arguments in (
        ("check", "rules", "rules.yaml"),
        ("check", "config", "prometheus.yaml"),
        ("test", "rules", "rules_test.yaml"),
    ):
        done = promtool(*arguments, folder=folder)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("rule", "broken", "night"),
    [
        ("parjanya_conservation != 0", "parjanya_conservation > 100", "Truth: rows are missing"),
        ("> 120 + 25 *", "> 99999 + 25 *", "Belief: the reconciler is blind"),
        (
            "parjanya_uncovered_oldest_seconds > 720",
            "parjanya_uncovered_oldest_seconds > 99999",
            "Intent: rows are due",
        ),
        (
            "unless on (job, instance) parjanya_heartbeat_age_seconds",
            "or on () parjanya_clock_ahead_seconds",
            "Belief: the reconciler is blind",
        ),
        (
            "unless on (job, instance) parjanya_heartbeat_age_seconds",
            "unless on () parjanya_heartbeat_age_seconds",
            "two installations: neither silences",
        ),
        ("and on (job, instance, lane) parjanya_queue_full == 0", "", "Intent: a full queue"),
        (
            "sum by (job, instance, tenant, stage)",
            "sum by (tenant, stage)",
            "two installations: neither silences",
        ),
        (
            "0.9 * parjanya_launch_deadline_seconds",
            "600 + 0 * parjanya_launch_deadline_seconds",
            "Execution: asked for",
        ),
        ("by (job, namespace)", "by (job)", "an exporter under any job's name"),
        ("parjanya_drifted == 1", "parjanya_drifted == 2", "Execution: the lane runs v20"),
    ],
)
def test_the_tests_of_the_rules_notice_a_rule_that_is_broken(
    tmp_path: Path, rule: str, broken: str, night: str
) -> None:
    """The night that knows of it; the others would take most of the time."""
    text = RULES.read_text()
    assert rule in text
    (tmp_path / "rules.yaml").write_text(text.replace(rule, broken))
    tests = yaml.safe_load(RULES.with_name("rules_test.yaml").read_text())
    tests["tests"] = [one for one in tests["tests"] if one["name"].startswith(night)]
    assert len(tests["tests"]) == 1
    (tmp_path / "rules_test.yaml").write_text(yaml.safe_dump(tests))
    assert promtool("test", "rules", "rules_test.yaml", folder=tmp_path).returncode == 1
