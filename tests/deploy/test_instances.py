"""The three instances of Dagster that we configure agree: one machine, ECS, and the chart's values.

And what is deployed around them fits: nodes take the pods of their lanes, names name something.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from dagster._config import process_config
from dagster._core.instance.config import dagster_instance_config_schema
from dagster_aws.ecs import EcsRunLauncher
from dagster_aws.s3 import S3ComputeLogManager

from parjanya_dagster.instance.home import dagster_config
from parjanya_dagster.lanes import BY_NAME, SPLIT
from parjanya_dagster.lanes.placement import placed
from parjanya_dagster.settings import Settings
from tests.deploy import chart
from tests.deploy.objects import DEPLOY, of

VALUES = chart.values()
ECS: dict[str, Any] = yaml.safe_load((DEPLOY / "ecs" / "instance" / "dagster.yaml").read_text())


@pytest.fixture
def one_machine(tmp_path: Path) -> dict[str, Any]:
    return dagster_config(Settings(home=tmp_path, lanes={"layout": "split"}))


def test_ecs_queues_watches_and_forgets_as_one_machine_does(one_machine: dict[str, Any]) -> None:
    same = ("telemetry", "nux", "run_coordinator", "concurrency", "run_monitoring", "sensors",
            "run_retries", "retention")  # fmt: skip
    assert {part: ECS[part] for part in same} == {part: one_machine[part] for part in same}


def test_the_chart_queues_watches_and_forgets_as_one_machine_does(
    one_machine: dict[str, Any],
) -> None:
    daemon = VALUES["dagsterDaemon"]
    monitoring = one_machine["run_monitoring"]
    assert daemon["runMonitoring"] == {
        "enabled": True,
        "startTimeoutSeconds": monitoring["start_timeout_seconds"],
        "cancelTimeoutSeconds": monitoring["cancel_timeout_seconds"],
        "pollIntervalSeconds": monitoring["poll_interval_seconds"],
    }
    assert daemon["runRetries"] == one_machine["run_retries"]
    assert daemon["sensors"] == {"useThreads": True, "numWorkers": 4}
    runs = one_machine["concurrency"]["runs"]
    assert VALUES["concurrency"]["runs"] == {
        "maxConcurrentRuns": runs["max_concurrent_runs"],
        "tagConcurrencyLimits": runs["tag_concurrency_limits"],
    }
    queue = daemon["runCoordinator"]["config"]["queuedRunCoordinator"]
    assert queue == {"dequeueIntervalSeconds": 1}
    assert VALUES["telemetry"] == one_machine["telemetry"]


def test_runs_may_wait_for_the_slowest_lane_to_start() -> None:
    slowest = max(lane.launch_deadline for lane in SPLIT)
    assert ECS["run_monitoring"]["start_timeout_seconds"] >= slowest
    assert VALUES["dagsterDaemon"]["runMonitoring"]["startTimeoutSeconds"] >= slowest


def test_dagster_takes_the_instance_of_ecs(monkeypatch: pytest.MonkeyPatch) -> None:
    """By its own schema, and the launcher's."""
    for name in ("HOST", "USER", "PASSWORD"):
        monkeypatch.setenv(f"DAGSTER_POSTGRES_{name}", "x")
    done = process_config(dagster_instance_config_schema(), ECS)
    assert done.success, done.errors
    launcher = process_config(EcsRunLauncher.config_type(), ECS["run_launcher"]["config"])
    assert launcher.success, launcher.errors


def test_the_ui_is_asked_where_it_listens() -> None:
    listens, asked = chart.readiness_of_the_ui(VALUES)
    assert asked == listens
    (port,) = of("Service")["parjanya-ui"]["spec"]["ports"]
    assert port["targetPort"] == listens


def test_the_code_location_may_take_minutes_to_start() -> None:
    probe = chart.startup_probe(VALUES)
    assert probe is not None
    assert probe["periodSeconds"] * probe["failureThreshold"] >= 300


def test_the_chart_grants_nothing_and_makes_no_account() -> None:
    """Neither of its two parts: what may be done is in base/accounts.yaml alone."""
    for part in (VALUES, VALUES["dagster-user-deployments"]):
        assert part["rbacEnabled"] is False
        assert part["serviceAccount"]["create"] is False


def test_what_runs_print_is_kept_where_the_ui_reads_it() -> None:
    said = VALUES["computeLogManager"]
    assert said["type"] == S3ComputeLogManager.__name__
    (config,) = said["config"].values()
    config = {chart.snake(name): value for name, value in config.items()}
    taken = process_config(S3ComputeLogManager.config_type(), config)
    assert taken.success, taken.errors


def test_every_image_of_the_chart_comes_from_a_registry_that_we_name() -> None:
    """Those of its init containers too: it would take them from Docker Hub."""
    images = [
        VALUES["postgresql"]["image"],
        VALUES["busybox"]["image"],
        VALUES["dagsterWebserver"]["image"],
        VALUES["dagsterDaemon"]["image"],
        chart.location(VALUES)["image"],
    ]
    for image in images:
        name = f"{image.get('registry', '')}/{image['repository']}".removeprefix("/")
        assert name.startswith("registry.example/")
        assert image["tag"] not in ("", "latest")


def test_operators_alone_reach_the_ui_that_can_do_everything() -> None:
    """Dagster's UI knows nobody: whoever is in may launch, end and delete. Others get the other."""
    assert VALUES["dagsterWebserver"]["enableReadOnly"] is True
    for door, groups, component in (
        ("parjanya-login", {"parjanya-operators"}, "dagster-webserver"),
        ("parjanya-viewers", {"parjanya-operators", "parjanya-viewers"},
         "dagster-webserver-read-only"),
    ):  # fmt: skip
        (container,) = of("Deployment")[door]["spec"]["template"]["spec"]["containers"]
        said = {one["name"]: one["value"] for one in container["env"]}
        assert set(said["OAUTH2_PROXY_ALLOWED_GROUPS"].split(",")) == groups
        assert "groups" in said["OAUTH2_PROXY_SCOPE"].split()
        host = said["OAUTH2_PROXY_UPSTREAMS"].removeprefix("http://").partition(":")[0]
        assert of("Service")[host]["spec"]["selector"]["component"] == component


def test_lanes_fit_the_nodes_that_are_made_for_them() -> None:
    pools = {pool["spec"]["template"]["metadata"]["labels"]["parjanya/lane"]: pool
             for pool in of("NodePool").values()}  # fmt: skip
    for lane in placed(SPLIT, "kubernetes", {}):
        pod = lane.tags["dagster-k8s/config"]["pod_spec_config"]
        template = pools[pod["node_selector"]["parjanya/lane"]]["spec"]["template"]
        for taint in template["spec"]["taints"]:
            assert any(tolerates(each, taint) for each in pod["tolerations"]), (lane.name, taint)


def test_a_lanes_nodes_take_no_other_lanes_runs() -> None:
    for pool in of("NodePool").values():
        lane = pool["spec"]["template"]["metadata"]["labels"]["parjanya/lane"]
        taints = [(one["key"], one["value"]) for one in pool["spec"]["template"]["spec"]["taints"]]
        assert ("parjanya/lane", lane) in taints


def test_each_lane_has_its_priority_class() -> None:
    classes = of("PriorityClass")
    for lanes in BY_NAME.values():
        for lane in placed(lanes, "kubernetes", {}):
            name = lane.tags["dagster-k8s/config"]["pod_spec_config"]["priority_class_name"]
            assert classes[name]["preemptionPolicy"] == "Never"


def test_accounts_that_are_named_exist_and_runs_have_no_token() -> None:
    accounts = of("ServiceAccount")
    named = {VALUES["global"]["serviceAccountName"]}
    pod = VALUES["runLauncher"]["config"]["k8sRunLauncher"]["runK8sConfig"]["podSpecConfig"]
    named.add(pod["serviceAccountName"])
    for one in [*of("Deployment").values(), *of("Job").values()]:
        named.add(one["spec"]["template"]["spec"]["serviceAccountName"])
    assert named <= set(accounts)
    bound = {subject["name"] for one in of("RoleBinding").values() for subject in one["subjects"]}
    assert bound == {"parjanya-control", "parjanya-metrics"}
    assert pod["automountServiceAccountToken"] is False


def test_no_role_reads_secrets_or_enters_pods() -> None:
    for role in of("Role").values():
        for rule in role["rules"]:
            assert "*" not in rule["resources"] + rule["verbs"] + rule["apiGroups"]
            assert not {"secrets", "pods/exec"} & set(rule["resources"])


def test_nothing_is_reached_that_no_policy_names() -> None:
    """Connection by connection: deploy/tests/test_network.py."""
    assert of("NetworkPolicy")["nothing-by-default"]["spec"] == {
        "podSelector": {},
        "policyTypes": ["Ingress", "Egress"],
    }
    assert VALUES["ingress"]["enabled"] is False


def tolerates(toleration: dict[str, Any], taint: dict[str, Any]) -> bool:
    if toleration.get("effect") not in (None, taint["effect"]):
        return False
    if toleration.get("key") != taint["key"]:
        return False
    return toleration["operator"] == "Exists" or toleration.get("value") == taint["value"]
