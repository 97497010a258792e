"""What is kept: the tenants' buckets, the queue of arrivals, Truth, and Dagster's own records."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import rights
from aws_cdk import (
    ArnFormat,
    CfnDeletionPolicy,
    CfnResource,
    Duration,
    RemovalPolicy,
    Stack,
)
from aws_cdk import (
    aws_dynamodb as dynamodb,
)
from aws_cdk import (
    aws_ec2 as ec2,
)
from aws_cdk import (
    aws_iam as iam,
)
from aws_cdk import (
    aws_kms as kms,
)
from aws_cdk import (
    aws_rds as rds,
)
from aws_cdk import (
    aws_s3 as s3,
)
from aws_cdk import (
    aws_sqs as sqs,
)
from constructs import Construct
from rights import Right
from site_file import Site

from parjanya_dagster.uploads.cors import PUT_HEADERS
from stack.log_groups import log_group

TABLE = Path(__file__).parents[1] / "table.json"
"""What `parjanya migrate` asks of CreateTable. A test of the project keeps both equal."""

INCOMING = "incoming/"
CLUSTER = "parjanya-truth"
RECORDS = "parjanya-records"
REUSED = Duration.minutes(5)  # a queue asks for a data key so often, and each is paid for
BUNDLE = "/opt/parjanya/rds.pem"  # where images have the certificates of RDS
HIDDEN = Duration.minutes(5)  # a tick registers what it received, then deletes it


class Arrivals(Construct):
    """Notifications of what landed, and those that nobody could read."""

    def __init__(self, scope: Construct, name: str, site: Site, key: kms.Key | None) -> None:
        super().__init__(scope, name)
        # Longer than the queue's own: a message keeps its age when it becomes a dead letter.
        self.dead = _queue(self, "DeadLetters", Duration.days(14), key)
        self.queue = _queue(
            self,
            "Queue",
            Duration.days(min(14, max(7, 2 * site.dormancy_days))),
            key,
            visibility_timeout=HIDDEN,
            # No redrive: an outage would use up the receipts. Who cannot read a message sends it to
            # the dead letters, with the reason.
        )
        self.queue.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal("s3.amazonaws.com")],
                actions=["sqs:SendMessage"],
                resources=[self.queue.queue_arn],
                conditions={
                    "StringEquals": {"aws:SourceAccount": site.account},
                    "ArnLike": {
                        "aws:SourceArn": [
                            f"arn:aws:s3:::{pattern}" for pattern in site.bucket_patterns
                        ]
                    },
                },
            )
        )


def _queue(
    scope: Construct, name: str, kept: Duration, key: kms.Key | None, **more: Any
) -> sqs.Queue:
    """S3 sends nothing to a queue under the key of SQS that AWS manages (alias/aws/sqs)."""
    under: dict[str, Any] = {"encryption": sqs.QueueEncryption.SQS_MANAGED}
    if key is not None:
        under = {
            "encryption": sqs.QueueEncryption.KMS,
            "encryption_master_key": key,
            "data_key_reuse": REUSED,
        }
    return sqs.Queue(
        scope,
        name,
        retention_period=kept,
        **under,
        enforce_ssl=True,
        **more,
    )


class Buckets(Construct):
    """One bucket per tenant. Its notifications go to the queue of arrivals."""

    def __init__(
        self, scope: Construct, name: str, site: Site, arrivals: Arrivals, key: kms.Key | None
    ) -> None:
        super().__init__(scope, name)
        self._key = key
        self.logs = s3.Bucket(
            self,
            "AccessLogs",
            # Never a key of ours: load balancers deliver no logs under one.
            encryption=s3.BucketEncryption.S3_MANAGED,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            enforce_ssl=True,
            versioned=True,
            lifecycle_rules=[
                # Expiry only hides an object in a versioned bucket: the version behind it stays.
                s3.LifecycleRule(
                    expiration=Duration.days(90), noncurrent_version_expiration=Duration.days(1)
                ),
                s3.LifecycleRule(expired_object_delete_marker=True),
            ],
            removal_policy=RemovalPolicy.RETAIN,
        )
        for slug, tenant in site.tenants.items():
            origins = [*site.ui.upload_origins, *tenant.origins]
            self._bucket(slug, tenant.bucket, origins, arrivals)

    def _bucket(self, slug: str, name: str, origins: list[str], arrivals: Arrivals) -> None:
        bucket = s3.Bucket(
            self,
            slug,
            bucket_name=name,
            encryption=(s3.BucketEncryption.KMS if self._key else s3.BucketEncryption.S3_MANAGED),
            encryption_key=self._key,
            # One data key for many objects: else each picture is a request to KMS.
            bucket_key_enabled=True if self._key else None,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            enforce_ssl=True,
            versioned=True,
            removal_policy=RemovalPolicy.RETAIN,
            server_access_logs_bucket=self.logs,
            server_access_logs_prefix=f"{slug}/",
            cors=[
                s3.CorsRule(
                    allowed_methods=[s3.HttpMethods.PUT],
                    allowed_origins=origins,
                    allowed_headers=list(PUT_HEADERS),
                    exposed_headers=["ETag"],
                    max_age=3000,
                )
            ],
            lifecycle_rules=[
                s3.LifecycleRule(
                    abort_incomplete_multipart_upload_after=Duration.days(7),
                    noncurrent_version_expiration=Duration.days(90),
                )
            ],
        )
        # In the bucket itself: the construct's own way adds a function that may change all buckets.
        plain: s3.CfnBucket = bucket.node.default_child
        only_incoming = s3.CfnBucket.NotificationFilterProperty(
            s3_key=s3.CfnBucket.S3KeyFilterProperty(
                rules=[s3.CfnBucket.FilterRuleProperty(name="prefix", value=INCOMING)]
            )
        )
        plain.notification_configuration = s3.CfnBucket.NotificationConfigurationProperty(
            queue_configurations=[
                s3.CfnBucket.QueueConfigurationProperty(
                    event=event, queue=arrivals.queue.queue_arn, filter=only_incoming
                )
                for event in ("s3:ObjectCreated:*", "s3:ObjectRemoved:*")
            ]
        )
        # S3 tries the queue when it is named, so the queue must let it in by then.
        plain.node.add_dependency(arrivals.queue.node.find_child("Policy"))


class Aurora(Construct):
    """Truth in PostgreSQL: a writer, and a reader in another zone that takes its place.

    Processes log in by IAM, each as a user of its own. The owner has a password, which the
    migration alone is told.
    """

    DATABASE, OWNER, PORT = "parjanya", "parjanya_owner", 5432

    def __init__(
        self, scope: Construct, name: str, vpc: ec2.IVpc, site: Site, key: kms.Key | None
    ) -> None:
        super().__init__(scope, name)
        assert site.aurora is not None
        kept = log_group(self, "Logs", f"/aws/rds/cluster/{CLUSTER}/postgresql")
        engine = rds.DatabaseClusterEngine.aurora_postgres(
            version=rds.AuroraPostgresEngineVersion.VER_17_9
        )
        self.cluster = rds.DatabaseCluster(
            self,
            "Postgres",
            cluster_identifier=CLUSTER,
            engine=engine,
            parameter_group=rds.ParameterGroup(
                self, "Parameters", engine=engine, parameters={"rds.force_ssl": "1"}
            ),
            vpc=vpc,
            vpc_subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS),
            writer=_instance("Writer", key),
            readers=[_instance("Reader", key, scale_with_writer=True)],
            serverless_v2_min_capacity=site.aurora.least,
            serverless_v2_max_capacity=site.aurora.most,
            credentials=rds.Credentials.from_generated_secret(self.OWNER, encryption_key=key),
            default_database_name=self.DATABASE,
            iam_authentication=True,
            storage_encrypted=True,
            storage_encryption_key=key,
            backup=rds.BackupProps(retention=Duration.days(14)),
            deletion_protection=True,
            removal_policy=RemovalPolicy.SNAPSHOT,
            cloudwatch_logs_exports=["postgresql"],
            copy_tags_to_snapshot=True,
            port=self.PORT,
        )
        self.cluster.node.add_dependency(kept)  # else RDS makes one that keeps logs for ever
        self.secret = self.cluster.secret

    def url(self, user: str) -> str:
        host = self.cluster.cluster_endpoint.hostname
        return f"postgresql+iam://{user}@{host}:{self.PORT}/{self.DATABASE}"

    @property
    def owners_url(self) -> str:
        """For the migration, which has the password in PGPASSWORD."""
        host = self.cluster.cluster_endpoint.hostname
        at = f"{host}:{self.PORT}/{self.DATABASE}"
        return f"postgresql://{self.OWNER}@{at}?sslmode=verify-full&sslrootcert={BUNDLE}"

    def told(self, *of: Sequence[Right]) -> dict[str, str]:
        """What a process with these rights is told."""
        return {"PARJANYA_TRUTH__URL": self.url(rights.user_of(of))}

    def let_in(self, role: iam.IRole, *of: Sequence[Right]) -> None:
        """Log in as the one user that has these rights."""
        where = Stack.of(self).format_arn(
            service="rds-db",
            resource="dbuser",
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
            resource_name=f"{self.cluster.cluster_resource_identifier}/{rights.user_of(of)}",
        )
        role.add_to_principal_policy(
            iam.PolicyStatement(actions=["rds-db:connect"], resources=[where])
        )

    def reached_from(self, *groups: ec2.SecurityGroup) -> None:
        for group in groups:
            self.cluster.connections.allow_default_port_from(group)


def _instance(name: str, key: kms.Key | None, **more: Any) -> rds.IClusterInstance:
    return rds.ClusterInstance.serverless_v2(
        name,
        publicly_accessible=False,
        auto_minor_version_upgrade=True,
        enable_performance_insights=True,
        performance_insight_encryption_key=key,
        **more,
    )


class Truth(Construct):
    """The table, as the code that uses it would make it."""

    def __init__(self, scope: Construct, name: str, key: kms.Key | None) -> None:
        super().__init__(scope, name)
        asked = json.loads(TABLE.read_text())
        del asked["TableName"]  # CloudFormation names it
        del asked["StreamSpecification"]["StreamEnabled"]
        resource = CfnResource(
            self,
            "Table",
            type="AWS::DynamoDB::Table",
            properties={
                **asked,
                "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
                "DeletionProtectionEnabled": True,
                "SSESpecification": {
                    "SSEEnabled": True,
                    **({"SSEType": "KMS", "KMSMasterKeyId": key.key_arn} if key else {}),
                },
            },
        )
        resource.cfn_options.deletion_policy = CfnDeletionPolicy.RETAIN
        resource.cfn_options.update_replace_policy = CfnDeletionPolicy.RETAIN
        self.table = dynamodb.Table.from_table_attributes(
            self,
            "Known",
            table_name=resource.ref,
            table_stream_arn=resource.get_att("StreamArn").to_string(),
        )
        self.arn = resource.get_att("Arn").to_string()

    def told(self, *_: Sequence[Right]) -> dict[str, str]:
        """What a process is told. Its role says what it may do."""
        return {"PARJANYA_TRUTH__URL": f"dynamodb://{self.table.table_name}"}

    def let_in(self, role: iam.IRole, *of: Sequence[Right]) -> None:
        """The table, as far as these rights say."""
        for right in (each for kind in of for each in kind):
            conditions: dict[str, object] | None = None
            if right.keys:
                conditions = {
                    "ForAllValues:StringLike": {"dynamodb:LeadingKeys": list(right.keys)},
                    # Without any key in the request, "all of them" holds: so there has to be one.
                    "Null": {"dynamodb:LeadingKeys": "false"},
                }
            statement = iam.PolicyStatement(
                actions=list(right.actions),
                resources=[f"{self.arn}{part}" for part in right.on],
                conditions=conditions,
            )
            role.add_to_principal_policy(statement)

    def reached_from(self, *groups: ec2.SecurityGroup) -> None:
        """By TLS, as everything of AWS."""


class Records(Construct):
    """Dagster's runs and events: Belief, so a small server, and no great loss."""

    def __init__(self, scope: Construct, name: str, vpc: ec2.IVpc, key: kms.Key | None) -> None:
        super().__init__(scope, name)
        kept = log_group(self, "Logs", f"/aws/rds/instance/{RECORDS}/postgresql")
        self.database = rds.DatabaseInstance(
            self,
            "Postgres",
            instance_identifier=RECORDS,
            engine=rds.DatabaseInstanceEngine.postgres(version=rds.PostgresEngineVersion.VER_17_9),
            instance_type=ec2.InstanceType("t4g.medium"),
            vpc=vpc,
            vpc_subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS),
            credentials=rds.Credentials.from_generated_secret("parjanya", encryption_key=key),
            database_name="dagster",
            allocated_storage=50,
            max_allocated_storage=500,
            storage_encrypted=True,
            storage_encryption_key=key,
            multi_az=True,
            auto_minor_version_upgrade=True,
            backup_retention=Duration.days(7),
            deletion_protection=True,
            removal_policy=RemovalPolicy.SNAPSHOT,
            cloudwatch_logs_exports=["postgresql"],
            enable_performance_insights=True,
            performance_insight_encryption_key=key,
            copy_tags_to_snapshot=True,
        )
        self.database.node.add_dependency(kept)
