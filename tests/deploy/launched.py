"""The Jobs that the real K8sRunLauncher makes of the chart's values, without a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from dagster import DagsterInstance
from dagster._config import process_config
from dagster._core.code_pointer import ModuleCodePointer
from dagster._core.launcher import LaunchRunContext
from dagster._core.origin import JobPythonOrigin, RepositoryPythonOrigin
from dagster._core.storage.dagster_run import DagsterRunStatus
from dagster._core.test_utils import create_run_for_test

from tests.deploy import chart


class Recorder:
    """Kubernetes' batch API: keeps what it is asked to create."""

    def __init__(self) -> None:
        self.jobs: list[Any] = []

    def create_namespaced_job(self, *, body: Any, namespace: str, **_: object) -> None:
        assert namespace == chart.NAMESPACE
        self.jobs.append(body)


def job(
    values: chart.Values,
    instance: DagsterInstance,
    folder: Path,
    name: str,
    tags: dict[str, Any],
    image: str,
) -> dict[str, Any]:
    """The Job of a run of this job with these tags, as the API is sent it.

    `image` is what the code location says that it is. It hands on nothing else.
    """
    from dagster_k8s import K8sRunLauncher
    from kubernetes.client import ApiClient

    recorder = Recorder()
    config = chart.launcher_config(values) | {
        "load_incluster_config": False,
        "kubeconfig_file": str(_kubeconfig(folder)),
    }
    taken = process_config(K8sRunLauncher.config_type(), config)
    assert taken.success, taken.errors
    launcher = K8sRunLauncher(k8s_client_batch_api=recorder, **taken.value)
    launcher.register_instance(instance)
    repository = RepositoryPythonOrigin(
        executable_path="python",
        code_pointer=ModuleCodePointer("parjanya_dagster.definitions", "defs"),
        container_image=image,
        entry_point=["dagster"],
    )
    run = create_run_for_test(
        instance,
        job_name=name,
        status=DagsterRunStatus.STARTING,
        tags=tags,
        job_code_origin=JobPythonOrigin(name, repository),
    )
    launcher.launch_run(LaunchRunContext(run, workspace=None))
    (made,) = recorder.jobs
    return ApiClient().sanitize_for_serialization(made)


def _kubeconfig(folder: Path) -> Path:
    path = folder / "kubeconfig.yaml"
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "here", "cluster": {"server": "http://127.0.0.1:1"}}],
        "users": [{"name": "nobody", "user": {}}],
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": "nobody"}}],
        "current-context": "here",
    }
    path.write_text(yaml.safe_dump(config))
    return path
