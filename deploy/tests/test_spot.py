"""Spot machines: what they are in the template, what of it is refused, and who tells of the end."""

from __future__ import annotations

import copy
import http.server
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from app import expected, synthesize
from conftest import Variant
from refusals import Expected, refuse
from site_file import SiteInvalid, site
from stack.machines import INTERRUPTION

Template = dict[str, Any]
SPOT = {"also": ["g5.2xlarge"], "bought": 1}


@pytest.fixture
def spot(inside: dict[str, Any]) -> dict[str, Any]:
    """A site where runs hold GPUs on spot machines, and other runs are on Fargate Spot."""
    other = copy.deepcopy(inside)
    other["gpu"]["spot"] = SPOT
    return {**other, "fargate_spot": True}


@pytest.fixture
def here(variant: Variant, spot: dict[str, Any]) -> tuple[Template, Expected]:
    return variant(spot)


@pytest.fixture
def on_spot(here: tuple[Template, Expected]) -> Template:
    return here[0]


@pytest.fixture
def wanted(here: tuple[Template, Expected]) -> Expected:
    return here[1]


def only(template: Template, kind: str, part: str = "") -> dict[str, Any]:
    (one,) = [
        one["Properties"]
        for name, one in template["Resources"].items()
        if one["Type"] == kind and part in name
    ]
    return one


GROUP = "AWS::AutoScaling::AutoScalingGroup"
PROVIDER = "AWS::ECS::CapacityProvider"


def test_machines_come_from_where_most_are_left(on_spot: Template, wanted: Expected) -> None:
    assert refuse(on_spot, wanted) == []
    group = only(on_spot, GROUP)
    assert group["MixedInstancesPolicy"]["InstancesDistribution"] == {
        "OnDemandBaseCapacity": 1,
        "OnDemandPercentageAboveBaseCapacity": 0,
        "SpotAllocationStrategy": "capacity-optimized",
    }
    overrides = group["MixedInstancesPolicy"]["LaunchTemplate"]["Overrides"]
    assert [one["InstanceType"] for one in overrides] == ["g6.2xlarge", "g5.2xlarge"]
    assert group["CapacityRebalance"] is True


def test_without_a_word_of_it_nothing_is_spot(synthesized: Template) -> None:
    assert "MixedInstancesPolicy" not in only(synthesized, GROUP)
    assert "SPOT" not in json.dumps(synthesized)


def test_runs_and_nothing_else_are_on_fargate_spot(on_spot: Template) -> None:
    code = only(on_spot, "AWS::ECS::TaskDefinition", "TasksCode")
    (container,) = [one for one in code["ContainerDefinitions"] if one["Name"] == "code"]
    given = {one["Name"]: one["Value"] for one in container["Environment"]}
    assert given["PARJANYA_LANES__CPU__CAPACITY_PROVIDER"] == "FARGATE_SPOT"
    assert "Gpus" in json.dumps(given["PARJANYA_LANES__GPU__CAPACITY_PROVIDER"])
    for one in on_spot["Resources"].values():
        if one["Type"] == "AWS::ECS::Service":
            assert "CapacityProviderStrategy" not in one["Properties"]


def test_a_server_of_the_model_is_told_by_ecs(said: dict[str, Any]) -> None:
    served = copy.deepcopy(said)
    served["gpu"]["spot"] = SPOT
    template = synthesize(site(copy.deepcopy(served)))
    assert refuse(template, expected(site(served))) == []
    setup = json.dumps(only(template, "AWS::EC2::LaunchTemplate"))
    assert "ECS_ENABLE_SPOT_INSTANCE_DRAINING=true" in setup
    assert "instance-action" not in setup


def _cheapest(template: Template) -> None:
    shares = only(template, GROUP)["MixedInstancesPolicy"]["InstancesDistribution"]
    shares["SpotAllocationStrategy"] = "lowest-price"


def _not_replaced(template: Template) -> None:
    del only(template, GROUP)["CapacityRebalance"]


def _not_emptied(template: Template) -> None:
    only(template, PROVIDER)["AutoScalingGroupProvider"]["ManagedDraining"] = "DISABLED"


def _without(template: Template, word: str) -> None:
    launched = only(template, "AWS::EC2::LaunchTemplate")["LaunchTemplateData"]
    launched["UserData"] = json.loads(json.dumps(launched["UserData"]).replace(word, ""))


def _agent_hears_nothing(template: Template) -> None:
    _without(template, "ECS_ENABLE_SPOT_INSTANCE_DRAINING=true")


def _runs_hear_nothing(template: Template) -> None:
    _without(template, "systemd-run")


def _unprotected(template: Template) -> None:
    said = only(template, PROVIDER)["AutoScalingGroupProvider"]
    said["ManagedTerminationProtection"] = "DISABLED"


def _starts_unprotected(template: Template) -> None:
    only(template, GROUP)["NewInstancesProtectedFromScaleIn"] = False


def _scaled_by_others(template: Template) -> None:
    only(template, PROVIDER)["AutoScalingGroupProvider"]["ManagedScaling"]["Status"] = "DISABLED"


def _run(template: Template) -> dict[str, Any]:
    (container,) = only(template, "AWS::ECS::TaskDefinition", "CpuRun")["ContainerDefinitions"]
    found: dict[str, Any] = container
    return found


def _killed_early(template: Template) -> None:
    _run(template)["StopTimeout"] = 30


def _killed_by_default(template: Template) -> None:
    del _run(template)["StopTimeout"]


def _signals_end_at_the_first_process(template: Template) -> None:
    _run(template)["LinuxParameters"]["InitProcessEnabled"] = False


def _cluster_without_spot(template: Template) -> None:
    known = only(template, "AWS::ECS::ClusterCapacityProviderAssociations")
    known["CapacityProviders"].remove("FARGATE_SPOT")


def _pinned(template: Template) -> None:
    launched = only(template, GROUP)["MixedInstancesPolicy"]["LaunchTemplate"]
    launched["LaunchTemplateSpecification"]["Version"] = "1"


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        (_cheapest, "taken back first"),
        (_not_replaced, "not replaced before"),
        (_not_emptied, "ManagedDraining"),
        (_agent_hears_nothing, "ECS_ENABLE_SPOT_INSTANCE_DRAINING"),
        (_runs_hear_nothing, "nobody tells them of the end"),
        (_unprotected, "ManagedTerminationProtection"),
        (_starts_unprotected, "NewInstancesProtectedFromScaleIn"),
        (_scaled_by_others, "cannot protect those at work"),
        (_killed_early, "killed after 30 s, and believes that it has 120"),
        (_killed_by_default, "killed after 30 s"),
        (_signals_end_at_the_first_process, "passes no signal on"),
        (_cluster_without_spot, "no capacity 'FARGATE_SPOT'"),
        (_pinned, "would not reach it"),
    ],
)
def test_what_would_lose_the_work_of_a_machine_is_refused(
    on_spot: Template, wanted: Expected, broken: Callable[[Template], None], why: str
) -> None:
    broken(on_spot)
    refused = refuse(on_spot, wanted)
    assert refused
    assert all(why in one for one in refused)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"also": []}, "another type"),
        ({"also": ["g6.2xlarge"]}, "another type"),
        ({"also": ["g5.xlarge"]}, "of the size 2xlarge"),
        ({"also": ["m7i.2xlarge"]}, "no type with a GPU"),
        ({"also": ["g5.2xlarge"], "bought": 5}, "none to 4"),
    ],
)
def test_a_site_file_whose_spot_machines_cannot_be_right(
    said: dict[str, Any], wrong: dict[str, Any], why: str
) -> None:
    other = copy.deepcopy(said)
    other["gpu"]["spot"] = wrong
    with pytest.raises(SiteInvalid, match=why):
        site(other)


class Metadata(http.server.BaseHTTPRequestHandler):
    """What a spot machine is told about itself: at its second look, that it is taken back."""

    looks = 0

    def do_PUT(self) -> None:
        self._answer(200, b"token")

    def do_GET(self) -> None:
        assert self.headers["X-aws-ec2-metadata-token"] == "token"
        type(self).looks += 1
        if self.path == "/latest/meta-data/spot/instance-action" and self.looks > 1:
            self._answer(200, b'{"action": "terminate", "time": "2026-11-28T20:00:00Z"}')
        else:
            self._answer(404, b"")

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def metadata() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Metadata) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/latest"
        server.shutdown()


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
def test_a_run_on_a_machine_that_is_taken_back_hears_sigterm(metadata: str, tmp_path: Path) -> None:
    """The real program, against a stand-in for EC2's metadata and one for Docker."""
    run = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    docker = tmp_path / "docker"
    docker.write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n'
        f'case "$1" in ps) echo {run.pid};; kill) kill -s TERM "$3";; esac\n'
    )
    docker.chmod(0o755)
    try:
        subprocess.run(
            ["sh", str(INTERRUPTION)],
            env={"METADATA": metadata, "PAUSE": "0", "PATH": f"{tmp_path}:{os.environ['PATH']}"},
            check=True,
            timeout=60,
        )
        assert run.wait(60) == -signal.SIGTERM
    finally:
        run.kill()
    assert Metadata.looks == 2, "it looks again until it is told"
    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked == [
        "ps -q --filter label=com.amazonaws.ecs.container-name=run",
        f"kill --signal=TERM {run.pid}",
    ]
