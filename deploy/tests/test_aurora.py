"""Truth in Aurora: what it is in the template, who logs in as whom, and what of it is refused."""

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


@pytest.fixture
def here(variant: Variant, said: dict[str, Any]) -> tuple[Template, Expected]:
    return variant({**said, "aurora": {"least": 1, "most": 4}})


@pytest.fixture
def aurora(here: tuple[Template, Expected]) -> Template:
    return here[0]


@pytest.fixture
def wanted(here: tuple[Template, Expected]) -> Expected:
    return here[1]


def of(template: Template, kind: str, part: str = "") -> Iterator[dict[str, Any]]:
    for name, one in template["Resources"].items():
        if one["Type"] == kind and part in name:
            yield one


def only(template: Template, kind: str, part: str = "") -> dict[str, Any]:
    (one,) = of(template, kind, part)
    found: dict[str, Any] = one["Properties"]
    return found


def container(template: Template, part: str, name: str) -> dict[str, Any]:
    definition = only(template, "AWS::ECS::TaskDefinition", f"Tasks{part}")
    (one,) = [one for one in definition["ContainerDefinitions"] if one["Name"] == name]
    found: dict[str, Any] = one
    return found


def url(template: Template, part: str, name: str) -> str:
    environment = container(template, part, name)["Environment"]
    (said,) = [one["Value"] for one in environment if one["Name"] == "PARJANYA_TRUTH__URL"]
    return json.dumps(said)


CLUSTER = "AWS::RDS::DBCluster"


def test_aurora_takes_the_place_of_the_table(aurora: Template, wanted: Expected) -> None:
    assert refuse(aurora, wanted) == []
    assert not list(of(aurora, "AWS::DynamoDB::Table"))
    assert "dynamodb:" not in json.dumps(list(of(aurora, "AWS::IAM::Policy")))
    sizes = only(aurora, CLUSTER)["ServerlessV2ScalingConfiguration"]
    assert sizes == {"MinCapacity": 1, "MaxCapacity": 4}
    assert len(list(of(aurora, "AWS::RDS::DBInstance", "TruthInAurora"))) == 2


@pytest.mark.parametrize(
    ("part", "name", "user"),
    [
        ("Uploads", "uploads", "parjanya_uploads"),
        ("Metrics", "metrics", "parjanya_look"),
        ("Daemon", "daemon", "parjanya_look"),
        ("Desk", "desk", "parjanya_work"),
        ("Code", "code", "parjanya_work"),
        ("CpuRun", "run", "parjanya_work"),
        ("GpuRun", "run", "parjanya_work"),
    ],
)
def test_each_process_logs_in_as_the_user_that_may_do_its_work(
    aurora: Template, part: str, name: str, user: str
) -> None:
    assert f"postgresql+iam://{user}@" in url(aurora, part, name)
    assert "PGPASSWORD" not in json.dumps(container(aurora, part, name).get("Secrets", []))


def test_the_migration_alone_is_the_owner(aurora: Template) -> None:
    migrates = container(aurora, "Code", "migrate")
    assert migrates["Command"][-1].startswith("parjanya migrate --users && parjanya tenant add")
    assert "postgresql://parjanya_owner@" in url(aurora, "Code", "migrate")
    assert "PGPASSWORD" in {one["Name"] for one in migrates["Secrets"]}
    assert json.dumps(aurora).count('"PGPASSWORD"') == 1


def test_the_ui_does_not_reach_truth_and_strangers_reach_nothing_else(aurora: Template) -> None:
    sources = {
        one["Properties"]["SourceSecurityGroupId"]["Fn::GetAtt"][0]
        for one in of(aurora, "AWS::EC2::SecurityGroupIngress", "TruthInAurora")
    }
    for part in ("Code", "Daemon", "Desk", "Metrics", "Uploads"):
        assert any(f"{part}Group" in source for source in sources)
    assert not any("Ui" in source for source in sources)
    egress = only(aurora, "AWS::EC2::SecurityGroupEgress", "ServicesUploadsGroupto")
    assert "TruthInAurora" in json.dumps(egress["DestinationSecurityGroupId"])


def _changed(kind: str, part: str = "", **said: object) -> Callable[[Template], None]:
    def change(template: Template) -> None:
        only(template, kind, part).update(said)

    return change


def _deleted_with_the_stack(template: Template) -> None:
    next(of(template, CLUSTER))["DeletionPolicy"] = "Delete"


def _alone(template: Template) -> None:
    resources = template["Resources"]
    template["Resources"] = {n: one for n, one in resources.items() if "PostgresReader" not in n}


def _told(part: str, name: str, was: str, becomes: str) -> Callable[[Template], None]:
    def change(template: Template) -> None:
        one = container(template, part, name)
        one["Environment"] = json.loads(json.dumps(one["Environment"]).replace(was, becomes))

    return change


def _owner_everywhere(template: Template) -> None:
    secret = {"Name": "PGPASSWORD", "ValueFrom": "arn"}
    container(template, "Uploads", "uploads").setdefault("Secrets", []).append(secret)


def _as(user: str) -> Callable[[Template], None]:
    def change(template: Template) -> None:
        policy = only(template, "AWS::IAM::Policy", "TasksUploadsRole")
        said = json.dumps(policy).replace("/parjanya_uploads", user)
        policy.update(json.loads(said))

    return change


def _without_tls(template: Template) -> None:
    only(template, "AWS::RDS::DBClusterParameterGroup")["Parameters"] = {"rds.force_ssl": "0"}


def _own_log_group(template: Template) -> None:
    del template["Resources"][
        next(n for n, one in template["Resources"].items()
             if one["Type"] == "AWS::Logs::LogGroup" and "TruthInAurora" in n)
    ]  # fmt: skip


def _logs_for_ever(template: Template) -> None:
    del only(template, "AWS::Logs::LogGroup", "TruthInAurora")["RetentionInDays"]


INSTANCE = "AWS::RDS::DBInstance"


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        (_changed(CLUSTER, DeletionProtection=False), "not protected from deletion"),
        (_changed(INSTANCE, "Records", DeletionProtection=False), "not protected from deletion"),
        (_deleted_with_the_stack, "leaves no snapshot"),
        (_changed(CLUSTER, BackupRetentionPeriod=1), "less than 7 days"),
        (_changed(INSTANCE, "Records", BackupRetentionPeriod=0), "less than 7 days"),
        (_changed(CLUSTER, StorageEncrypted=False), "not encrypted"),
        (_changed(INSTANCE, "Records", StorageEncrypted=False), "not encrypted"),
        (_changed(CLUSTER, EnableCloudwatchLogsExports=[]), "kept nowhere"),
        (_changed(INSTANCE, "PostgresWriter", PubliclyAccessible=True), "the internet reaches it"),
        (_alone, "takes the place of its writer"),
        (_changed(CLUSTER, EnableIAMDatabaseAuthentication=False), "nobody can log in by IAM"),
        (_without_tls, "without TLS"),
        (_told("Desk", "desk", "postgresql+iam", "postgresql"), "does not log in by IAM"),
        (_told("Code", "migrate", "verify-full", "require"), "did not check"),
        (_owner_everywhere, "password of the owner"),
        (_as("/*"), "as any user"),
        (_as("/parjanya_owner"), "not the owner"),
        (_as("/parjanya_look"), "logs in as parjanya_uploads, and its role may not"),
        (_own_log_group, "by itself"),
        (_logs_for_ever, "for ever"),
    ],
)
def test_what_would_lose_truth_or_give_it_away_is_refused(
    aurora: Template, wanted: Expected, broken: Callable[[Template], None], why: str
) -> None:
    broken(aurora)
    assert any(why in one for one in refuse(aurora, wanted))


@pytest.mark.parametrize("sizes", [{"least": 0}, {"least": 9, "most": 8}, {"most": 300}])
def test_a_site_file_whose_database_cannot_be_right(
    said: dict[str, Any], sizes: dict[str, float]
) -> None:
    with pytest.raises(SiteInvalid, match="units of capacity"):
        site({**copy.deepcopy(said), "aurora": sizes})
