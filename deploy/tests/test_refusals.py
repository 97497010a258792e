"""Incidents of the field, written into a template that was fine: each is refused at synth."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from refusals import Expected, refuse
from site_file import SiteInvalid, site


def of(template: dict[str, Any], kind: str, part: str = "") -> Iterator[dict[str, Any]]:
    found = [
        one for name, one in template["Resources"].items() if one["Type"] == kind and part in name
    ]
    assert found, f"{kind} {part} is not in the template"
    return iter(found)


def first(template: dict[str, Any], kind: str, part: str = "") -> dict[str, Any]:
    return next(of(template, kind, part))["Properties"]


def test_the_stack_as_it_is_written_is_not_refused(
    template: dict[str, Any], wanted: Expected
) -> None:
    assert refuse(template, wanted) == []


def test_an_image_tag_written_a_second_time(template: dict[str, Any], wanted: Expected) -> None:
    definition = first(template, "AWS::ECS::TaskDefinition", "GpuRun")
    image = definition["ContainerDefinitions"][0]["Image"]
    definition["ContainerDefinitions"][0]["Image"] = image.replace("0.1.0", "0.0.9")
    (why,) = refuse(template, wanted)
    assert "parjanya-gpu:0.0.9" in why
    assert "not of the release 0.1.0" in why


def test_a_tag_that_machines_never_pull_again(
    inside_template: dict[str, Any], inside_wanted: Expected
) -> None:
    definition = first(inside_template, "AWS::ECS::TaskDefinition", "GpuRun")
    definition["ContainerDefinitions"][0]["Image"] = "registry/parjanya-gpu:0.1.0"
    not_of_it, why = refuse(inside_template, inside_wanted)
    assert "not of the release" in not_of_it
    assert "pulls no tag again" in why


@pytest.mark.parametrize("version", ["$Latest", "$Default", "1"])
def test_a_launch_template_whose_changes_are_ignored(
    template: dict[str, Any], wanted: Expected, version: str
) -> None:
    group = first(template, "AWS::AutoScaling::AutoScalingGroup")
    group["LaunchTemplate"]["Version"] = version
    (why,) = refuse(template, wanted)
    assert version in why
    assert "would not reach it" in why


def test_machines_that_keep_an_old_launch_template(
    template: dict[str, Any], wanted: Expected
) -> None:
    del next(of(template, "AWS::AutoScaling::AutoScalingGroup"))["UpdatePolicy"]
    assert ["UpdatePolicy" in why for why in refuse(template, wanted)] == [True]


def test_a_launch_template_of_another_release(template: dict[str, Any], wanted: Expected) -> None:
    for one in first(template, "AWS::EC2::LaunchTemplate")["LaunchTemplateData"][
        "TagSpecifications"
    ]:
        for tag in one["Tags"]:
            if tag["Key"] == "parjanya:release":
                tag["Value"] = "0.0.9"
    (why,) = refuse(template, wanted)
    assert "not of the release 0.1.0" in why


@pytest.mark.parametrize("seconds", [None, 3600, 4 * 86_400])
def test_a_queue_that_forgets_over_a_weekend(
    template: dict[str, Any], wanted: Expected, seconds: int | None
) -> None:
    queue = first(template, "AWS::SQS::Queue", "ArrivalsQueue")
    if seconds is None:
        del queue["MessageRetentionPeriod"]  # the default is four days
    else:
        queue["MessageRetentionPeriod"] = seconds
    (why,) = refuse(template, wanted)
    assert "nobody may look for 345600 s" in why


def test_a_queue_whose_receipts_an_outage_uses_up(
    template: dict[str, Any], wanted: Expected
) -> None:
    queue = first(template, "AWS::SQS::Queue", "ArrivalsQueue")
    queue["RedrivePolicy"] = {"deadLetterTargetArn": "arn", "maxReceiveCount": 10}
    (why,) = refuse(template, wanted)
    assert "redrive" in why


@pytest.mark.parametrize(
    "origin", ["*", "*.acme.example", "https://upload.acme.example/", "https://*.*.example"]
)
def test_cors_that_browsers_reject(template: dict[str, Any], wanted: Expected, origin: str) -> None:
    bucket = first(template, "AWS::S3::Bucket", "Bucketsacme")
    bucket["CorsConfiguration"]["CorsRules"][0]["AllowedOrigins"].append(origin)
    (why,) = refuse(template, wanted)
    assert origin in why


def test_a_reader_of_a_queue_that_may_not_see_how_full_it_is(
    template: dict[str, Any], wanted: Expected
) -> None:
    code = first(template, "AWS::IAM::Policy", "CodeRole")
    for statement in code["PolicyDocument"]["Statement"]:
        if "sqs:ReceiveMessage" in statement["Action"]:
            statement["Action"].remove("sqs:GetQueueAttributes")
    (why,) = refuse(template, wanted)
    assert "may not ask for its attributes" in why


def test_a_launcher_that_dagster_cannot_read(template: dict[str, Any], wanted: Expected) -> None:
    daemon = first(template, "AWS::ECS::Service", "Daemon")
    daemon["CapacityProviderStrategy"] = [{"CapacityProvider": "FARGATE_SPOT", "Weight": 1}]
    (why,) = refuse(template, wanted)
    assert "launch type" in why


def test_a_bucket_that_our_own_upload_pages_cannot_reach(
    template: dict[str, Any], wanted: Expected
) -> None:
    bucket = first(template, "AWS::S3::Bucket", "Bucketsacme")
    bucket["CorsConfiguration"]["CorsRules"][0]["AllowedOrigins"] = ["https://upload.acme.example"]
    ours, at_the_desk = refuse(template, wanted)
    assert "https://upload.parjanya.example" in ours
    assert "https://desk.parjanya.example" in at_the_desk


@pytest.mark.parametrize("name", ["AWS_REGION", "AWS_DEFAULT_REGION"])
def test_a_container_that_knows_no_region(
    template: dict[str, Any], wanted: Expected, name: str
) -> None:
    container = first(template, "AWS::ECS::TaskDefinition", "GpuRun")["ContainerDefinitions"][0]
    container["Environment"] = [one for one in container["Environment"] if one["Name"] != name]
    (why,) = refuse(template, wanted)
    assert f"run is not told {name}" in why


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("PARJANYA_ENGINES__ENRICHER", None, "'embedded' does not use one"),
        ("PARJANYA_ENGINES__ENRICHER", "embedded-tags", "'embedded-tags' does not use one"),
        ("PARJANYA_ENGINES__ENRICHER", "openai", "'openai' does not use one"),
        ("PARJANYA_VLM__MODEL", None, "no model"),
        ("PARJANYA_VLM__MODEL", "", "no model"),
    ],
)
def test_a_gpu_that_nothing_uses(
    inside_template: dict[str, Any],
    inside_wanted: Expected,
    name: str,
    value: str | None,
    says: str,
) -> None:
    runs = first(inside_template, "AWS::ECS::TaskDefinition", "GpuRun")
    (container,) = runs["ContainerDefinitions"]
    container["Environment"] = [one for one in container["Environment"] if one["Name"] != name]
    if value is not None:
        container["Environment"].append({"Name": name, "Value": value})
    assert says in refuse(inside_template, inside_wanted)[0]


def test_alarms_that_no_topic_takes(template: dict[str, Any], wanted: Expected) -> None:
    policy = first(template, "AWS::SNS::TopicPolicy")["PolicyDocument"]
    policy["Statement"] = [one for one in policy["Statement"] if one["Effect"] == "Deny"]
    (why,) = refuse(template, wanted)
    assert "no alarm arrives" in why


def test_access_logs_whose_versions_are_never_deleted(
    template: dict[str, Any], wanted: Expected
) -> None:
    for rule in first(template, "AWS::S3::Bucket", "AccessLogs")["LifecycleConfiguration"]["Rules"]:
        rule.pop("NoncurrentVersionExpiration", None)
    (why,) = refuse(template, wanted)
    assert "not current" in why


def _no_list(template: dict[str, Any]) -> None:
    kind = "AWS::WAFv2::WebACLAssociation"
    resources = template["Resources"]
    template["Resources"] = {n: one for n, one in resources.items() if one["Type"] != kind}


def _only_counts(template: dict[str, Any]) -> None:
    for rule in first(template, "AWS::WAFv2::WebACL")["Rules"]:
        rule["Action"] = {"Count": {}}


def _one_host_only(template: dict[str, Any]) -> None:
    acl = first(template, "AWS::WAFv2::WebACL")
    acl["Rules"] = acl["Rules"][:1]


@pytest.mark.parametrize("broken", [_no_list, _only_counts, _one_host_only])
def test_doors_that_a_flood_gets_through(
    template: dict[str, Any], wanted: Expected, broken: Callable[[dict[str, Any]], None]
) -> None:
    broken(template)
    (why,) = refuse(template, wanted)
    assert "limits the requests of an address" in why


@pytest.mark.parametrize(
    ("part", "value", "says"),
    [
        ("dormancy_days", 14, "14 days at most"),
        ("account", 123, "twelve digits"),
        ("zones", ["us-east-1a", "us-east-1b"], "zones"),
        ("tenants", {"acme; rm": {"bucket": "acme-images", "origins": []}}, "no name of a tenant"),
        ("tenants", {"acme": {"bucket": "Acme", "origins": []}}, "no name of a tenant or bucket"),
        ("bucket_names", "{tenant}", "bucket_names"),
        ("bucket_names", "images-example", "bucket_names"),
        ("bucket_names", "{tenant}-{tenant}-images", "bucket_names"),
        ("tenants", {"bolt": {"bucket": "acme-images-example", "origins": []}}, "that of 'acme'"),
        ("gpu", {"instance_type": "g6.2xlarge", "most": 1, "model": ""}, "gpu.model"),
        ("release", {"version": "latest", "registry": "r"}, "no version that stays itself"),
        (
            "release",
            {"version": "1.0.0", "registry": "r", "digests": {"cpu": "sha256:1"}},
            "no digest",
        ),
    ],
)
def test_a_site_file_that_cannot_be_right(
    said: dict[str, Any], part: str, value: object, says: str
) -> None:
    wrong = copy.deepcopy(said)
    wrong[part] = value
    if part == "account":
        wrong[part] = str(value)
    with pytest.raises(SiteInvalid, match=says):
        site(wrong)
