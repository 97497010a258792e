"""A key of the site's own, endpoints in the network, logs that end: and what of them is refused."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from conftest import Variant
from refusals import Expected, refuse
from site_file import SiteInvalid, site

Template = dict[str, Any]
Break = Callable[[Template], None]


@pytest.fixture
def here(variant: Variant, said: dict[str, Any]) -> tuple[Template, Expected]:
    return variant({**said, "own_key": True, "endpoints": True})


@pytest.fixture
def private(here: tuple[Template, Expected]) -> Template:
    return here[0]


@pytest.fixture
def wanted(here: tuple[Template, Expected]) -> Expected:
    return here[1]


def of(template: Template, kind: str, part: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    for name, one in template["Resources"].items():
        if one["Type"] == kind and part in name:
            yield name, one


def only(template: Template, kind: str, part: str = "") -> dict[str, Any]:
    ((_, one),) = of(template, kind, part)
    return one


KEY, LOGS, ENDPOINT = "AWS::KMS::Key", "AWS::Logs::LogGroup", "AWS::EC2::VPCEndpoint"


def test_everything_is_under_the_key_and_roles_need_no_right_to_it(
    private: Template, wanted: Expected
) -> None:
    assert refuse(private, wanted) == []
    for _, policy in of(private, "AWS::IAM::Policy"):
        actions = json.dumps(policy["Properties"]["PolicyDocument"])
        assert "kms:" not in actions


def test_without_a_word_of_it_there_is_neither(synthesized: Template) -> None:
    assert [name for name, _ in of(synthesized, KEY)] == [
        name for name, _ in of(synthesized, KEY, "Alarms")
    ]
    assert {one["Properties"].get("VpcEndpointType") for _, one in of(synthesized, ENDPOINT)} == {
        "Gateway"
    }


def _statements(template: Template, part: str = "") -> list[dict[str, Any]]:
    name = next(n for n, _ in of(template, KEY) if ("Alarms" in n) is (part == "Alarms"))
    found: list[dict[str, Any]] = template["Resources"][name]["Properties"]["KeyPolicy"][
        "Statement"
    ]
    return found


def _without(word: str, part: str = "") -> Break:
    def change(template: Template) -> None:
        said = _statements(template, part)
        kept = [one for one in said if word not in json.dumps(one["Principal"])]
        assert len(kept) < len(said)
        said[:] = kept

    return change


def _of_use(template: Template) -> dict[str, Any]:
    (one,) = [each for each in _statements(template) if each["Principal"] == {"AWS": "*"}]
    condition: dict[str, Any] = one["Condition"]["StringEquals"]
    return condition


def _not_through(service: str) -> Break:
    def change(template: Template) -> None:
        condition = _of_use(template)
        condition["kms:ViaService"] = [
            one for one in condition["kms:ViaService"] if not one.startswith(f"{service}.")
        ]

    return change


def _for_all(what: str) -> Break:
    def change(template: Template) -> None:
        del _of_use(template)[what]

    return change


def _changed(kind: str, part: str, **said: object) -> Break:
    def change(template: Template) -> None:
        only(template, kind, part)["Properties"].update(said)

    return change


def _key(**said: object) -> Break:
    def change(template: Template) -> None:
        one = next(one for name, one in of(template, KEY) if "Alarms" not in name)
        one["Properties"].update(said)

    return change


def _deleted(template: Template) -> None:
    next(one for name, one in of(template, KEY) if "Alarms" not in name)["DeletionPolicy"] = (
        "Delete"
    )


def _lacking(kind: str, part: str, what: str) -> Break:
    def change(template: Template) -> None:
        del only(template, kind, part)["Properties"][what]

    return change


def _gone(kind: str, part: str) -> Break:
    def change(template: Template) -> None:
        ((name, _),) = of(template, kind, part)
        del template["Resources"][name]

    return change


def _a_request_for_each_picture(template: Template) -> None:
    rules = only(template, "AWS::S3::Bucket", "acme")["Properties"]["BucketEncryption"]
    rules["ServerSideEncryptionConfiguration"][0]["BucketKeyEnabled"] = False


def _access_logs_under_a_key(template: Template) -> None:
    key = only(template, "AWS::S3::Bucket", "acme")["Properties"]["BucketEncryption"]
    logs = only(template, "AWS::S3::Bucket", "AccessLogs")
    logs["Properties"]["BucketEncryption"] = copy.deepcopy(key)


def _unreachable(template: Template) -> None:
    only(template, "AWS::EC2::SecurityGroup", "Endpoints")["Properties"][
        "SecurityGroupIngress"
    ] = []


def _around(template: Template) -> None:
    only(template, ENDPOINT, "VpcS3")["Properties"]["RouteTableIds"].pop(0)


def _a_function(template: Template) -> None:
    template["Resources"]["Some"] = {"Type": "AWS::Lambda::Function", "Properties": {}}


QUEUE, TABLE, INSTANCE = "AWS::SQS::Queue", "AWS::DynamoDB::Table", "AWS::RDS::DBInstance"


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        (_without("s3.amazonaws.com"), "no notification arrives"),
        (_without("logs.eu-central-1"), "CloudWatch Logs may not use its key"),
        (_without("cloudwatch.amazonaws.com", "Alarms"), "no alarm arrives"),
        *((_not_through(one), f"kms:ViaService {one}")
          for one in ("s3", "sqs", "dynamodb", "rds", "secretsmanager")),
        (_for_all("kms:CallerAccount"), "every account of AWS"),
        (_for_all("kms:ViaService"), "for anything"),
        (_deleted, "what it encrypted is lost"),
        (_key(EnableKeyRotation=False), "never rotated"),
        (_key(Enabled=False), "disabled"),
        (_changed(QUEUE, "ArrivalsQueue", KmsMasterKeyId="alias/aws/sqs"), "none of this template"),
        (_lacking(QUEUE, "ArrivalsDead", "KmsMasterKeyId"), "not under it"),
        (_changed(TABLE, "", SSESpecification={"SSEEnabled": True}), "not under it"),
        (_lacking(INSTANCE, "Records", "KmsKeyId"), "not under it"),
        (_lacking(LOGS, "FlowLogs", "KmsKeyId"), "not under it"),
        (_lacking("AWS::SecretsManager::Secret", "DeskSessions", "KmsKeyId"), "not under it"),
        (_lacking("AWS::S3::Bucket", "acme", "BucketEncryption"), "not under it"),
        (_a_request_for_each_picture, "BucketKeyEnabled"),
        (_access_logs_under_a_key, "deliver no logs"),
        (_changed(ENDPOINT, "sqs", PrivateDnsEnabled=False), "PrivateDnsEnabled"),
        (_changed(ENDPOINT, "ecrapi", SubnetIds=["one"]), "SubnetIds"),
        (_unreachable, "nobody reaches it"),
        (_gone(ENDPOINT, "ecrdkr"), "no endpoint of ecr.dkr"),
        (_gone(ENDPOINT, "VpcS3"), "no endpoint of s3"),
        (_around, "through NAT"),
        (_gone(LOGS, "RecordsLogs"), "/aws/rds/instance/parjanya-records/postgresql"),
        (_gone(LOGS, "MachinesInsights"), "/aws/ecs/containerinsights/parjanya/performance"),
        (_lacking(INSTANCE, "Records", "DBInstanceIdentifier"), "by itself"),
        (_changed(INSTANCE, "Records", MonitoringInterval=60), "RDSOSMetrics"),
        (_a_function, "/aws/lambda/"),
    ],
)  # fmt: skip
def test_what_would_be_lost_or_hang_or_be_kept_for_ever_is_refused(
    private: Template, wanted: Expected, broken: Break, why: str
) -> None:
    broken(private)
    assert any(why in one for one in refuse(private, wanted))


def test_truth_in_aurora_is_under_the_key_too(variant: Variant, said: dict[str, Any]) -> None:
    other = {**said, "own_key": True, "aurora": {"least": 1, "most": 4}}
    template, wanted = variant(other)
    assert refuse(template, wanted) == []
    del only(template, "AWS::RDS::DBCluster")["Properties"]["KmsKeyId"]
    assert any("not under it" in one for one in refuse(template, wanted))


@pytest.mark.parametrize("name", ["own_key", "endpoints"])
def test_a_choice_is_yes_or_no(said: dict[str, Any], name: str) -> None:
    with pytest.raises(SiteInvalid, match=f"{name}: true or false"):
        site({**copy.deepcopy(said), name: "alias/mine"})
