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

from parjanya_dagster.instance import run_queue
from parjanya_dagster.instance.home import dagster_config
from parjanya_dagster.instance.run_queue import PromptRunCoordinator
from parjanya_dagster.lanes import SPLIT
from parjanya_dagster.settings import Settings
from parjanya_dagster.web.access import read_roles
from tests.deploy import chart
from tests.deploy.objects import DEPLOY, SITES, of, pod
from tests.deploy.sites import lanes_of, settings_of

VALUES = chart.values("team")["dagster"]
ECS: dict[str, Any] = yaml.safe_load((DEPLOY / "ecs" / "instance" / "dagster.yaml").read_text())


@pytest.fixture
def one_machine(tmp_path: Path) -> dict[str, Any]:
    return dagster_config(Settings(home=tmp_path, lanes={"layout": "split"}))


def test_ecs_queues_watches_and_forgets_as_one_machine_does(one_machine: dict[str, Any]) -> None:
    same = ("telemetry", "nux", "concurrency", "run_monitoring", "sensors", "run_retries",
            "retention")  # fmt: skip
    assert {part: ECS[part] for part in same} == {part: one_machine[part] for part in same}


def test_ecs_has_dagsters_queue_and_one_machine_looks_at_the_same_more_often(
    one_machine: dict[str, Any],
) -> None:
    ecs, ours = ECS["run_coordinator"], one_machine["run_coordinator"]
    assert ecs["class"] == PromptRunCoordinator.__bases__[0].__name__ == "QueuedRunCoordinator"
    assert ecs["config"] == {"dequeue_interval_seconds": 1}  # its nodes take minutes to start
    assert (ours["module"], ours["class"]) == (run_queue.__name__, PromptRunCoordinator.__name__)


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
    from dagster_aws.ecs import EcsRunLauncher

    launcher = process_config(EcsRunLauncher.config_type(), ECS["run_launcher"]["config"])
    assert launcher.success, launcher.errors


def test_the_ui_is_asked_where_it_listens() -> None:
    listens, asked = chart.readiness_of_the_ui(chart.values("team"))
    assert asked == listens
    (port,) = of("Service", "team")["parjanya-ui"]["spec"]["ports"]
    assert port["targetPort"] == listens


def test_the_code_location_may_take_minutes_to_start() -> None:
    (code,) = pod(of("Deployment", "team")["parjanya-code"])["containers"]
    probe = code["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] >= 300


def test_the_daemon_and_the_ui_find_the_code_location_where_it_listens() -> None:
    workspace = yaml.safe_load(
        of("ConfigMap", "team")["parjanya-workspace"]["data"]["workspace.yaml"]
    )
    (one,) = workspace["load_from"]
    (port,) = of("Service", "team")[one["grpc_server"]["host"]]["spec"]["ports"]
    (code,) = pod(of("Deployment", "team")["parjanya-code"])["containers"]
    assert one["grpc_server"]["port"] == port["port"]
    assert str(port["port"]) in code["args"]
    assert code["ports"] == [{"name": port["targetPort"], "containerPort": port["port"]}]
    assert VALUES["dagsterWebserver"]["workspace"]["externalConfigmap"] == "parjanya-workspace"


def test_dagsters_chart_grants_nothing_and_makes_no_account() -> None:
    """What may be done is in templates/accounts.yaml alone. Its part for code is not installed."""
    assert VALUES["rbacEnabled"] is False
    assert VALUES["serviceAccount"]["create"] is False
    assert VALUES["dagster-user-deployments"]["enableSubchart"] is False


def test_what_runs_print_is_kept_where_the_ui_reads_it() -> None:
    said = VALUES["computeLogManager"]
    from dagster_aws.s3 import S3ComputeLogManager

    assert said["type"] == S3ComputeLogManager.__name__
    (config,) = said["config"].values()
    config = {chart.snake(name): value for name, value in config.items()}
    taken = process_config(S3ComputeLogManager.config_type(), config)
    assert taken.success, taken.errors


def test_every_image_of_the_chart_comes_from_a_registry_that_we_name() -> None:
    """Those of its init containers too: it would take them from Docker Hub."""
    images = [
        VALUES["postgresql"]["image"],
        VALUES["dagsterWebserver"]["image"],
        VALUES["dagsterDaemon"]["image"],
    ]
    assert "busybox" not in VALUES  # waits for a code location of the subchart
    for image in images:
        name = f"{image.get('registry', '')}/{image['repository']}".removeprefix("/")
        assert name.startswith("registry.team.example/")
        assert image["tag"] not in ("", "latest")


@pytest.mark.parametrize("part", ["dagsterWebserver", "dagsterDaemon"])
@pytest.mark.parametrize("container", ["resources", "initContainerResources"])
def test_every_container_of_dagsters_chart_asks_for_memory_and_disk(
    part: str, container: str
) -> None:
    """A quota of the namespace refuses pods of which one container asks for nothing."""
    assert {"memory", "ephemeral-storage"} <= VALUES[part][container]["requests"].keys()


def test_operators_alone_reach_the_ui_that_can_do_everything() -> None:
    """Dagster's UI knows nobody: whoever is in may launch, end and delete. Others get the other."""
    assert VALUES["dagsterWebserver"]["enableReadOnly"] is True
    for door, groups, component in (
        ("parjanya-login", {"parjanya-operators"}, "dagster-webserver"),
        ("parjanya-viewers", {"parjanya-operators", "parjanya-viewers"},
         "dagster-webserver-read-only"),
        ("parjanya-desk-login", {"parjanya-operators", "parjanya-viewers"}, None),
    ):  # fmt: skip
        (container,) = pod(of("Deployment", "team")[door])["containers"]
        said = {one["name"]: one["value"] for one in container["env"]}
        assert set(said["OAUTH2_PROXY_ALLOWED_GROUPS"].split(",")) == groups
        assert "groups" in said["OAUTH2_PROXY_SCOPE"].split()
        host = said["OAUTH2_PROXY_UPSTREAMS"].removeprefix("http://").partition(":")[0]
        assert of("Service", "team")[host]["spec"]["selector"].get("component") == component


def test_the_desk_believes_the_login_about_who_asks() -> None:
    """Its address is asked by the kubelet under another name than by people."""
    (desk,) = pod(of("Deployment", "team")["parjanya-desk"])["containers"]
    web = settings_of("team", "desk").web
    (login,) = pod(of("Deployment", "team")["parjanya-desk-login"])["containers"]
    proxy = {one["name"]: one["value"] for one in login["env"]}
    assert web.identity_header == "X-Forwarded-Email"
    assert proxy["OAUTH2_PROXY_PASS_USER_HEADERS"] == "true"
    assert proxy["OAUTH2_PROXY_REDIRECT_URL"] == f"https://{web.hosts}/oauth2/callback"
    assert read_roles(web.roles)
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        (header,) = desk[probe]["httpGet"]["httpHeaders"]
        assert header == {"name": "Host", "value": "localhost"}
        assert desk[probe]["httpGet"]["path"] == "/healthz"


def pools() -> dict[str, dict[str, Any]]:
    """The templates of nodes by lane, where Karpenter makes them."""
    templates = [pool["spec"]["template"] for pool in of("NodePool", "fleet").values()]
    return {one["metadata"]["labels"]["parjanya/lane"]: one for one in templates}


def test_lanes_fit_the_nodes_that_are_made_for_them() -> None:
    """The model's server too, which runs on nodes of the lane that asks it."""
    lanes = lanes_of("fleet").values()
    asking = [lane.tags["dagster-k8s/config"]["pod_spec_config"] for lane in lanes]
    model = pod(of("Deployment", "fleet")["parjanya-model"])
    selected = [*(one["node_selector"] for one in asking), model["nodeSelector"]]
    tolerated = [*(one["tolerations"] for one in asking), model["tolerations"]]
    for selector, tolerations in zip(selected, tolerated, strict=True):
        for taint in pools()[selector["parjanya/lane"]]["spec"]["taints"]:
            assert any(tolerates(each, taint) for each in tolerations), (selector, taint)


def test_a_lanes_nodes_take_no_other_lanes_runs() -> None:
    for lane, template in pools().items():
        taints = [(one["key"], one["value"]) for one in template["spec"]["taints"]]
        assert ("parjanya/lane", lane) in taints


@pytest.mark.parametrize("site", SITES)
def test_each_lane_has_its_priority_class(site: str) -> None:
    for lane in lanes_of(site).values():
        name = lane.tags["dagster-k8s/config"]["pod_spec_config"]["priority_class_name"]
        assert name in of("PriorityClass", site)


@pytest.mark.parametrize("site", SITES)
def test_accounts_that_are_named_exist_and_who_asks_the_cluster_for_nothing_has_no_token(
    site: str,
) -> None:
    accounts = of("ServiceAccount", site)
    values = chart.values(site)
    launcher = values["dagster"]["runLauncher"]["config"]["k8sRunLauncher"]
    runs = launcher["runK8sConfig"]["podSpecConfig"]
    bound = {
        subject["name"] for one in of("RoleBinding", site).values() for subject in one["subjects"]
    }
    assert bound == {"parjanya-control", "parjanya-metrics", "parjanya-desk"}
    named = {values["global"]["serviceAccountName"], runs["serviceAccountName"]}
    for one in (*of("Deployment", site).values(), *of("Job", site).values()):
        made = pod(one)
        named.add(made["serviceAccountName"])
        assert made["automountServiceAccountToken"] is (made["serviceAccountName"] in bound)
    assert named <= set(accounts)
    with_token = {name for name, one in accounts.items() if one["automountServiceAccountToken"]}
    assert with_token == bound
    assert runs["automountServiceAccountToken"] is False


def test_no_role_reads_secrets_or_enters_pods() -> None:
    for role in of("Role", "team").values():
        for rule in role["rules"]:
            assert "*" not in rule["resources"] + rule["verbs"] + rule["apiGroups"]
            assert not {"secrets", "pods/exec"} & set(rule["resources"])


@pytest.mark.parametrize("site", SITES)
def test_nothing_is_reached_that_no_policy_names(site: str) -> None:
    """Connection by connection: deploy/tests/test_network.py."""
    assert of("NetworkPolicy", site)["nothing-by-default"]["spec"] == {
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
