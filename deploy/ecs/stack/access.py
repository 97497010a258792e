"""Who may do what: one function per duty, each with the actions its code calls and no others."""

from __future__ import annotations

from aws_cdk import aws_iam as iam
from aws_cdk import aws_sqs as sqs
from site_file import Site

OURS = (
    "previews/*",
    "thumbnails/*",
    "curated/*",
    "embeddings/*",
    "likeness/*",
    "releases/*",
    "taste/*",
)
"""Keys that are written beside what tenants upload."""


class Images:
    """The buckets of tenants, as far as roles know them: by patterns of names, in this account."""

    def __init__(self, site: Site) -> None:
        self._arns = [f"arn:aws:s3:::{pattern}" for pattern in site.bucket_patterns]
        self._ours: dict[str, object] = {"StringEquals": {"s3:ResourceAccount": site.account}}
        self._more_come = bool(site.bucket_names)

    def read(self, role: iam.IRole) -> None:
        _allow(role, self._arns, "s3:ListBucket", when=self._ours)
        _allow(role, self._keys("*"), "s3:GetObject", when=self._ours)

    def write_results(self, role: iam.IRole) -> None:
        """Beside the uploads, never over them."""
        _allow(role, self._keys(*OURS), "s3:PutObject", when=self._ours)

    def release(self, role: iam.IRole) -> None:
        """The list of a release that somebody begins. Its files are written by a run."""
        _allow(role, self._keys("releases/*"), "s3:PutObject", when=self._ours)

    def promise(self, role: iam.IRole) -> None:
        """A presigned URL can do what its signer may do."""
        _allow(role, self._keys("incoming/*"), "s3:PutObject", when=self._ours)

    def check(self, role: iam.IRole) -> None:
        """What `parjanya tenant check` looks at."""
        _allow(
            role,
            self._arns,
            "s3:GetBucketCORS",
            "s3:GetBucketNotification",
            "s3:GetBucketPublicAccessBlock",
            "s3:GetEncryptionConfiguration",
            "s3:GetLifecycleConfiguration",
            when=self._ours,
        )

    def discover(self, role: iam.IRole) -> None:
        """New tenants' buckets, by their names."""
        if self._more_come:
            _allow(role, ["*"], "s3:ListAllMyBuckets")  # it has no resource to name

    def _keys(self, *patterns: str) -> list[str]:
        return [f"{arn}/{pattern}" for arn in self._arns for pattern in patterns]


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


def raise_service(role: iam.IRole, cluster_arn: str, service: str) -> None:
    """Say how many tasks of one service there are."""
    same_cluster = {"ArnEquals": {"ecs:cluster": cluster_arn}}
    _allow(role, [service], "ecs:DescribeServices", "ecs:UpdateService", when=same_cluster)


def _allow(
    role: iam.IRole, resources: list[str], *actions: str, when: dict[str, object] | None = None
) -> None:
    statement = iam.PolicyStatement(actions=list(actions), resources=resources, conditions=when)
    role.add_to_principal_policy(statement)
