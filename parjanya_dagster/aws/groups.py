"""Auto Scaling groups of EC2."""

from __future__ import annotations

from dataclasses import dataclass

from parjanya_dagster.aws.clients import calling, client
from parjanya_dagster.errors import CloudUnavailable
from parjanya_dagster.intent.autoscaling import GroupState

FAILED = ("Failed", "Cancelled")


@dataclass(frozen=True)
class AutoScalingGroup:
    """One group, by name. Methods raise CloudUnavailable."""

    name: str

    def state(self) -> GroupState:
        thing = f"the group {self.name}"
        with calling("autoscaling:DescribeAutoScalingGroups", thing):
            groups = client("autoscaling").describe_auto_scaling_groups(
                AutoScalingGroupNames=[self.name]
            )["AutoScalingGroups"]
        if not groups:
            raise CloudUnavailable(f"There is no Auto Scaling group {self.name}.")
        group = groups[0]
        serving = sum(instance["LifecycleState"] == "InService" for instance in group["Instances"])
        return GroupState(
            name=self.name,
            desired=group["DesiredCapacity"],
            least=group["MinSize"],
            most=group["MaxSize"],
            in_service=serving,
            last_failure="" if serving else self._last_failure(),
        )

    def set_to(self, desired: int) -> None:
        """Set the desired capacity. The cooldown is ignored."""
        with calling("autoscaling:SetDesiredCapacity", f"the group {self.name}"):
            client("autoscaling").set_desired_capacity(
                AutoScalingGroupName=self.name, DesiredCapacity=desired, HonorCooldown=False
            )

    def _last_failure(self) -> str:
        """The message of the newest failed one among its last activities."""
        with calling("autoscaling:DescribeScalingActivities", f"the group {self.name}"):
            last = client("autoscaling").describe_scaling_activities(
                AutoScalingGroupName=self.name, MaxRecords=10
            )["Activities"]
        failed = (activity for activity in last if activity["StatusCode"] in FAILED)
        newest = next(failed, None)
        return str(newest.get("StatusMessage") or newest["Cause"]) if newest else ""
