"""The objects of each example as they would be installed: what a release is, in one place each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from chart_render import CHART, EXAMPLES, Object, example, render, rendered, values
from helm_python import HelmError

from gpu_ops.endpoint.served import statement
from parjanya_dagster.model_server.flags import hash_of

WAVE = "argocd.argoproj.io/sync-wave"
SITES = [file.stem for file in EXAMPLES]
REACHED = ("parjanya-desk", "parjanya-uploads")
PARTS = ("parjanya-code", "parjanya-metrics", "parjanya-desk", "parjanya-uploads")


@pytest.fixture(params=SITES)
def site(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def objects(site: str) -> tuple[Object, ...]:
    return rendered(site)


def of(objects: tuple[Object, ...] | list[Object], kind: str) -> dict[str, Object]:
    return {one["metadata"]["name"]: one for one in objects if one["kind"] == kind}


def pods(objects: tuple[Object, ...]) -> Iterator[tuple[str, Object]]:
    for one in objects:
        if one["kind"] in ("Deployment", "Job"):
            yield one["metadata"]["name"], one["spec"]["template"]["spec"]


def containers(pod: Object) -> list[Object]:
    return [*pod.get("initContainers", []), *pod["containers"]]


def wave(one: Object) -> int:
    return int(one["metadata"].get("annotations", {}).get(WAVE, "0"))


def job(objects: tuple[Object, ...] | list[Object], part: str) -> Object:
    (one,) = [
        one
        for one in of(objects, "Job").values()
        if one["metadata"]["labels"]["parjanya/part"] == part
    ]
    return one


def with_setting(site: str, name: str, value: str) -> list[Object]:
    said = example(site)
    said["settings"][name] = value
    return render(said)


def test_each_release_migrates_by_a_job_of_its_own(site: str, objects: tuple[Object, ...]) -> None:
    """A Job cannot be changed: one that keeps its name must stay what it is."""
    ours = job(objects, "migrate")
    later = example(site)
    for image in ("cpu", "gpu"):
        later["images"][image] |= {"tag": "0.2.0", "digest": ""}
    for part in ("dagsterDaemon", "dagsterWebserver"):
        later["dagster"][part]["image"] = dict(later["images"]["cpu"])
    elsewhere = example(site)
    elsewhere["dagster"]["postgresql"]["postgresqlHost"] = "other.example"
    changed = [job(render(each), "migrate") for each in (later, elsewhere)]
    assert "0-2-0" in changed[0]["metadata"]["name"]
    assert len({one["metadata"]["name"] for one in (ours, *changed)}) == 3
    same = job(with_setting(site, "PARJANYA_RUNS__ROWS", "10"), "migrate")
    assert same == ours


def test_what_declares_a_release_is_made_anew_by_each_and_on_the_way_back(
    objects: tuple[Object, ...],
) -> None:
    annotations = job(objects, "declare")["metadata"]["annotations"]
    assert annotations["helm.sh/hook"] == "post-install,post-upgrade,post-rollback"
    assert annotations["helm.sh/hook-delete-policy"] == "before-hook-creation"


def test_the_migration_comes_after_what_it_needs_and_before_the_code(
    objects: tuple[Object, ...],
) -> None:
    migration = job(objects, "migrate")
    assert "helm.sh/hook" not in migration["metadata"]["annotations"]
    for kind in ("ServiceAccount", "ConfigMap"):
        assert of(objects, kind)
        assert all(wave(one) < wave(migration) for one in of(objects, kind).values())
    assert all(wave(one) < wave(migration) for one in of(objects, "ExternalSecret").values())
    assert all(wave(one) > wave(migration) for one in of(objects, "Deployment").values())


def test_both_schemas_are_migrated_one_after_the_other(objects: tuple[Object, ...]) -> None:
    pod = job(objects, "migrate")["spec"]["template"]["spec"]
    assert [one["args"] for one in pod["initContainers"]] == [["parjanya", "migrate"]]
    assert [one["args"] for one in pod["containers"]] == [["dagster", "instance", "migrate"]]


def test_the_storage_that_is_migrated_is_that_of_dagsters_chart(
    site: str, objects: tuple[Object, ...]
) -> None:
    said = of(objects, "ConfigMap")["parjanya-dagster-storage"]["data"]["dagster.yaml"]
    storage = yaml.safe_load(said)["storage"]["postgres"]["postgres_db"]
    theirs = values(example(site))["dagster"]["postgresql"]
    assert storage == {
        "hostname": theirs["postgresqlHost"],
        "username": theirs["postgresqlUsername"],
        "password": {"env": "DAGSTER_PG_PASSWORD"},
        "db_name": theirs["postgresqlDatabase"],
        "port": theirs["service"]["port"],
        "params": theirs["postgresqlParams"],
    }


def test_who_reads_the_settings_starts_anew_where_they_change(
    site: str, objects: tuple[Object, ...]
) -> None:
    changed = of(with_setting(site, "PARJANYA_RUNS__ROWS", "10"), "Deployment")
    before = of(objects, "Deployment")
    readers = {
        name
        for name, one in before.items()
        if "parjanya-settings" in str(one["spec"]["template"]["spec"])
    }
    assert readers == set(PARTS)
    rolled = {
        name
        for name in before
        if before[name]["spec"]["template"] != changed[name]["spec"]["template"]
    }
    assert rolled == readers


def test_the_daemon_and_the_ui_read_nothing_that_could_change_beside_them(site: str) -> None:
    """Dagster's chart knows no checksum of ours. So neither has a secret of Truth."""
    theirs = values(example(site))["dagster"]
    for part in ("dagsterDaemon", "dagsterWebserver"):
        assert not {"envConfigMaps", "envSecrets", "env"} & theirs[part].keys()


def test_a_pod_is_told_by_its_image_which_image_it_is(
    site: str, objects: tuple[Object, ...]
) -> None:
    """A setting beside it would go on saying so after the image has become another one."""
    assert "PARJANYA_IDENTITY__IMAGE" not in str(objects) + str(values(example(site)))
    for side in ("cpu", "gpu"):
        dockerfile = (CHART.parent / "images" / f"{side}.Dockerfile").read_text()
        assert f"PARJANYA_IDENTITY__IMAGE=parjanya-{side}:${{VERSION}}" in dockerfile
        assert 'test -n "${VERSION}"' in dockerfile


def test_the_image_of_each_lane_declares_its_lane(site: str, objects: tuple[Object, ...]) -> None:
    settings = of(objects, "ConfigMap")["parjanya-settings"]["data"]
    (code,) = of(objects, "Deployment")["parjanya-code"]["spec"]["template"]["spec"]["containers"]
    declaring = job(objects, "declare")["spec"]["template"]["spec"]["containers"]
    said = {one["args"][-1]: one["image"] for one in declaring}
    assert {tuple(one["args"][:-1]) for one in declaring} == {("parjanya", "declare", "--lane")}
    lanes = {"split": {"cpu", "gpu"}, "embedded": {"embedded"}}
    assert said.keys() == lanes[settings["PARJANYA_LANES__LAYOUT"]]
    for lane, image in said.items():
        named = settings.get(f"PARJANYA_LANES__{lane.upper()}__IMAGE", code["image"])
        assert image == named


def test_a_volume_with_models_is_mounted_wherever_the_model_is_read() -> None:
    assert example("team")["models"]["claim"]
    settings = of(rendered("team"), "ConfigMap")["parjanya-settings"]["data"]
    assert settings["PARJANYA_LANES__GPU__MODELS"] == example("team")["models"]["claim"]
    declaring = job(rendered("team"), "declare")["spec"]["template"]["spec"]
    serving = of(rendered("fleet"), "Deployment")["parjanya-model"]["spec"]["template"]["spec"]
    for pod, name, site in ((declaring, "gpu", "team"), (serving, "model", "fleet")):
        (container,) = [one for one in pod["containers"] if one["name"] == name]
        claims = {
            one["name"]: one["persistentVolumeClaim"]["claimName"]
            for one in pod["volumes"]
            if "persistentVolumeClaim" in one
        }
        mounted = {one["mountPath"]: claims.get(one["name"]) for one in container["volumeMounts"]}
        assert mounted["/models"] == example(site)["models"]["claim"]


def test_a_served_model_holds_the_gpu_and_is_there_while_something_is_due() -> None:
    objects = rendered("fleet")
    model = of(objects, "Deployment")["parjanya-model"]["spec"]
    (container,) = model["template"]["spec"]["containers"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert "replicas" not in model  # KEDA says how many: an upgrade would say it anew
    scaled = of(objects, "ScaledObject")["parjanya-model"]["spec"]
    assert scaled["scaleTargetRef"]["name"] == "parjanya-model"
    assert scaled["minReplicaCount"] == 0
    (trigger,) = scaled["triggers"]
    assert 'lane="gpu"' in trigger["metadata"]["query"]
    settings = of(objects, "ConfigMap")["parjanya-settings"]["data"]
    service = of(objects, "Service")["parjanya-model"]["spec"]["ports"][0]["port"]
    assert settings["PARJANYA_ENDPOINT__URL"] == f"http://parjanya-model:{service}/v1"
    name, revision = settings["PARJANYA_VLM__MODEL"], settings["PARJANYA_VLM__REVISION"]
    flags = container["args"][container["args"].index("--port=8000") + 1 :]
    states = statement(name, revision, hash_of(flags))
    at = container["args"].index("--served-model-name")
    assert container["args"][at + 1 : at + 3] == [name, states]
    assert settings["PARJANYA_LANES__GPU__GPUS"] == "0"


def test_every_container_asks_for_disk(objects: tuple[Object, ...]) -> None:
    for name, pod in pods(objects):
        for one in containers(pod):
            assert "ephemeral-storage" in one["resources"]["requests"], name


def test_one_pod_of_a_kind_may_always_be_moved(objects: tuple[Object, ...]) -> None:
    """A budget that wants one of one would stop every drain of its node."""
    replicas = {
        one["spec"]["template"]["metadata"]["labels"]["parjanya/part"]: one["spec"].get("replicas")
        for one in of(objects, "Deployment").values()
    }
    for budget in of(objects, "PodDisruptionBudget").values():
        if "minAvailable" in budget["spec"]:
            part = budget["spec"]["selector"]["matchLabels"]["parjanya/part"]
            assert replicas[part] > budget["spec"]["minAvailable"]


def test_each_door_leads_to_a_service_by_an_ingress_or_a_route(
    site: str, objects: tuple[Object, ...]
) -> None:
    kind = {"fleet": "HTTPRoute"}.get(site, "Ingress")
    assert {one["kind"] for one in objects} & {"Ingress", "HTTPRoute"} == {kind}
    hosts = {door["host"] for door in example(site)["doors"].values() if "host" in door}
    found = set()
    for one in of(objects, kind).values():
        if kind == "Ingress":
            (rule,) = one["spec"]["rules"]
            host, backend = rule["host"], rule["http"]["paths"][0]["backend"]["service"]["name"]
        else:
            (host,) = one["spec"]["hostnames"]
            backend = one["spec"]["rules"][0]["backendRefs"][0]["name"]
        found.add(host)
        assert backend in of(objects, "Service")
    assert found == hosts


def test_whoever_strangers_reach_tells_them_apart_behind_the_ingress(
    site: str, objects: tuple[Object, ...]
) -> None:
    """Else all of them share one limit of wrong tokens."""
    networks = " ".join(values(example(site))["network"]["pods"])
    reached = [(name, pod) for name, pod in pods(objects) if name in REACHED]
    assert reached
    for name, pod in reached:
        told = {one["name"]: one.get("value") for one in pod["containers"][0]["env"]}
        assert told["PARJANYA_WEB__TRUSTED_PROXIES"] == networks, name


def test_each_secret_that_pods_read_has_the_keys_that_they_read() -> None:
    """By reference: the operator makes them of the site's own store."""
    objects = rendered("fleet")
    made = {
        name: {each["secretKey"] for each in one["spec"]["data"]}
        for name, one in of(objects, "ExternalSecret").items()
    }
    login = {f"OAUTH2_PROXY_{name}" for name in ("CLIENT_ID", "CLIENT_SECRET", "COOKIE_SECRET")}
    whole = {"parjanya-truth": {"PARJANYA_TRUTH__URL"}, "parjanya-login": login}
    read: dict[str, set[str]] = {}
    for _, pod in pods(objects):
        for one in containers(pod):
            for source in one.get("envFrom", []):
                if name := source.get("secretRef", {}).get("name"):
                    read.setdefault(name, set()).update(whole[name])
            for variable in one.get("env", []):
                if key := variable.get("valueFrom", {}).get("secretKeyRef"):
                    read.setdefault(key["name"], set()).add(key["key"])
    assert read == made


def put(said: dict[str, Any], path: str, value: object) -> None:
    *above, last = path.split("/")
    for name in above:
        said = said.setdefault(name, {})
    said[last] = value


LAUNCHER = "dagster/runLauncher/config/k8sRunLauncher"


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("dagster/dagsterDaemon/image/tag", "0.0.9", "two releases at once"),
        ("dagster/dagsterWebserver/envSecrets", [{"name": "parjanya-truth"}], "no secret"),
        ("dagster/dagster-user-deployments/enableSubchart", True, "made by this chart"),
        ("dagster/rbacEnabled", True, "must be false"),
        ("dagster/serviceAccount/create", True, "must be false"),
        ("dagster/dagsterWebserver/workspace/servers", [{"host": "x", "port": 1}], "workspace"),
        (f"{LAUNCHER}/envConfigMaps", [], "runs read the settings"),
        (f"{LAUNCHER}/envSecrets", [], "runs read Truth's address"),
        (f"{LAUNCHER}/runK8sConfig/podSpecConfig/automountServiceAccountToken", True, "no token"),
        (
            f"{LAUNCHER}/runK8sConfig/podSpecConfig/serviceAccountName",
            "parjanya-control",
            "account",
        ),
        ("global/fullnameOverride", "other", "fullnameOverride"),
        ("settings/PARJANYA_LANES__LAYOUT", "embedded", "said by another value"),
        ("settings/PARJANYA_RUNS__STOP_TIMEOUT", "60", "terminationGracePeriodSeconds"),
        ("lanes/layout", "embedded", "set lanes.layout to split"),
        ("models/served/keda/enabled", True, "Prometheus"),
        ("dagster/dagsterWebserver/enableReadOnly", False, "doors.viewers"),
        ("images/cpu/tag", "latest", "/images/cpu/tag"),
        ("images/cpu/tags", "0.1.0", "tags"),
        ("settings/PARJANYA_RUNS__ROWS", 10, "string"),
        ("settings/ROWS", "10", "ROWS"),
        ("doors/operators/groups", [], "groups"),
        ("desk/roles", "anna=admin:*", "roles"),
        ("nodes/karpenter/ami", "bottlerocket@latest", "ami"),
    ],
)
def test_values_that_contradict_one_another_are_not_installed(
    path: str, value: object, says: str
) -> None:
    said = example("team")
    render(said)
    put(said, path, value)
    with pytest.raises(HelmError) as refused:
        render(said)
    assert says in str(refused.value)
