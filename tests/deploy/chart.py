"""What Dagster's chart makes of our values, as far as runs and probes depend on it.

Written after the templates of the chart at 1.13 (`dagsterYaml.runLauncher.k8s`, the Deployments of
the daemon and of the web server). The chart itself is not at hand in tests.
"""

from __future__ import annotations

import re
from typing import Any

from tests.deploy.objects import chart_render

NAMESPACE: str = chart_render.NAMESPACE
SERVER_PORT = 80  # of the web server, and of its readiness probe, where the values name none

Values = dict[str, Any]


def values(site: str) -> Values:
    """All values at the site of an example. `dagster` are those of Dagster's chart."""
    return chart_render.values(chart_render.example(site))


def launcher_config(values: Values) -> dict[str, Any]:
    """The configuration of the run launcher in the chart's dagster.yaml."""
    said = dict(values["dagster"]["runLauncher"]["config"]["k8sRunLauncher"])
    blocks = {snake(name): value for name, value in said.pop("runK8sConfig").items()}
    maps = [one["name"] for one in said.pop("envConfigMaps", [])]
    secrets = [one["name"] for one in said.pop("envSecrets", [])]
    return {
        **{snake(name): value for name, value in said.items()},
        "run_k8s_config": blocks,
        "env_config_maps": maps,
        "env_secrets": secrets,
        "service_account_name": values["global"]["serviceAccountName"],
        "job_namespace": NAMESPACE,
        "dagster_home": values["global"]["dagsterHome"],
        "instance_config_map": f"{values['global']['fullnameOverride']}-instance",
        "postgres_password_secret": values["global"]["postgresqlSecretName"],
    }


def readiness_of_the_ui(values: Values) -> tuple[int, int]:
    """(port that the web server listens on, port that its readiness probe asks)."""
    server = values["dagster"]["dagsterWebserver"]
    asked = server.get("readinessProbe", {}).get("httpGet", {}).get("port", SERVER_PORT)
    return server["service"]["port"], asked


def snake(name: str) -> str:
    return re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower().replace("k8_s", "k8s")
