"""Reads the pods or tasks of Dagster's runs from the system that launched them.

The instance's run launcher says which system that is, and has its credentials. A launcher that
starts plain processes has nothing to read. What a launcher could not launch is in Dagster's events.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from parjanya_dagster.belief.launches import not_launched
from parjanya_dagster.doctor.launch_obstacles import (
    NOT_LAUNCHED,
    RUN_LABEL,
    Nowhere,
    Obstacle,
    Workers,
    of_job_event,
    of_pod,
    of_task,
)

MOST = 50  # runs asked about in one look
TIMEOUT = (3.0, 10.0)  # seconds to connect and to read


class Pods:
    """Pods and Jobs of one namespace."""

    def __init__(self, core: Any, namespace: str) -> None:
        self._core = core
        self._namespace = namespace

    def obstacles(self, run_ids: Sequence[str]) -> list[Obstacle]:
        chosen = list(run_ids)[:MOST]
        if not chosen:
            return []
        pods = self._read(
            self._core.list_namespaced_pod,
            label_selector=f"{RUN_LABEL} in ({','.join(sorted(chosen))})",
        )
        by_run = {
            obstacle.run_id: obstacle
            for pod in pods
            if _run_of(pod) in chosen and (obstacle := of_pod(pod))
        }
        have_pods = {_run_of(pod) for pod in pods}
        without = set(chosen) - have_pods
        if without:
            events = self._read(
                self._core.list_namespaced_event,
                field_selector="involvedObject.kind=Job,reason=FailedCreate",
            )
            for event in events:
                obstacle = of_job_event(event)
                if obstacle is not None and obstacle.run_id in without:
                    by_run[obstacle.run_id] = obstacle
        return list(by_run.values())

    def _read(self, listing: Any, **selectors: str) -> list[dict[str, Any]]:
        answer = listing(
            self._namespace, **selectors, _preload_content=False, _request_timeout=TIMEOUT
        )
        return json.loads(answer.data).get("items") or []


def _run_of(pod: Mapping[str, Any]) -> str | None:
    return (pod["metadata"].get("labels") or {}).get(RUN_LABEL)


class Tasks:
    """Tasks of ECS, known by the tags that the launcher left on its runs."""

    def __init__(self, ecs: Any, instance: Any) -> None:
        self._ecs = ecs
        self._instance = instance

    def obstacles(self, run_ids: Sequence[str]) -> list[Obstacle]:
        by_cluster: dict[str, dict[str, str]] = {}
        for run_id in list(run_ids)[:MOST]:
            run = self._instance.get_run_by_id(run_id)
            tags = run.tags if run else {}
            if arn := tags.get("ecs/task_arn"):
                by_cluster.setdefault(tags.get("ecs/cluster", ""), {})[arn] = run_id
        obstacles = []
        for cluster, run_of in by_cluster.items():
            answer = self._ecs.describe_tasks(cluster=cluster, tasks=list(run_of))
            for task in answer["tasks"]:
                if obstacle := of_task(run_of[task["taskArn"]], task):
                    obstacles.append(obstacle)
        return obstacles


class OfInstance:
    """The workers of an instance, and what its launcher could not launch.

    Its launcher may fail to open here, so it is opened only when asked.
    """

    def __init__(self, instance: Any) -> None:
        self._instance = instance

    def obstacles(self, run_ids: Sequence[str]) -> list[Obstacle]:
        """Raises whatever the client raises, unless the launcher has said already what is wrong."""
        refused = [
            Obstacle(
                kind=NOT_LAUNCHED,
                run_id=one.run_id,
                where=f"the launcher {one.launcher}",
                said=one.said,
                since=one.at,
            )
            for one in not_launched(self._instance, list(run_ids)[:MOST])
        ]
        try:
            return refused + self._open().obstacles(run_ids)
        except Exception:
            if not refused:
                raise
            return refused

    def _open(self) -> Workers:
        launcher: Any = self._instance.run_launcher
        kind = type(launcher).__module__
        if kind.startswith("dagster_k8s."):
            from kubernetes.client import CoreV1Api  # the launcher has loaded its configuration

            return Pods(CoreV1Api(), launcher.job_namespace)
        if kind.startswith("dagster_aws."):
            return Tasks(launcher.ecs, self._instance)
        return Nowhere()
