"""Auto Scaling groups, on moto's emulator (not AWS). It knows no activities: those are stubbed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from parjanya_dagster.aws.groups import AutoScalingGroup
from parjanya_dagster.errors import CloudUnavailable
from tests.support.servers import MotoServer


@pytest.fixture
def group(aws: MotoServer) -> AutoScalingGroup:
    scaling, name = boto3.client("autoscaling"), aws.name("group")
    scaling.create_launch_configuration(
        LaunchConfigurationName=name, ImageId="ami-12c6146b", InstanceType="t2.micro"
    )
    scaling.create_auto_scaling_group(
        AutoScalingGroupName=name,
        LaunchConfigurationName=name,
        MinSize=0,
        MaxSize=3,
        DesiredCapacity=0,
        AvailabilityZones=["us-east-1a"],
    )
    return AutoScalingGroup(name)


def test_a_group_is_read_and_raised(group: AutoScalingGroup) -> None:
    before = group.state()
    assert (before.desired, before.least, before.most, before.in_service) == (0, 0, 3, 0)
    group.set_to(2)
    after = group.state()
    assert (after.desired, after.in_service) == (2, 2)


def test_a_group_that_is_not_there_is_unavailable(aws: MotoServer) -> None:
    with pytest.raises(CloudUnavailable, match="no Auto Scaling group"):
        AutoScalingGroup(aws.name("none")).state()


def test_where_nothing_is_in_service_the_last_failure_says_why(
    aws: MotoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answers are those that AWS documents; no emulator gives them."""
    scaling = boto3.client("autoscaling")
    monkeypatch.setattr("parjanya_dagster.aws.groups.client", lambda _: scaling)
    now = datetime(2025, 10, 9, 12, tzinfo=UTC)
    described = {
        "AutoScalingGroupName": "g",
        "MinSize": 0,
        "MaxSize": 4,
        "DesiredCapacity": 2,
        "DefaultCooldown": 300,
        "AvailabilityZones": ["us-east-1a"],
        "HealthCheckType": "EC2",
        "CreatedTime": now,
        "Instances": [],
    }
    quota = "You have requested more vCPU capacity than your current vCPU limit of 0 allows."

    def activity(status: str, message: str) -> dict[str, Any]:
        return {
            "ActivityId": "a",
            "AutoScalingGroupName": "g",
            "Cause": "capacity from 0 to 2",
            "StartTime": now,
            "StatusCode": status,
            "StatusMessage": message,
        }

    with Stubber(scaling) as stub:
        stub.add_response("describe_auto_scaling_groups", {"AutoScalingGroups": [described]})
        stub.add_response(
            "describe_scaling_activities",
            {"Activities": [activity("InProgress", "Launching"), activity("Failed", quota)]},
        )
        state = AutoScalingGroup("g").state()
    assert (state.desired, state.in_service, state.last_failure) == (2, 0, quota)
