"""Who reaches whom: the policies of each overlay, asked connection by connection."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import check
import pytest
import yaml
from reach import Pod, part, sends, takes

OVERLAYS = sorted((Path(__file__).parents[1] / "kubernetes" / "overlays").iterdir())
PARTS = ("code", "daemon", "ui", "run", "uploads", "metrics", "migrate", "declare")
DOORS = ("login", "viewers")
INSIDE, OUTSIDE = "10.0.3.7", "8.8.8.8"
METADATA = "169.254.169.254"  # a machine's own credentials
DNS = Pod(labels={"k8s-app": "kube-dns"}, namespace="kube-system")
NODE_DNS = "169.254.20.10"

Policies = list[dict[str, Any]]


@pytest.fixture(scope="module", params=OVERLAYS, ids=lambda overlay: overlay.name)
def policies(request: pytest.FixtureRequest) -> Policies:
    command = [str(check.BIN / "kubectl"), "kustomize", str(request.param)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    objects = [one for one in yaml.safe_load_all(done.stdout) if one]
    return [one for one in objects if one["kind"] == "NetworkPolicy"]


@pytest.mark.parametrize("name", [*PARTS, *DOORS])
def test_everybody_finds_names_by_the_cluster_or_the_node(policies: Policies, name: str) -> None:
    assert sends(policies, part(name), DNS, 53)
    assert sends(policies, part(name), NODE_DNS, 53)


@pytest.mark.parametrize("name", PARTS)
def test_databases_and_buckets_are_inside_the_site(policies: Policies, name: str) -> None:
    assert sends(policies, part(name), INSIDE, 5432)
    assert sends(policies, part(name), INSIDE, 443)
    for outside in (OUTSIDE, METADATA, NODE_DNS):
        for port in (80, 443, 5432):
            assert not sends(policies, part(name), outside, port), (outside, port)


def test_the_api_of_the_cluster_is_for_those_who_launch_and_look(policies: Policies) -> None:
    asking = {name for name in (*PARTS, *DOORS) if sends(policies, part(name), INSIDE, 6443)}
    assert asking == {"daemon", "ui", "metrics"}


def test_only_logins_ask_the_internet_and_they_ask_nobody_inside(policies: Policies) -> None:
    for door in map(part, DOORS):
        assert sends(policies, door, OUTSIDE, 443)
        assert not sends(policies, door, OUTSIDE, 80)
        for inside in (INSIDE, "172.20.0.1", "192.168.0.9", METADATA):
            assert not sends(policies, door, inside, 443)
            assert not sends(policies, door, inside, 5432)


def test_runs_reach_a_model_server_and_nobody_else_does(policies: Policies) -> None:
    for name in (*PARTS, *DOORS):
        allowed = name in ("run", "declare")
        assert sends(policies, part(name), part("model"), 8000) is allowed
        assert takes(policies, part("model"), part(name), 8000) is allowed


def test_a_run_reaches_no_other_part(policies: Policies) -> None:
    for name, port in (("code", 4000), ("ui", 3000), ("login", 4180), ("uploads", 8400)):
        assert not sends(policies, part("run"), part(name), port)
        assert not takes(policies, part(name), part("run"), port)


def test_the_ui_and_the_daemon_ask_the_code_location(policies: Policies) -> None:
    for name in ("ui", "daemon"):
        assert sends(policies, part(name), part("code"), 4000)
        assert takes(policies, part("code"), part(name), 4000)


def test_only_the_logins_reach_the_uis(policies: Policies) -> None:
    for name in (*PARTS, *DOORS):
        assert takes(policies, part("ui"), part(name), 3000) is (name in DOORS), name
        assert sends(policies, part(name), part("ui"), 3000) is (name in DOORS), name
