"""Services of ECS whose tasks are raised and lowered, as a group's instances are."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile
from typing import Self

from parjanya_dagster.aws.clients import calling, client
from parjanya_dagster.errors import CloudUnavailable
from parjanya_dagster.intent.autoscaling import GroupState

TROUBLE = ("unable", "unhealthy", "failed")
"""Words of a service's events that say why nothing runs. AWS calls a stopped task an `INFO`: each
that is lowered leaves one. https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_service_events.html
"""
STEADY = "steady state"
"""What a service says once it runs what it should: older events tell of a time before."""


@dataclass(frozen=True)
class EcsService:
    """One service. It runs from none to `most` tasks. Methods raise CloudUnavailable."""

    cluster: str
    service: str
    most: int

    @classmethod
    def named(cls, name: str, most: int) -> Self:
        """By CLUSTER/SERVICE."""
        cluster, _, service = name.partition("/")
        return cls(cluster, service, most)

    def state(self) -> GroupState:
        with calling("ecs:DescribeServices", self._thing):
            described = client("ecs").describe_services(
                cluster=self.cluster, services=[self.service]
            )["services"]
        active = [one for one in described if one["status"] == "ACTIVE"]
        if not active:
            raise CloudUnavailable(f"There is no service {self.service} in {self.cluster}.")
        service = active[0]
        # The newest event comes first.
        said = (str(event["message"]) for event in service.get("events", []))
        since = takewhile(lambda message: STEADY not in message, said)
        troubles = (message for message in since if any(word in message for word in TROUBLE))
        running = service["runningCount"]
        return GroupState(
            name=self.service,
            desired=service["desiredCount"],
            least=0,
            most=self.most,
            in_service=running,
            last_failure="" if running else next(troubles, ""),
        )

    def set_to(self, desired: int) -> None:
        """Set how many tasks are wanted. The definition stays what the stack says."""
        with calling("ecs:UpdateService", self._thing):
            client("ecs").update_service(
                cluster=self.cluster, service=self.service, desiredCount=desired
            )

    @property
    def _thing(self) -> str:
        return f"the service {self.service}"
