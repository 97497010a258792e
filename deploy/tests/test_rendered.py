"""The objects of each overlay as they would be applied: what a release is, in one place each."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import check
import pytest
import yaml

KUBERNETES = Path(__file__).parents[1] / "kubernetes"
OVERLAYS = sorted((KUBERNETES / "overlays").iterdir())
VALUES: dict[str, Any] = yaml.safe_load((KUBERNETES / "helm" / "values.yaml").read_text())
WAVE = "argocd.argoproj.io/sync-wave"

Object = dict[str, Any]


@pytest.fixture(scope="module", params=OVERLAYS, ids=lambda overlay: overlay.name)
def objects(request: pytest.FixtureRequest) -> list[Object]:
    command = [str(check.BIN / "kubectl"), "kustomize", str(request.param)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [one for one in yaml.safe_load_all(done.stdout) if one]


def of(objects: list[Object], kind: str) -> dict[str, Object]:
    return {one["metadata"]["name"]: one for one in objects if one["kind"] == kind}


def pods(objects: list[Object]) -> Iterator[tuple[str, Object]]:
    for one in objects:
        if one["kind"] in ("Deployment", "Job"):
            yield one["metadata"]["name"], one["spec"]["template"]["spec"]


def containers(pod: Object) -> list[Object]:
    return [*pod.get("initContainers", []), *pod["containers"]]


def wave(one: Object) -> int:
    return int(one["metadata"].get("annotations", {}).get(WAVE, "0"))


def job(objects: list[Object], part: str) -> Object:
    (one,) = [
        one
        for one in of(objects, "Job").values()
        if one["metadata"]["labels"]["parjanya/part"] == part
    ]
    return one


def test_each_release_has_jobs_of_its_own(objects: list[Object]) -> None:
    """A Job cannot be changed: one that kept its name would stop the second release."""
    for name, one in of(objects, "Job").items():
        for each in containers(one["spec"]["template"]["spec"]):
            version = each["image"].rpartition(":")[2].replace(".", "-")
            assert name.endswith(f"-{version}") or "@" in each["image"]


def test_the_migration_comes_after_what_it_needs_and_before_the_code(
    objects: list[Object],
) -> None:
    migration = job(objects, "migrate")
    assert "argocd.argoproj.io/hook" not in migration["metadata"]["annotations"]
    for kind in ("Namespace", "ServiceAccount", "ConfigMap", "NetworkPolicy"):
        assert of(objects, kind)
        assert all(wave(one) < wave(migration) for one in of(objects, kind).values())
    assert all(wave(one) > wave(migration) for one in of(objects, "Deployment").values())
    declaring = job(objects, "declare")
    assert all(wave(one) < wave(declaring) for one in of(objects, "Deployment").values())


def test_both_schemas_are_migrated_one_after_the_other(objects: list[Object]) -> None:
    pod = job(objects, "migrate")["spec"]["template"]["spec"]
    assert [one["args"] for one in pod["initContainers"]] == [["parjanya", "migrate"]]
    assert [one["args"] for one in pod["containers"]] == [["dagster", "instance", "migrate"]]


def test_the_storage_that_is_migrated_is_that_of_the_chart(objects: list[Object]) -> None:
    (said,) = [
        one["data"]["dagster.yaml"]
        for name, one in of(objects, "ConfigMap").items()
        if name.startswith("parjanya-dagster-storage")
    ]
    storage = yaml.safe_load(said)["storage"]["postgres"]["postgres_db"]
    chart = VALUES["postgresql"]
    assert (storage["hostname"], storage["username"], storage["db_name"], storage["params"]) == (
        chart["postgresqlHost"],
        chart["postgresqlUsername"],
        chart["postgresqlDatabase"],
        chart["postgresqlParams"],
    )


def test_who_reads_the_settings_starts_anew_where_they_change(objects: list[Object]) -> None:
    """By name: the hash in it changes with them. A release that goes back finds the old ones."""
    (name,) = [one for one in of(objects, "ConfigMap") if one.startswith("parjanya-settings")]
    assert re.fullmatch(r"parjanya-settings-[0-9a-z]{10}", name)
    read = {
        source["configMapRef"]["name"]
        for _, pod in pods(objects)
        for one in containers(pod)
        for source in one.get("envFrom", [])
        if "configMapRef" in source
    }
    (deployment,) = VALUES["dagster-user-deployments"]["deployments"]
    launcher = VALUES["runLauncher"]["config"]["k8sRunLauncher"]
    for part in (deployment, launcher, VALUES["dagsterDaemon"], VALUES["dagsterWebserver"]):
        read |= {one["name"] for one in part["envConfigMaps"]}
    assert read == {name}
    assert list(check.settings()) == []


def test_a_pod_is_told_by_its_image_which_image_it_is(objects: list[Object]) -> None:
    """A setting beside it would go on saying so after the image has become another one."""
    assert "PARJANYA_IDENTITY__IMAGE" not in str(objects) + str(VALUES)
    for side in ("cpu", "gpu"):
        dockerfile = (KUBERNETES.parent / "images" / f"{side}.Dockerfile").read_text()
        assert f"PARJANYA_IDENTITY__IMAGE=parjanya-{side}:${{VERSION}}" in dockerfile
        assert 'test -n "${VERSION}"' in dockerfile


def test_the_image_of_each_lane_declares_its_lane(objects: list[Object]) -> None:
    (settings,) = [
        one["data"]
        for name, one in of(objects, "ConfigMap").items()
        if name.startswith("parjanya-settings")
    ]
    declaring = job(objects, "declare")["spec"]["template"]["spec"]["containers"]
    said = {one["args"][-1]: one["image"] for one in declaring}
    assert {tuple(one["args"][:-1]) for one in declaring} == {("parjanya", "declare", "--lane")}
    assert said["gpu"] == settings["PARJANYA_LANES__GPU__IMAGE"]
    (migration,) = job(objects, "migrate")["spec"]["template"]["spec"]["initContainers"]
    assert said["cpu"] == migration["image"]


def test_every_container_asks_for_disk(objects: list[Object]) -> None:
    for name, pod in pods(objects):
        for one in containers(pod):
            assert "ephemeral-storage" in one["resources"]["requests"], name


def test_each_secret_that_pods_read_has_the_keys_that_they_read(objects: list[Object]) -> None:
    """By reference: deploy/kubernetes/secrets makes them of the site's own store."""
    text = (KUBERNETES / "secrets" / "secrets.yaml").read_text()
    made = {
        one["metadata"]["name"]: {each["secretKey"] for each in one["spec"]["data"]}
        for one in yaml.safe_load_all(text)
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
    assert VALUES["global"]["postgresqlSecretName"] in made
