"""Alarms on what AWS sees. What Parjanya itself sees is told by its metrics and their rules."""

from __future__ import annotations

from aws_cdk import (
    Duration,
)
from aws_cdk import (
    aws_cloudwatch as cloudwatch,
)
from aws_cdk import (
    aws_cloudwatch_actions as actions,
)
from aws_cdk import (
    aws_iam as iam,
)
from aws_cdk import (
    aws_kms as kms,
)
from aws_cdk import (
    aws_sns as sns,
)
from aws_cdk import (
    aws_sns_subscriptions as subscriptions,
)
from constructs import Construct
from site_file import Site

from stack.doors import Doors
from stack.machines import Machines
from stack.services import Services
from stack.stores import Arrivals, Records

FIVE = Duration.minutes(5)
BREACHING = cloudwatch.TreatMissingData.BREACHING
FINE = cloudwatch.TreatMissingData.NOT_BREACHING


class Alarms(Construct):
    """Each is mailed when it begins and when it ends."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        site: Site,
        arrivals: Arrivals,
        machines: Machines,
        services: Services,
        doors: Doors,
        records: Records,
    ) -> None:
        super().__init__(scope, name)
        key = kms.Key(self, "Key", enable_key_rotation=True)
        key.grant_encrypt_decrypt(iam.ServicePrincipal("cloudwatch.amazonaws.com"))
        self.topic = sns.Topic(self, "Topic", master_key=key, enforce_ssl=True)
        # A policy of its own (that of `enforce_ssl`) takes the place of the one that let alarms in.
        self.topic.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
                actions=["sns:Publish"],
                resources=[self.topic.topic_arn],
                conditions={"StringEquals": {"aws:SourceAccount": site.account}},
            )
        )
        self.topic.add_subscription(subscriptions.EmailSubscription(site.alarms_to))
        self._arrivals(arrivals)
        self._machines(machines)
        for service in (
            services.code,
            services.daemon,
            services.ui,
            services.uploads,
            services.desk,
        ):
            running = cloudwatch.Metric(
                namespace="ECS/ContainerInsights",
                metric_name="RunningTaskCount",
                dimensions_map={
                    "ClusterName": machines.cluster.cluster_name,
                    "ServiceName": service.service_name,
                },
                statistic="Minimum",
                period=FIVE,
            )
            self._alarm(f"{service.node.id}Away", running, 1, 2, missing=BREACHING, below=True)
        self._alarm("UiUnhealthy", doors.ui.metrics.unhealthy_host_count(period=FIVE), 1, 3)
        uploads = doors.uploads.metrics.unhealthy_host_count(period=FIVE)
        self._alarm("UploadsUnhealthy", uploads, 1, 3)
        desks = doors.desk.metrics.unhealthy_host_count(period=FIVE)
        self._alarm("DeskUnhealthy", desks, 1, 3)
        free = records.database.metric_free_storage_space(period=FIVE)
        self._alarm("RecordsFull", free, 5 * 1024**3, 1, below=True)

    def _arrivals(self, arrivals: Arrivals) -> None:
        age = arrivals.queue.metric_approximate_age_of_oldest_message(period=FIVE)
        self._alarm("ArrivalsNotRead", age, 15 * 60, 2)
        dead = arrivals.dead.metric_approximate_number_of_messages_visible(period=FIVE)
        self._alarm("ArrivalsUnreadable", dead, 1, 1)

    def _machines(self, machines: Machines) -> None:
        """Machines are wanted and none comes: a quota, an AMI, a subnet without room."""
        named = {"AutoScalingGroupName": machines.group.auto_scaling_group_name}
        wanted, there = (
            cloudwatch.Metric(
                namespace="AWS/AutoScaling",
                metric_name=metric,
                dimensions_map=named,
                statistic="Minimum",
                period=FIVE,
            )
            for metric in ("GroupDesiredCapacity", "GroupInServiceInstances")
        )
        none_came = cloudwatch.MathExpression(
            expression="IF(wanted > 0 AND there < 1, 1, 0)",
            using_metrics={"wanted": wanted, "there": there},
            period=FIVE,
        )
        self._alarm("NoGpuCame", none_came, 1, 4)

    def _alarm(
        self,
        name: str,
        metric: cloudwatch.IMetric,
        threshold: float,
        periods: int,
        *,
        below: bool = False,
        missing: cloudwatch.TreatMissingData = FINE,
    ) -> None:
        way = cloudwatch.ComparisonOperator
        alarm = cloudwatch.Alarm(
            self,
            name,
            metric=metric,
            threshold=threshold,
            evaluation_periods=periods,
            comparison_operator=(
                way.LESS_THAN_THRESHOLD if below else way.GREATER_THAN_OR_EQUAL_TO_THRESHOLD
            ),
            treat_missing_data=missing,
        )
        action = actions.SnsAction(self.topic)
        alarm.add_alarm_action(action)
        alarm.add_ok_action(action)
