"""A key of the site's own for what is kept, where the site file asks for one.

Who may use it follows from who may use what it encrypts, as with the keys that AWS manages: anybody
of the account, but only through the services that keep something under it. So no role needs a right
to the key, and none can lack it. Services that act for nobody of the account are named.
"""

from __future__ import annotations

from aws_cdk import RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct
from site_file import Site

THROUGH = ("s3", "sqs", "dynamodb", "rds", "secretsmanager")
"""Services that use the key for whoever may use what they keep."""

USE = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"]


def own_key(scope: Construct, site: Site) -> kms.Key | None:
    """None where the keys are those of AWS."""
    if not site.own_key:
        return None
    key = kms.Key(
        scope,
        "Key",
        description="What Parjanya keeps",
        enable_key_rotation=True,
        removal_policy=RemovalPolicy.RETAIN,  # without it everything under it is lost
    )
    _allow(
        key,
        iam.AnyPrincipal(),
        [*USE, "kms:CreateGrant"],
        {
            "StringEquals": {
                "kms:CallerAccount": site.account,
                "kms:ViaService": [f"{name}.{site.region}.amazonaws.com" for name in THROUGH],
            }
        },
    )
    # Notifications of buckets: nobody of the account sends them.
    _allow(
        key,
        iam.ServicePrincipal("s3.amazonaws.com"),
        ["kms:Decrypt", "kms:GenerateDataKey*"],
        {"StringEquals": {"aws:SourceAccount": site.account}},
    )
    groups = f"arn:aws:logs:{site.region}:{site.account}:log-group:*"
    _allow(
        key,
        iam.ServicePrincipal(f"logs.{site.region}.amazonaws.com"),
        USE,
        {"ArnLike": {"kms:EncryptionContext:aws:logs:arn": groups}},
    )
    return key


def _allow(
    key: kms.Key, who: iam.IPrincipal, actions: list[str], when: dict[str, dict[str, object]]
) -> None:
    statement = iam.PolicyStatement(
        principals=[who], actions=actions, resources=["*"], conditions=when
    )
    key.add_to_resource_policy(statement)
