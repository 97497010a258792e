"""What the stack is, in its template: least privilege, no machine for nothing, one release."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from app import expected, synthesize
from conftest import COLLECTOR, DIGEST
from refusals import refuse
from site_file import Site, SiteInvalid, site
from stack.stores import TABLE

Resources = Iterator[tuple[str, dict[str, Any]]]


def of(template: dict[str, Any], kind: str) -> Resources:
    for name, one in template["Resources"].items():
        if one["Type"] == kind:
            yield name, one["Properties"]


def only(template: dict[str, Any], kind: str, part: str = "") -> dict[str, Any]:
    (one,) = [said for name, said in of(template, kind) if part in name]
    return one


def statements(template: dict[str, Any], role: str) -> list[dict[str, Any]]:
    return only(template, "AWS::IAM::Policy", f"Tasks{role}Role")["PolicyDocument"]["Statement"]


def actions(template: dict[str, Any], role: str) -> set[str]:
    found: set[str] = set()
    for one in statements(template, role):
        found |= set(one["Action"] if isinstance(one["Action"], list) else [one["Action"]])
    return found


def test_no_gpu_machine_runs_for_nothing(synthesized: dict[str, Any]) -> None:
    group = only(synthesized, "AWS::AutoScaling::AutoScalingGroup")
    assert (group["MinSize"], group["MaxSize"]) == ("0", "4")
    assert "DesiredCapacity" not in group  # a deployment would set it back


def test_a_gpu_is_reserved_by_the_server_or_by_the_runs_that_load_the_model(
    synthesized: dict[str, Any], inside_synthesized: dict[str, Any]
) -> None:
    for template, holder in ((synthesized, "ModelDefinition"), (inside_synthesized, "GpuRun")):
        for name, one in of(template, "AWS::ECS::TaskDefinition"):
            for container in one["ContainerDefinitions"]:
                asked = container.get("ResourceRequirements", [])
                wanted = [{"Type": "GPU", "Value": "1"}] if holder in name else []
                assert asked == wanted, name


def test_no_container_runs_as_root(synthesized: dict[str, Any]) -> None:
    for _, one in of(synthesized, "AWS::ECS::TaskDefinition"):
        assert {container["User"] for container in one["ContainerDefinitions"]} == {"10001"}


def test_a_new_release_changes_every_image_and_the_launch_template(
    said: dict[str, Any], synthesized: dict[str, Any]
) -> None:
    newer = copy.deepcopy(said)
    newer["release"]["version"] = "0.2.0"
    changed = synthesize(site(newer))
    assert refuse(changed, expected(site(newer))) == []
    assert len(refuse(synthesized, expected(site(newer)))) >= 8  # the old one is not the new one
    before = only(synthesized, "AWS::EC2::LaunchTemplate")
    assert only(changed, "AWS::EC2::LaunchTemplate") != before
    assert ":0.1.0" not in json.dumps(changed)


def test_runs_and_nobody_else_are_told_of_a_collector(inside_synthesized: dict[str, Any]) -> None:
    told = {
        name: COLLECTOR in json.dumps(one["ContainerDefinitions"])
        for name, one in of(inside_synthesized, "AWS::ECS::TaskDefinition")
    }
    assert {name for name, known in told.items() if known} == {
        name for name in told if "CpuRun" in name or "GpuRun" in name
    }
    assert any(told.values())


def test_digests_take_the_place_of_tags(
    inside: dict[str, Any], inside_synthesized: dict[str, Any]
) -> None:
    template = inside_synthesized
    images = {
        container["Image"]
        for _, one in of(template, "AWS::ECS::TaskDefinition")
        for container in one["ContainerDefinitions"]
    }
    assert all(image.endswith(f"@{DIGEST}") for image in images)
    assert "prefer-cached" in json.dumps(only(template, "AWS::EC2::LaunchTemplate"))
    assert refuse(template, expected(site(copy.deepcopy(inside)))) == []


def test_runs_are_told_where_each_lane_goes(
    synthesized: dict[str, Any], inside_synthesized: dict[str, Any]
) -> None:
    for template, on_machines in ((synthesized, False), (inside_synthesized, True)):
        environment = told(template, "Code")
        assert "TasksCpuRun" in json.dumps(environment["PARJANYA_LANES__CPU__TASK_DEFINITION"])
        assert "TasksGpuRun" in json.dumps(environment["PARJANYA_LANES__GPU__TASK_DEFINITION"])
        assert ("PARJANYA_LANES__GPU__CAPACITY_PROVIDER" in environment) == on_machines


def test_truth_is_never_scanned_and_never_deleted(synthesized: dict[str, Any]) -> None:
    for role in ("Code", "Runs", "Daemon", "Uploads", "Metrics", "Desk"):
        mine = {one for one in actions(synthesized, role) if one.startswith("dynamodb:")}
        assert mine
        assert not mine & {"dynamodb:Scan", "dynamodb:DeleteTable", "dynamodb:*"}


def test_runs_may_not_touch_queues_or_tasks_or_what_was_uploaded(
    synthesized: dict[str, Any],
) -> None:
    mine = actions(synthesized, "Runs")
    assert not any(one.startswith(("ecs:", "iam:")) for one in mine)
    assert {one for one in mine if one.startswith("sqs:")} == {
        "sqs:GetQueueAttributes",
        "sqs:GetQueueUrl",
    }
    for statement in statements(synthesized, "Runs"):
        if "s3:PutObject" in statement["Action"]:
            assert "incoming" not in json.dumps(statement["Resource"])


@pytest.mark.parametrize("role", ["Uploads", "Metrics", "Ui", "Runs", "Code", "Desk"])
def test_only_the_daemon_starts_tasks(synthesized: dict[str, Any], role: str) -> None:
    assert not actions(synthesized, role) & {"ecs:RunTask", "iam:PassRole"}
    assert {"ecs:RunTask", "iam:PassRole"} <= actions(synthesized, "Daemon")


def test_roles_are_passed_to_ecs_only_and_named_one_by_one(synthesized: dict[str, Any]) -> None:
    (passing,) = [s for s in statements(synthesized, "Daemon") if s["Action"] == "iam:PassRole"]
    assert passing["Condition"]["StringEquals"]["iam:PassedToService"] == "ecs-tasks.amazonaws.com"
    assert "*" not in json.dumps(passing["Resource"])


def test_the_table_is_the_one_that_migrating_makes(synthesized: dict[str, Any]) -> None:
    asked = json.loads(Path(TABLE).read_text())
    table = only(synthesized, "AWS::DynamoDB::Table")
    for part in ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode"):
        assert table[part] == asked[part]
    wanted = asked["StreamSpecification"]["StreamViewType"]
    assert table["StreamSpecification"] == {"StreamViewType": wanted}
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}


def containers(template: dict[str, Any], part: str) -> dict[str, dict[str, Any]]:
    definition = only(template, "AWS::ECS::TaskDefinition", f"Tasks{part}")
    return {one["Name"]: one for one in definition["ContainerDefinitions"]}


def test_tenants_of_the_site_are_registered_before_a_message_is_read(
    synthesized: dict[str, Any],
) -> None:
    code = containers(synthesized, "Code")
    assert code["migrate"]["Command"][-1].split(" && ") == [
        "parjanya migrate",
        "parjanya tenant add acme --bucket acme-images-example",
    ]
    assert {"ContainerName": "migrate", "Condition": "SUCCESS"} in code["code"]["DependsOn"]


def buckets_of(template: dict[str, Any], role: str, action: str) -> list[str]:
    (one,) = [s for s in statements(template, role) if action in s["Action"]]
    assert one["Condition"] == {"StringEquals": {"s3:ResourceAccount": "123456789012"}}
    said: str | list[str] = one["Resource"]
    return said if isinstance(said, list) else [said]


def let_in(template: dict[str, Any]) -> list[str]:
    policy = only(template, "AWS::SQS::QueuePolicy", "ArrivalsQueue")["PolicyDocument"]
    (one,) = [s for s in policy["Statement"] if s["Effect"] == "Allow"]
    assert one["Condition"]["StringEquals"] == {"aws:SourceAccount": "123456789012"}
    said: list[str] = one["Condition"]["ArnLike"]["aws:SourceArn"]
    return said


def test_tenants_come_without_a_deployment(synthesized: dict[str, Any]) -> None:
    every = "arn:aws:s3:::*-images-example"
    assert let_in(synthesized) == [every]
    assert buckets_of(synthesized, "Runs", "s3:ListBucket") == [every]
    assert buckets_of(synthesized, "Uploads", "s3:PutObject") == [f"{every}/incoming/*"]
    assert "s3:ListAllMyBuckets" in actions(synthesized, "Code")
    environment = containers(synthesized, "Code")["code"]["Environment"]
    named = {"Name": "PARJANYA_TENANTS__BUCKETS", "Value": "{tenant}-images-example"}
    assert named in environment


def test_without_a_pattern_only_the_tenants_of_the_site_are_served(said: dict[str, Any]) -> None:
    closed = copy.deepcopy(said)
    del closed["bucket_names"]
    template = synthesize(site(closed))
    assert let_in(template) == ["arn:aws:s3:::acme-images-example"]
    assert buckets_of(template, "Runs", "s3:ListBucket") == ["arn:aws:s3:::acme-images-example"]
    assert "s3:ListAllMyBuckets" not in actions(template, "Code")


def test_what_landed_is_told_after_the_queue_lets_s3_in(synthesized: dict[str, Any]) -> None:
    (bucket,) = [
        one
        for name, one in synthesized["Resources"].items()
        if one["Type"] == "AWS::S3::Bucket" and "acme" in name
    ]
    assert any("ArrivalsQueuePolicy" in name for name in bucket["DependsOn"])
    rules = bucket["Properties"]["NotificationConfiguration"]["QueueConfigurations"]
    assert {one["Event"] for one in rules} == {"s3:ObjectCreated:*", "s3:ObjectRemoved:*"}


def test_dead_letters_outlive_the_queue_they_come_from(synthesized: dict[str, Any]) -> None:
    kept = {name: one["MessageRetentionPeriod"] for name, one in of(synthesized, "AWS::SQS::Queue")}
    (queue,) = [seconds for name, seconds in kept.items() if "Dead" not in name]
    (dead,) = [seconds for name, seconds in kept.items() if "Dead" in name]
    assert 4 * 86_400 < queue < dead


def test_what_strangers_reach_holds_no_secret_and_does_not_know_dagsters_records(
    synthesized: dict[str, Any],
) -> None:
    (container,) = only(synthesized, "AWS::ECS::TaskDefinition", "TasksUploads")[
        "ContainerDefinitions"
    ]
    assert "Secrets" not in container
    assert not [one["Name"] for one in container["Environment"] if "DAGSTER" in one["Name"]]
    role = only(synthesized, "AWS::IAM::Policy", "TasksUploadsExecutionRole")
    assert "secretsmanager" not in json.dumps(role)


def test_what_strangers_reach_writes_promises_and_nothing_else_of_truth(
    synthesized: dict[str, Any],
) -> None:
    mine = {one for one in actions(synthesized, "Uploads") if one.startswith("dynamodb:")}
    assert mine == {"dynamodb:" + one for one in ("GetItem", "BatchGetItem", "Query", "PutItem")}
    mine_too = statements(synthesized, "Uploads")
    (writing,) = [one for one in mine_too if one["Action"] == "dynamodb:PutItem"]
    assert writing["Condition"] == {
        "ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["upload#*"]},
        "Null": {"dynamodb:LeadingKeys": "false"},
    }


def reached_by(template: dict[str, Any], group: str) -> set[tuple[str, str]]:
    """Which groups reach a service's group, and at which port."""
    return {
        (one["SourceSecurityGroupId"]["Fn::GetAtt"][0], str(one["FromPort"]))
        for _, one in of(template, "AWS::EC2::SecurityGroupIngress")
        if group in one["GroupId"]["Fn::GetAtt"][0]
    }


def test_only_the_login_reaches_the_ui_and_strangers_reach_nothing_else(
    synthesized: dict[str, Any],
) -> None:
    services = dict(of(synthesized, "AWS::ECS::Service"))
    groups = [
        json.dumps(one["NetworkConfiguration"]["AwsvpcConfiguration"]["SecurityGroups"])
        for one in services.values()
    ]
    assert len(set(groups)) == len(services)  # each has its own
    for part, port in (("UiGroup", "3000"), ("UploadsGroup", "8400"), ("DeskGroup", "3100")):
        ((source, at),) = reached_by(synthesized, part)
        assert source.startswith("DoorsBalancer")
        assert at == port
    for part in ("CodeGroup", "MetricsGroup", "Postgres"):
        sources = " ".join(source for source, _ in reached_by(synthesized, part))
        assert sources
        assert "Uploads" not in sources
        assert "Balancer" not in sources


def test_an_address_that_asks_too_often_is_refused_before_the_load_balancer(
    synthesized: dict[str, Any], example: Site
) -> None:
    acl = only(synthesized, "AWS::WAFv2::WebACL", "")
    assert acl["Scope"] == "REGIONAL"
    rules = sorted(acl["Rules"], key=lambda rule: rule["Priority"])
    rates = [rule["Statement"]["RateBasedStatement"] for rule in rules]
    for rule in rules:
        answer = rule["Action"]["Block"]["CustomResponse"]
        assert answer["ResponseCode"] == 429  # at 403 clients end their session
        said = acl["CustomResponseBodies"][answer["CustomResponseBodyKey"]]
        assert said["ContentType"] == "APPLICATION_JSON"
        assert "Too many" in json.loads(said["Content"])["detail"]  # where clients look for it
        headers = {one["Name"]: one["Value"] for one in answer["ResponseHeaders"]}
        assert headers["Retry-After"] == "60"
        assert headers["Access-Control-Allow-Origin"] == "*"
    assert [(one["Limit"], one["EvaluationWindowSec"]) for one in rates] == [
        (6_000, 300),
        (30_000, 300),
    ]
    host = rates[0]["ScopeDownStatement"]["ByteMatchStatement"]
    assert host["SearchString"] == example.ui.upload_host
    assert host["FieldToMatch"] == {"SingleHeader": {"Name": "host"}}
    at = only(synthesized, "AWS::WAFv2::WebACLAssociation", "")
    assert at["ResourceArn"]["Ref"].startswith("DoorsBalancer")


def test_what_strangers_reach_calls_by_tls_only(synthesized: dict[str, Any]) -> None:
    (egress,) = only(synthesized, "AWS::EC2::SecurityGroup", "UploadsGroup")["SecurityGroupEgress"]
    assert (egress["FromPort"], egress["ToPort"], egress["IpProtocol"]) == (443, 443, "tcp")


def test_whoever_runs_the_doctor_sees_the_queues(synthesized: dict[str, Any]) -> None:
    for role in ("Runs", "Code", "Metrics", "Desk"):
        assert "sqs:GetQueueAttributes" in actions(synthesized, role), role


@pytest.mark.parametrize("part", ["Uploads", "Desk"])
def test_what_browsers_ask_goes_on_while_a_release_replaces_it(
    synthesized: dict[str, Any], part: str
) -> None:
    service = only(synthesized, "AWS::ECS::Service", f"Services{part}")
    assert service["DesiredCount"] == 2
    assert service["DeploymentConfiguration"]["MinimumHealthyPercent"] == 100
    assert service["DeploymentConfiguration"]["MaximumPercent"] == 200
    assert told(synthesized, part)["PARJANYA_WEB__PROCESSES"] == "2", "each limits to its share"


@pytest.mark.parametrize("part", ["Uploads", "Desk"])
def test_senders_are_told_apart_behind_the_load_balancer(
    synthesized: dict[str, Any], part: str
) -> None:
    """Else all of them share one limit of wrong tokens."""
    (vpc,) = [name for name, _ in of(synthesized, "AWS::EC2::VPC")]
    trusted = told(synthesized, part)["PARJANYA_WEB__TRUSTED_PROXIES"]
    assert trusted == {"Fn::GetAtt": [vpc, "CidrBlock"]}


def told(template: dict[str, Any], part: str) -> dict[str, Any]:
    """The environment of a service's container."""
    environment = containers(template, part)[part.lower()]["Environment"]
    return {one["Name"]: one["Value"] for one in environment}


def test_the_desk_believes_the_load_balancer_and_knows_the_roles_of_the_site(
    synthesized: dict[str, Any],
) -> None:
    environment = told(synthesized, "Desk")
    assert environment["PARJANYA_WEB__IDENTITY_HEADER"] == "x-amzn-oidc-identity"
    assert environment["PARJANYA_WEB__HOSTS"] == "desk.parjanya.example"
    assert environment["PARJANYA_WEB__ROLES"].startswith("00u1a2b3c4=operator:*")


def test_a_page_of_one_desk_opens_at_the_other(synthesized: dict[str, Any]) -> None:
    """They sign with one secret, made by the stack; and who came to one of them stays there."""
    given = {one["Name"]: one for one in containers(synthesized, "Desk")["desk"]["Secrets"]}
    (made,) = [n for n, _ in of(synthesized, "AWS::SecretsManager::Secret") if "Sessions" in n]
    assert given["PARJANYA_WEB__SECRET"]["ValueFrom"] == {"Ref": made}
    assert given.keys() > {"DAGSTER_POSTGRES_PASSWORD"}
    targets = only(synthesized, "AWS::ElasticLoadBalancingV2::TargetGroup", "Desk")
    attributes = {one["Key"]: one["Value"] for one in targets["TargetGroupAttributes"]}
    assert attributes["stickiness.enabled"] == "true"
    assert targets["HealthCheckPath"] == "/healthz"


def test_the_desk_writes_lists_of_releases_and_uploads_and_no_other_object(
    synthesized: dict[str, Any],
) -> None:
    written: set[str] = set()
    for one in statements(synthesized, "Desk"):
        if "s3:PutObject" in one["Action"]:
            said = one["Resource"]
            written |= set(said if isinstance(said, list) else [said])
    every = "arn:aws:s3:::*-images-example"
    assert written == {f"{every}/incoming/*", f"{every}/releases/*"}
    assert not any(one.startswith("s3:Delete") for one in actions(synthesized, "Desk"))


def test_browsers_may_upload_from_the_desk_too(synthesized: dict[str, Any]) -> None:
    bucket = only(synthesized, "AWS::S3::Bucket", "acme")
    (rule,) = bucket["CorsConfiguration"]["CorsRules"]
    assert "https://desk.parjanya.example" in rule["AllowedOrigins"]


@pytest.mark.parametrize(
    ("change", "why"),
    [({"desk_host": "upload.parjanya.example"}, "three names"), ({"desk_roles": "anna"}, "ROLES")],
)
def test_a_desk_that_could_not_be_reached_is_refused(
    said: dict[str, Any], change: dict[str, str], why: str
) -> None:
    wrong = copy.deepcopy(said)
    wrong["ui"] |= change
    with pytest.raises(SiteInvalid, match=why):
        site(wrong)


def test_a_connection_lasts_as_long_as_what_serves_uploads_expects(
    synthesized: dict[str, Any],
) -> None:
    balancer = only(synthesized, "AWS::ElasticLoadBalancingV2::LoadBalancer")
    attributes = {one["Key"]: one["Value"] for one in balancer["LoadBalancerAttributes"]}
    assert attributes["idle_timeout.timeout_seconds"] == "60"


def test_nobody_reaches_the_ui_without_a_login(synthesized: dict[str, Any]) -> None:
    rules = [one for _, one in of(synthesized, "AWS::ElasticLoadBalancingV2::ListenerRule")]
    for rule in rules:
        kinds = [
            action["Type"] for action in sorted(rule["Actions"], key=lambda a: a.get("Order", 0))
        ]
        hosts = json.dumps(rule["Conditions"])
        assert kinds == (["forward"] if "upload." in hosts else ["authenticate-oidc", "forward"])
    defaults = [
        action["Type"]
        for _, one in of(synthesized, "AWS::ElasticLoadBalancingV2::Listener")
        for action in one["DefaultActions"]
    ]
    assert sorted(defaults) == ["fixed-response", "redirect"]
