"""What Dagster's chart makes of our values, as far as runs and probes depend on it.

Written after the templates of the chart at 1.13 (`dagsterUserDeployments.k8sContainerContext`,
`dagsterYaml.runLauncher.k8s`, the three Deployments). The chart itself is not at hand in tests.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from tests.deploy.objects import DEPLOY

NAMESPACE = "parjanya"
SERVER_PORT = 80  # of the web server, and of its readiness probe, where the values name none

Values = dict[str, Any]


def values() -> Values:
    return yaml.safe_load((DEPLOY / "kubernetes" / "helm" / "values.yaml").read_text())


def location(values: Values) -> dict[str, Any]:
    (one,) = values["dagster-user-deployments"]["deployments"]
    return one


def container_context(values: Values) -> dict[str, Any]:
    """What the code location hands to its runs: much of what its own pod has, its account too."""
    ours = location(values)
    if not ours.get("includeConfigInLaunchedRuns", {"enabled": True})["enabled"]:
        return {}
    context = {
        "image_pull_policy": ours["image"]["pullPolicy"],
        "env_config_maps": [
            "dagster-dagster-user-deployments-parjanya-user-env",
            *(one["name"] for one in ours["envConfigMaps"]),
        ],
        "env_secrets": [one["name"] for one in ours["envSecrets"]],
        "namespace": NAMESPACE,
        "service_account_name": values["global"]["serviceAccountName"],
        "run_k8s_config": {"pod_spec_config": {"automount_service_account_token": True}},
    }
    same = {"labels": "labels", "resources": "resources", "volumes": "volumes",
            "volumeMounts": "volume_mounts", "env": "env"}  # fmt: skip
    return {"k8s": context | {name: ours[key] for key, name in same.items() if ours.get(key)}}


def launcher_config(values: Values) -> dict[str, Any]:
    """The configuration of the run launcher in the chart's dagster.yaml."""
    said = dict(values["runLauncher"]["config"]["k8sRunLauncher"])
    blocks = {snake(name): value for name, value in said.pop("runK8sConfig").items()}
    maps = [one["name"] for one in said.pop("envConfigMaps", [])]
    secrets = [one["name"] for one in said.pop("envSecrets", [])]
    return {
        **{snake(name): value for name, value in said.items()},
        "run_k8s_config": blocks,
        "env_config_maps": maps,
        "env_secrets": secrets,
        "service_account_name": values["global"]["serviceAccountName"],
        "dagster_home": values["global"]["dagsterHome"],
        "instance_config_map": "dagster-instance",
        "postgres_password_secret": values["global"]["postgresqlSecretName"],
    }


def code_image(values: Values) -> str:
    """The image of the code location: that of runs of lanes that name none."""
    image = location(values)["image"]
    return f"{image['repository']}:{image['tag']}"


def readiness_of_the_ui(values: Values) -> tuple[int, int]:
    """(port that the web server listens on, port that its readiness probe asks)."""
    server = values["dagsterWebserver"]
    asked = server.get("readinessProbe", {}).get("httpGet", {}).get("port", SERVER_PORT)
    return server["service"]["port"], asked


def startup_probe(values: Values) -> dict[str, Any] | None:
    """That of the code location. The chart drops one that does not say `enabled`."""
    probe = dict(location(values).get("startupProbe", {}))
    return probe if probe.pop("enabled", False) else None


def snake(name: str) -> str:
    return re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower().replace("k8_s", "k8s")
