"""Each defect that deployments once had, put back into a copy of the chart: its assertion fails.

The assertions are tests of this folder and of `deploy/tests`, called as they stand: they are what
is tested here. The copy lacks `agreement.yaml`, which would refuse many of these values before
anything is rendered; that it does is in `deploy/tests/test_rendered.py`. Alert rules are broken in
`tests/unit/metrics`.
"""

from __future__ import annotations

import importlib
import inspect
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from dagster import DagsterInstance, instance_for_test

from parjanya_dagster.defs.schedules import retention_job
from parjanya_dagster.doctor import rules
from parjanya_dagster.doctor.rules_belief import _processes
from parjanya_dagster.errors import SettingsInvalid
from parjanya_dagster.settings import together
from tests.deploy import chart, launched
from tests.deploy.objects import DEPLOY, chart_render, of, pod
from tests.deploy.sites import lanes_of

SITE = "team"


@dataclass(frozen=True)
class Given:
    """What the assertions take as fixtures, of the chart as it is now."""

    instance: DagsterInstance
    folder: Path
    objects: Any  # by themselves, or by kind and name, as the module of the assertion has them
    site: str = SITE
    name: str = "run"

    @property
    def policies(self) -> list[dict[str, Any]]:
        return [one for one in chart_render.rendered(SITE) if one["kind"] == "NetworkPolicy"]

    @property
    def doors(self) -> set[str]:
        return {"login", "viewers", "desk-login"}

    @property
    def lanes(self) -> Mapping[str, Any]:
        return lanes_of(SITE)

    @property
    def image(self) -> str:
        (code,) = pod(of("Deployment", SITE)["parjanya-code"])["containers"]
        return code["image"]

    @property
    def jobs(self) -> dict[str, dict[str, Any]]:
        values = chart.values(SITE)
        tags = {name: dict(lane.tags) for name, lane in self.lanes.items()}
        return {
            name: launched.job(values, self.instance, self.folder, name, said, self.image)
            for name, said in (tags | {retention_job.name: {}}).items()
        }


@pytest.fixture(autouse=True)
def of_deploy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its modules are imported while the chart is as it is."""
    monkeypatch.syspath_prepend(str(DEPLOY / "tests"))
    for module in (RENDERED, REACHED, WATCHED):
        importlib.import_module(module)


@pytest.fixture(scope="module")
def dagster() -> Iterator[DagsterInstance]:
    with instance_for_test() as instance:
        yield instance


@pytest.fixture
def copy(of_deploy: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the chart that everything here renders."""
    copy = tmp_path / "chart"
    shutil.copytree(chart_render.CHART, copy)
    (copy / "templates" / "agreement.yaml").write_text("")
    monkeypatch.setattr(chart_render, "CHART", copy)
    chart_render.rendered.cache_clear()
    yield copy
    chart_render.rendered.cache_clear()


VALUES, PARTS, CODE, ACCOUNTS, DECLARE, MIGRATE, NETWORK = (
    "values.yaml",
    *(
        f"templates/{name}"
        for name in ("_parts.tpl", "code.yaml", "accounts.yaml", "declare.yaml", "migrate.yaml",
                     "network.yaml")
    ),
)  # fmt: skip
OF_RUNS, OF_INSTANCES = "tests.deploy.test_jobs_of_runs", "tests.deploy.test_instances"
RENDERED, REACHED, WATCHED = "test_rendered", "test_network", "test_monitoring"

DEFECTS: tuple[tuple[int, str, str, str, str, str], ...] = (
    # 1: runs have the account, the token and the label of the control plane
    (1, VALUES, "            serviceAccountName: parjanya-runs # no rights in the cluster\n", "",
     OF_RUNS, "test_a_run_is_nobody_in_the_cluster"),
    (1, VALUES, "            automountServiceAccountToken: false\n", "",
     OF_RUNS, "test_a_run_is_nobody_in_the_cluster"),
    (1, VALUES, "labels: { parjanya/part: run }", "labels: { parjanya/part: code }",
     OF_RUNS, "test_a_run_has_a_label_of_its_own"),
    # 2: a chart grants what the values withhold
    (2, VALUES, "  rbacEnabled: false", "  rbacEnabled: true",
     OF_INSTANCES, "test_dagsters_chart_grants_nothing_and_makes_no_account"),
    (2, ACCOUNTS, "resources: [pods/log, pods/status]", "resources: [pods/log, secrets]",
     OF_INSTANCES, "test_no_role_reads_secrets_or_enters_pods"),
    # 3: probes
    (3, VALUES, "path: /server_info, port: 3000", "path: /server_info, port: 80",
     OF_INSTANCES, "test_the_ui_is_asked_where_it_listens"),
    (3, CODE, "failureThreshold: 30", "failureThreshold: 3",
     OF_INSTANCES, "test_the_code_location_may_take_minutes_to_start"),
    # 5: a GPU without an engine that uses it; no volume for a model
    (5, PARTS, 'PARJANYA_LANES__GPU__GPUS: "0"', 'PARJANYA_LANES__GPU__GPUS: "1"',
     OF_RUNS, "test_a_gpu_is_held_by_runs_or_by_the_server_that_they_ask"),
    (5, PARTS, "PARJANYA_LANES__GPU__MODELS: {{ . }}", "PARJANYA_LANES__GPU__MODELS: other",
     RENDERED, "test_a_volume_with_models_is_mounted_wherever_the_model_is_read"),
    # 6: a setting says which image a pod is; nothing declares
    (6, VALUES, "  PARJANYA_OBJECTS__URL: s3://\n",
     "  PARJANYA_OBJECTS__URL: s3://\n  PARJANYA_IDENTITY__IMAGE: parjanya-cpu:0.1.0\n",
     RENDERED, "test_a_pod_is_told_by_its_image_which_image_it_is"),
    (6, DECLARE, "post-install,post-upgrade,post-rollback", "post-install,post-upgrade",
     RENDERED, "test_what_declares_a_release_is_made_anew_by_each_and_on_the_way_back"),
    (6, DECLARE, "(index $.Values.images $image)", "$.Values.images.cpu",
     RENDERED, "test_the_image_of_each_lane_declares_its_lane"),
    # 7: the control plane ranks below runs
    (7, "templates/priorities.yaml", "value: -1\n", "value: 1000\n",
     OF_RUNS, "test_pods_without_a_class_come_before_runs"),
    # 8: the migration
    (8, MIGRATE, "-{{ $pod | sha256sum | trunc 8 }}", "",
     RENDERED, "test_each_release_migrates_by_a_job_of_its_own"),
    (8, MIGRATE, 'sync-wave: "-1"', 'sync-wave: "-3"',
     RENDERED, "test_the_migration_comes_after_what_it_needs_and_before_the_code"),
    (8, MIGRATE, "args: [dagster, instance, migrate]", "args: [parjanya, migrate]",
     RENDERED, "test_both_schemas_are_migrated_one_after_the_other"),
    # 9: settings roll nothing; a budget counts Jobs
    (9, PARTS, 'checksum/settings: {{ include "parjanya.settings" . | sha256sum }}',
     "checksum/settings: same",
     RENDERED, "test_who_reads_the_settings_starts_anew_where_they_change"),
    (9, "templates/disruption.yaml", "[code, daemon, ui, desk]", "[code, daemon, ui, desk, run]",
     OF_RUNS, "test_no_budget_of_the_control_plane_counts_runs"),
    # 10: an installation is known by its pod
    (10, "templates/monitoring.yaml", "[__meta_kubernetes_namespace]", "[__meta_kubernetes_pod_ip]",
     WATCHED, "test_an_installation_is_one_instance_whichever_pod_measures"),
    (10, "rules.yaml", "on (job, instance) ", "on () ",
     WATCHED, "test_the_rules_are_those_that_are_tested"),
    # 11: the whole internet; neither 6443, nor the node's DNS, nor the model
    (11, NETWORK, "- ipBlock: { cidr: {{ . }} }", "- ipBlock: { cidr: 0.0.0.0/0 }",
     REACHED, "test_databases_and_buckets_are_inside_the_site"),
    (11, NETWORK, ", { protocol: TCP, port: 6443 }", "",
     REACHED, "test_the_api_of_the_cluster_is_for_those_who_launch_and_look"),
    (11, NETWORK, "        - ipBlock: { cidr: {{ .Values.network.nodeDns }} }\n", "",
     REACHED, "test_everybody_finds_names_by_the_cluster_or_the_node"),
    (11, NETWORK, "values: [run, declare]", "values: [declare]",
     REACHED, "test_runs_reach_a_model_server_and_nobody_else_does"),
    # 13: output of runs, images of Docker Hub, logins, disk, secrets, traces
    (13, VALUES, "type: S3ComputeLogManager", "type: NoOpComputeLogManager",
     OF_INSTANCES, "test_what_runs_print_is_kept_where_the_ui_reads_it"),
    (13, VALUES, "\n  retention:\n",
     "\n  busybox: { image: { repository: docker.io/busybox } }\n  retention:\n",
     OF_INSTANCES, "test_every_image_of_the_chart_comes_from_a_registry_that_we_name"),
    (13, "templates/login.yaml", '{{ join "," $door.groups | quote }}', '""',
     OF_INSTANCES, "test_operators_alone_reach_the_ui_that_can_do_everything"),
    (13, MIGRATE, ", ephemeral-storage: 256Mi", "",
     RENDERED, "test_every_container_asks_for_disk"),
    (13, "templates/secrets.yaml", '"PARJANYA_TRUTH__URL"', '"TRUTH_URL"',
     RENDERED, "test_each_secret_that_pods_read_has_the_keys_that_they_read"),
    (13, PARTS, "OTEL_EXPORTER_OTLP_ENDPOINT: {{ . }}", "OTEL_EXPORTER_OTLP_ENDPOINT: none",
     REACHED, "test_runs_reach_a_collector_where_there_is_one_and_nobody_else_does"),
)  # fmt: skip


def hold(dagster: DagsterInstance, folder: Path, module: str, assertion: str) -> None:
    """Call an assertion on the chart as it is now."""
    objects = chart_render.rendered(SITE)
    if module == WATCHED:
        objects = {(one["kind"], one["metadata"]["name"]): one for one in objects}
    check = getattr(importlib.import_module(module), assertion)
    given = Given(dagster, folder, objects)
    check(**{name: getattr(given, name) for name in inspect.signature(check).parameters})


@pytest.mark.parametrize(
    ("number", "file", "was", "becomes", "module", "assertion"),
    DEFECTS,
    ids=[f"{number}-{assertion}" for number, *_, assertion in DEFECTS],
)
def test_a_defect_that_comes_back_fails_its_assertion(
    copy: Path,
    dagster: DagsterInstance,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    file: str,
    was: str,
    becomes: str,
    module: str,
    assertion: str,
) -> None:
    text = (copy / file).read_text()
    assert was in text, f"the chart has changed: put defect {number} back in another way"
    (copy / file).write_text(text.replace(was, becomes))
    instances = importlib.import_module(OF_INSTANCES)
    monkeypatch.setattr(instances, "VALUES", chart.values(SITE)["dagster"])
    with pytest.raises((AssertionError, SettingsInvalid)):
        hold(dagster, tmp_path, module, assertion)


def test_without_the_defect_it_holds(copy: Path, dagster: DagsterInstance, tmp_path: Path) -> None:
    """Else it would fail whatever is done to the chart."""
    for module, assertion in {(module, assertion) for *_, module, assertion in DEFECTS}:
        hold(dagster, tmp_path, module, assertion)


def test_a_secret_with_a_wrong_key_is_refused_by_a_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    """4: without it each pod starts, with a Truth of its own."""
    monkeypatch.setattr(together, "_not_shared", lambda settings: iter(()))
    tests = importlib.import_module("tests.unit.settings.test_together")
    with pytest.raises(pytest.fail.Exception):
        tests.test_runs_of_a_cluster_need_a_truth_that_all_share("kubernetes", "", "not")


def test_the_doctor_names_the_code_location_by_a_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    """12."""
    left = tuple(rule for rule in rules.RULES if rule is not _processes)
    monkeypatch.setattr(rules, "RULES", left)
    tests = importlib.import_module("tests.unit.doctor.test_diagnose")
    with pytest.raises(ValueError, match="not enough values"):
        tests.test_the_code_location_is_named_when_the_daemon_reaches_none()


def test_every_defect_is_among_them() -> None:
    elsewhere = {4, 12}  # of the code: above
    assert {number for number, *_ in DEFECTS} == set(range(1, 14)) - elsewhere
