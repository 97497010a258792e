"""Services of ECS, on moto's emulator (not AWS). Its services run nothing: those are stubbed."""

from __future__ import annotations

from datetime import UTC, datetime

import boto3
import pytest
from botocore.stub import Stubber

from parjanya_dagster.aws.services import EcsService
from parjanya_dagster.errors import CloudUnavailable
from tests.support.servers import MotoServer

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)


@pytest.fixture
def service(aws: MotoServer) -> EcsService:
    ecs, name = boto3.client("ecs"), aws.name("models")
    ecs.create_cluster(clusterName=name)
    ecs.register_task_definition(
        family=name,
        containerDefinitions=[{"name": "model", "image": "vllm", "memory": 128}],
    )
    ecs.create_service(cluster=name, serviceName="model", taskDefinition=name, desiredCount=0)
    return EcsService.named(f"{name}/model", most=3)


def test_a_service_is_raised_from_nothing_and_lowered_to_nothing(service: EcsService) -> None:
    before = service.state()
    assert (before.desired, before.least, before.most) == (0, 0, 3)
    service.set_to(2)
    assert service.state().desired == 2
    service.set_to(0)
    assert service.state().desired == 0


def test_a_service_that_is_not_there_is_unavailable(service: EcsService) -> None:
    with pytest.raises(CloudUnavailable, match="no service other"):
        EcsService(service.cluster, "other", 3).state()


AWAY = "(service model) was unable to place a task because no container instance met all of it"
STOPPED = "(service model) has stopped 1 running tasks: (task 1)."
STEADY = "(service model) has reached a steady state."


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (["(service model) has started 1 tasks.", AWAY, "(service model) is unhealthy"], AWAY),
        ([STOPPED, AWAY], AWAY),
        ([STOPPED], ""),
        ([STEADY, STOPPED, AWAY], ""),  # of the last time that it was raised
    ],
)
def test_where_no_task_runs_the_last_trouble_says_why(
    aws: MotoServer, monkeypatch: pytest.MonkeyPatch, said: list[str], why: str
) -> None:
    """The answer is one that AWS documents; no emulator gives it."""
    ecs = boto3.client("ecs")
    monkeypatch.setattr("parjanya_dagster.aws.services.client", lambda _: ecs)
    described = {
        "serviceName": "model",
        "status": "ACTIVE",
        "desiredCount": 1,
        "runningCount": 0,
        "events": [
            {"id": str(n), "createdAt": NOON, "message": message} for n, message in enumerate(said)
        ],
    }
    with Stubber(ecs) as stub:
        stub.add_response("describe_services", {"services": [described]})
        state = EcsService("c", "model", 4).state()
    assert (state.desired, state.in_service, state.last_failure) == (1, 0, why)
