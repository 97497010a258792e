"""Every log group of a site: how long it keeps what it has, and under which key."""

from __future__ import annotations

from aws_cdk import Aspects, IAspect, RemovalPolicy
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct, IConstruct
from jsii import implements


def log_group(scope: Construct, name: str, called: str | None = None) -> logs.LogGroup:
    """`called`: the name under which a service of AWS looks for it. Where it finds none, it makes
    one that keeps everything for ever.
    """
    return logs.LogGroup(
        scope,
        name,
        log_group_name=called,
        retention=logs.RetentionDays.THREE_MONTHS,
        removal_policy=RemovalPolicy.DESTROY,
    )


def encrypt_all(scope: Construct, key: kms.Key) -> None:
    """All log groups below, those that constructs of CDK make too."""
    Aspects.of(scope).add(_Encrypting(key.key_arn))


@implements(IAspect)
class _Encrypting:
    def __init__(self, key_arn: str) -> None:
        self._key_arn = key_arn

    def visit(self, node: IConstruct) -> None:
        if isinstance(node, logs.CfnLogGroup):
            node.kms_key_id = self._key_arn
