"""Who may do what: one function per duty, each with the actions its code calls and no others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sqs as sqs
from rights import Right

from stack.stores import Truth

OURS = ("previews/*", "thumbnails/*", "curated/*")
"""Keys that are written beside what tenants upload."""


def use_truth(role: iam.IRole, truth: Truth, *rights: Sequence[Right]) -> None:
    """Truth, as far as `rights` says."""
    for right in (each for kind in rights for each in kind):
        on = [f"{truth.arn}{part}" for part in right.on]
        keys = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": list(right.keys)}}
        # Without any key in the request, "all of them" holds: so there has to be one.
        some = {"Null": {"dynamodb:LeadingKeys": "false"}}
        _allow(role, on, *right.actions, when={**keys, **some} if right.keys else None)


def read_images(role: iam.IRole, buckets: Iterable[s3.IBucket]) -> None:
    for bucket in buckets:
        _allow(role, [bucket.bucket_arn], "s3:ListBucket")
        _allow(role, [bucket.arn_for_objects("*")], "s3:GetObject", "s3:GetObjectVersion")


def write_results(role: iam.IRole, buckets: Iterable[s3.IBucket]) -> None:
    """Beside the uploads, never over them."""
    for bucket in buckets:
        _allow(role, [bucket.arn_for_objects(keys) for keys in OURS], "s3:PutObject")


def check_buckets(role: iam.IRole, buckets: Iterable[s3.IBucket]) -> None:
    """What `parjanya tenant check` looks at."""
    for bucket in buckets:
        _allow(
            role,
            [bucket.bucket_arn],
            "s3:GetBucketCORS",
            "s3:GetBucketNotification",
            "s3:GetBucketPublicAccessBlock",
            "s3:GetEncryptionConfiguration",
            "s3:GetLifecycleConfiguration",
        )


def promise_uploads(role: iam.IRole, buckets: Iterable[s3.IBucket]) -> None:
    """A presigned URL can do what its signer may do."""
    for bucket in buckets:
        _allow(role, [bucket.arn_for_objects("incoming/*")], "s3:PutObject")


def see_queues(role: iam.IRole, *queues: sqs.IQueue) -> None:
    """How full they are: what the doctor asks."""
    arns = [queue.queue_arn for queue in queues]
    _allow(role, arns, "sqs:GetQueueAttributes", "sqs:GetQueueUrl")


def take_arrivals(role: iam.IRole, queue: sqs.IQueue, dead: sqs.IQueue) -> None:
    """GetQueueAttributes is part of it: whoever cannot see a queue must not take it for empty."""
    see = ("sqs:GetQueueAttributes", "sqs:GetQueueUrl")
    _allow(
        role,
        [queue.queue_arn],
        *see,
        "sqs:ReceiveMessage",
        "sqs:DeleteMessage",
        "sqs:ChangeMessageVisibility",
    )
    _allow(role, [dead.queue_arn], *see, "sqs:SendMessage")


def look_at_runs(role: iam.IRole, cluster_arn: str, tasks: str) -> None:
    """The tasks of runs, so that the doctor can say why one does not start."""
    same_cluster = {"ArnEquals": {"ecs:cluster": cluster_arn}}
    _allow(role, [tasks], "ecs:DescribeTasks", when=same_cluster)
    _allow(role, ["*"], "ecs:DescribeTaskDefinition")  # it has no resource to name


def stop_runs(role: iam.IRole, cluster_arn: str, tasks: str) -> None:
    """Look at the tasks of runs, and end them."""
    look_at_runs(role, cluster_arn, tasks)
    same_cluster = {"ArnEquals": {"ecs:cluster": cluster_arn}}
    _allow(role, [tasks], "ecs:StopTask", when=same_cluster)


def launch_runs(
    role: iam.IRole, cluster_arn: str, definitions: list[str], roles: list[iam.IRole]
) -> None:
    """Start tasks of these definitions in this cluster, as these roles."""
    same_cluster = {"ArnEquals": {"ecs:cluster": cluster_arn}}
    _allow(role, definitions, "ecs:RunTask", when=same_cluster)
    run_task = {"StringEquals": {"ecs:CreateAction": "RunTask"}}
    _allow(role, ["*"], "ecs:TagResource", when=run_task)
    to_ecs = {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}}
    _allow(role, [one.role_arn for one in roles], "iam:PassRole", when=to_ecs)
    # The launcher reads its own network interface to give runs the same network.
    _allow(role, ["*"], "ec2:DescribeNetworkInterfaces")


def _allow(
    role: iam.IRole, resources: list[str], *actions: str, when: dict[str, object] | None = None
) -> None:
    statement = iam.PolicyStatement(actions=list(actions), resources=resources, conditions=when)
    role.add_to_principal_policy(statement)
