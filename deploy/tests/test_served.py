"""The model server of ECS: what it is in the template, and what of it is refused at synth."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from refusals import Expected, refuse
from site_file import SiteInvalid, site

from gpu_ops.endpoint.served import served
from parjanya_dagster.model_server.flags import FLAGS

Template = dict[str, Any]
DIGEST = "sha256:" + "1" * 64  # of the example


def named(template: Template, kind: str, part: str) -> dict[str, Any]:
    (one,) = [
        one["Properties"]
        for name, one in template["Resources"].items()
        if one["Type"] == kind and part in name
    ]
    return one


def server(template: Template) -> dict[str, Any]:
    definition = named(template, "AWS::ECS::TaskDefinition", "ModelDefinition")
    (container,) = definition["ContainerDefinitions"]
    return container


def service(template: Template) -> dict[str, Any]:
    return named(template, "AWS::ECS::Service", "ModelService")


def told(template: Template, part: str, name: str) -> Any:
    definition = named(template, "AWS::ECS::TaskDefinition", f"Tasks{part}")
    return next(
        each
        for container in definition["ContainerDefinitions"]
        for each in container["Environment"]
        if each["Name"] == name
    )


def test_the_model_is_served_by_a_digest_that_evidence_names(synthesized: Template) -> None:
    one = server(synthesized)
    assert one["Image"].endswith(f"/parjanya-model@{DIGEST}")
    names = one["Command"][3:5]
    facts = served(names[0], [{"id": name} for name in names], {"version": "0.33.0"})
    assert facts.revision == DIGEST
    assert told(synthesized, "GpuRun", "PARJANYA_VLM__REVISION")["Value"] == DIGEST
    for flag, value in FLAGS.items():
        assert one["Command"][one["Command"].index(flag) + 1] == value


def test_servers_follow_what_is_due_from_none_to_as_many_as_machines(
    synthesized: Template,
) -> None:
    assert "DesiredCount" not in service(synthesized)  # a deployment would set it back
    raised = told(synthesized, "Code", "PARJANYA_LANES__GPU__MODEL_SERVICE")["Value"]
    assert "ServicesModelService" in json.dumps(raised)
    assert told(synthesized, "Code", "PARJANYA_SCALING__MAX_INSTANCES")["Value"] == "4"
    policy = named(synthesized, "AWS::IAM::Policy", "TasksCodeRole")["PolicyDocument"]
    (raising,) = [
        one for one in policy["Statement"] if "ecs:UpdateService" in json.dumps(one["Action"])
    ]
    assert "ServicesModelService" in json.dumps(raising["Resource"])
    assert raising["Condition"]["ArnEquals"].keys() == {"ecs:cluster"}


def test_a_server_may_take_a_quarter_of_an_hour_to_load_and_ends_after_its_last_answer(
    synthesized: Template,
) -> None:
    one = server(synthesized)
    check = one["HealthCheck"]
    assert check["StartPeriod"] + check["Interval"] * check["Retries"] == 900
    assert one["StopTimeout"] > int(one["Command"][one["Command"].index("--shutdown-timeout") + 1])


def test_a_server_knows_nothing_of_truth_and_has_no_right(synthesized: Template) -> None:
    one = server(synthesized)
    assert "Secrets" not in one
    assert not [each["Name"] for each in one["Environment"] if "PARJANYA" in each["Name"]]


def test_where_runs_load_the_model_nothing_serves_it(inside_synthesized: Template) -> None:
    assert "vllm" not in json.dumps(inside_synthesized)
    assert "ecs:UpdateService" not in json.dumps(inside_synthesized)


def _mutable(template: Template) -> None:
    server(template)["Image"] = server(template)["Image"].partition("@")[0] + ":latest"


def _another_image(template: Template) -> None:
    one = server(template)
    one["Command"] = [word.replace(DIGEST, "sha256:2") for word in one["Command"]]


def _asked_elsewhere(template: Template) -> None:
    told(template, "GpuRun", "PARJANYA_ENDPOINT__URL")["Value"] = "http://models:8000/v1"


def _another_model(template: Template) -> None:
    told(template, "GpuRun", "PARJANYA_VLM__MODEL")["Value"] = "another"


def _another_revision(template: Template) -> None:
    told(template, "GpuRun", "PARJANYA_VLM__REVISION")["Value"] = "sha256:3"


def _moved_away(template: Template) -> None:
    named(template, "AWS::ServiceDiscovery::Service", "ModelService")["Name"] = "vllm"


def _nobody_asks(template: Template) -> None:
    for one in template["Resources"].values():
        if one["Type"] == "AWS::ECS::TaskDefinition":
            for container in one["Properties"]["ContainerDefinitions"]:
                for each in container["Environment"]:
                    if each["Name"] == "PARJANYA_ENGINES__ENRICHER":
                        each["Value"] = "embedded"


def _open_to_addresses(template: Template) -> None:
    group = named(template, "AWS::EC2::SecurityGroup", "ModelGroup")
    group["SecurityGroupIngress"] = [{"CidrIp": "0.0.0.0/0", "IpProtocol": "-1"}]


def _open_outward(template: Template) -> None:
    group = named(template, "AWS::EC2::SecurityGroup", "ModelGroup")
    group["SecurityGroupEgress"] = [{"CidrIp": "0.0.0.0/0", "IpProtocol": "-1"}]


def _open_to_another_service(template: Template) -> None:
    kind = "AWS::EC2::SecurityGroupIngress"
    rule = copy.deepcopy(named(template, kind, "ServicesModelGroup"))
    uploads = named(template, "AWS::ECS::Service", "Uploads")["NetworkConfiguration"]
    (rule["SourceSecurityGroupId"],) = uploads["AwsvpcConfiguration"]["SecurityGroups"]
    template["Resources"]["Opened"] = {"Type": kind, "Properties": rule}


def _with_the_rights_of_runs(template: Template) -> None:
    runs = named(template, "AWS::ECS::TaskDefinition", "GpuRun")
    definition = named(template, "AWS::ECS::TaskDefinition", "ModelDefinition")
    definition["TaskRoleArn"] = runs["TaskRoleArn"]


def _set_back(template: Template) -> None:
    service(template)["DesiredCount"] = 0


def _never_raised(template: Template) -> None:
    told(template, "Code", "PARJANYA_LANES__GPU__MODEL_SERVICE")["Value"] = ""


def _may_not_be_raised(template: Template) -> None:
    policy = named(template, "AWS::IAM::Policy", "TasksCodeRole")["PolicyDocument"]
    policy["Statement"] = [
        one for one in policy["Statement"] if "ecs:UpdateService" not in json.dumps(one["Action"])
    ]


def _killed(template: Template) -> None:
    server(template)["StopTimeout"] = 60


def _never_looked_at(template: Template) -> None:
    del server(template)["HealthCheck"]


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (_mutable, "is no digest"),
        (_another_image, "no name that states"),
        (_asked_elsewhere, "http://models:8000/v1, where nothing serves"),
        (_another_model, "it asks for another at"),
        (_another_revision, "it asks for vlm at sha256:3"),
        (_moved_away, "where nothing serves a model"),
        (_nobody_asks, "no run asks it"),
        (_open_to_addresses, "addresses reach the model server"),
        (_open_outward, "the model server reaches others"),
        (_open_to_another_service, "2 groups reach it"),
        (_with_the_rights_of_runs, "its role has rights"),
        (_set_back, "desired count"),
        (_never_raised, "nobody raises it"),
        (_may_not_be_raised, "nobody may raise it"),
        (_killed, "killed after 60 s, and answers for 90 s"),
        (_never_looked_at, "no health check"),
    ],
)
def test_a_served_model_that_would_not_work_is_refused(
    template: Template, wanted: Expected, broken: Callable[[Template], None], says: str
) -> None:
    broken(template)
    assert any(says in why for why in refuse(template, wanted))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"digests": {"model": ""}}, "release.digests.model: the digest of the server's image"),
        ({"name": "a b"}, "no name of a model"),
        ({"flags": ["--port=1"]}, "the stack sets --port"),
        ({"flags": "--enforce-eager"}, "a list of texts"),
    ],
)
def test_a_served_model_that_cannot_be_right(
    said: dict[str, Any], change: dict[str, Any], says: str
) -> None:
    wrong = copy.deepcopy(said)
    wrong["release"]["digests"] |= change.pop("digests", {})
    wrong["gpu"]["served"] |= change
    with pytest.raises(SiteInvalid, match=says):
        site(wrong)
