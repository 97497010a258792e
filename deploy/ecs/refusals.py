"""What is never deployed: rules over a synthesized CloudFormation template. Pure.

Each rule is an incident that happened somewhere, and that the constructs of this app do not make.
The rules look at what comes out, so they also hold for what is written next year.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from parjanya_dagster.uploads.cors import objections

Template = Mapping[str, Any]
Found = Iterator[tuple[str, str]]
Rule = Callable[[Template, "Expected"], Found]


class Expected:
    """What the site says, as far as the rules need it."""

    def __init__(
        self,
        images: set[str],
        version: str,
        dormancy_days: int,
        upload_origins: list[str],
        *,
        own_key: bool = False,
        endpoints: Sequence[str] = (),
        zones: int = 2,
    ) -> None:
        self.images = images
        self.version = version
        self.dormancy_days = dormancy_days
        self.upload_origins = upload_origins  # of our own upload pages
        self.own_key = own_key  # what is kept is under a key of the account
        self.endpoints = endpoints  # interface endpoints that the network has
        self.zones = zones


def refuse(template: Template, expected: Expected) -> list[str]:
    """A sentence for each thing that must not be deployed. Empty: nothing is wrong."""
    return [f"{name}: {why}" for rule in RULES for name, why in rule(template, expected)]


def _resources(template: Template, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, one in template["Resources"].items():
        if one["Type"] == kind:
            yield name, one


def images_not_of_the_release(template: Template, expected: Expected) -> Found:
    """A service ran v20 for weeks while v23 was declared: the tag was written twice."""
    for name, one in _resources(template, "AWS::ECS::TaskDefinition"):
        for container in one["Properties"]["ContainerDefinitions"]:
            image = container["Image"]
            if image not in expected.images:
                yield name, f"the image {image!r} is not of the release {expected.version}"


def tags_that_are_never_pulled_again(template: Template, expected: Expected) -> Found:
    """A tag was moved, and machines went on with what they had under it."""
    cached = [
        name
        for name, one in _resources(template, "AWS::EC2::LaunchTemplate")
        if "prefer-cached" in json.dumps(one["Properties"]["LaunchTemplateData"]["UserData"])
    ]
    for name, one in _resources(template, "AWS::ECS::TaskDefinition"):
        if "EC2" not in one["Properties"].get("RequiresCompatibilities", []):
            continue
        for container in one["Properties"]["ContainerDefinitions"]:
            if cached and "@sha256:" not in container["Image"]:
                yield name, f"{container['Image']} is no digest, and {cached[0]} pulls no tag again"


def launch_template_ignored(template: Template, expected: Expected) -> Found:
    """New machines kept starting from the first version of their template."""
    for name, one in _resources(template, "AWS::AutoScaling::AutoScalingGroup"):
        said = _launched_from(one["Properties"])
        if said is None:
            yield name, "it has no launch template of its own"
            continue
        own = said.get("LaunchTemplateId", {}).get("Ref")
        if said.get("Version") != {"Fn::GetAtt": [own, "LatestVersionNumber"]}:
            yield (
                name,
                (
                    f"its launch template is pinned to {said.get('Version')!r}: a change would not "
                    "reach it"
                ),
            )
        if "UpdatePolicy" not in one:
            yield name, "machines that run keep the old launch template: it has no UpdatePolicy"
    for name, one in _resources(template, "AWS::EC2::LaunchTemplate"):
        specifications = one["Properties"]["LaunchTemplateData"].get("TagSpecifications", [])
        tags = {tag["Key"]: tag["Value"] for each in specifications for tag in each.get("Tags", [])}
        if tags.get("parjanya:release") != expected.version:
            yield name, f"it is not of the release {expected.version}: it would not change with it"


def _launched_from(group: Mapping[str, Any]) -> Mapping[str, Any] | None:
    mixed = group.get("MixedInstancesPolicy", {}).get("LaunchTemplate", {})
    said: Mapping[str, Any] | None = group.get("LaunchTemplate")
    return said or mixed.get("LaunchTemplateSpecification")


def retention_below_dormancy(template: Template, expected: Expected) -> Found:
    """Messages expired over a weekend on which no worker ran."""
    least = expected.dormancy_days * 86_400
    for name, one in _resources(template, "AWS::SQS::Queue"):
        seconds = one["Properties"].get("MessageRetentionPeriod", 4 * 86_400)
        if seconds <= least:
            yield name, f"it keeps messages {seconds} s, and nobody may look for {least} s"


def receipts_that_an_outage_uses_up(template: Template, expected: Expected) -> Found:
    """Good messages became dead letters, since nobody could handle them for a while."""
    for name, one in _resources(template, "AWS::SQS::Queue"):
        if "RedrivePolicy" in one["Properties"]:
            yield name, "it has a redrive policy, and the doctor would report it for ever"


def cors_that_browsers_reject(template: Template, expected: Expected) -> Found:
    """Presigned URLs were right, and no browser ever reached PUT."""
    for name, one in _resources(template, "AWS::S3::Bucket"):
        rules = one["Properties"].get("CorsConfiguration", {}).get("CorsRules", [])
        takes_uploads = "NotificationConfiguration" in one["Properties"]
        for why in objections(rules, expected.upload_origins if takes_uploads else []):
            yield name, why
        for rule in rules:
            if "*" in rule["AllowedOrigins"]:
                yield name, "the origin '*' lets every page of the web upload: name the origins"


def queue_read_blindly(template: Template, expected: Expected) -> Found:
    """Without GetQueueAttributes the control plane took "denied" for "empty" for twelve hours."""
    for name, one in _resources(template, "AWS::IAM::Policy"):
        seeing: set[str] = set()
        reading: set[str] = set()
        for statement in one["Properties"]["PolicyDocument"]["Statement"]:
            actions = _list(statement["Action"])
            queues = {json.dumps(each, sort_keys=True) for each in _list(statement["Resource"])}
            if any(action in ("sqs:GetQueueAttributes", "sqs:*", "*") for action in actions):
                seeing |= queues
            if any(action in ("sqs:ReceiveMessage", "sqs:SendMessage") for action in actions):
                reading |= queues
        for queue in sorted(reading - seeing):
            yield name, f"it uses the queue {queue} and may not ask for its attributes"


def launcher_on_a_capacity_provider(template: Template, expected: Expected) -> Found:
    """Dagster's ECS launcher fails with KeyError 'launchType' in a task that has a strategy."""
    serving = {server.service for server in _model_servers(template)}  # they launch nothing
    for name, one in _resources(template, "AWS::ECS::Service"):
        if one["Properties"].get("CapacityProviderStrategy") and name not in serving:
            yield name, "it has a capacity provider strategy: give it a launch type"
    for name, one in _resources(template, "AWS::ECS::ClusterCapacityProviderAssociations"):
        if one["Properties"].get("DefaultCapacityProviderStrategy"):
            yield name, "a default strategy would be given to every service of the cluster"


def clients_without_a_region(template: Template, expected: Expected) -> Found:
    """Every run on a machine of ours died at its start: boto3 does not read AWS_REGION."""
    for name, one in _resources(template, "AWS::ECS::TaskDefinition"):
        for container in one["Properties"]["ContainerDefinitions"]:
            given = {each["Name"] for each in container.get("Environment", [])}
            if missing := {"AWS_REGION", "AWS_DEFAULT_REGION"} - given:
                yield name, f"{container['Name']} is not told {' and '.join(sorted(missing))}"


USE_A_GPU = {"PARJANYA_ENGINES__ENRICHER": "transformers", "PARJANYA_ENGINES__SCORER": "pyiqa"}
"""Engines that compute on a GPU. What is not named here computes elsewhere."""


def gpus_that_nothing_uses(template: Template, expected: Expected) -> Found:
    """Machines with a GPU ran the engines of a laptop."""
    for name, one in _resources(template, "AWS::ECS::TaskDefinition"):
        for container in one["Properties"]["ContainerDefinitions"]:
            kinds = [each["Type"] for each in container.get("ResourceRequirements", [])]
            given = {each["Name"]: each["Value"] for each in container.get("Environment", [])}
            if "GPU" not in kinds or _serves(container):
                continue
            if not any(given.get(setting) == engine for setting, engine in USE_A_GPU.items()):
                chosen = given.get("PARJANYA_ENGINES__ENRICHER", "embedded")
                yield name, f"it reserves a GPU, and its engine {chosen!r} does not use one"
            elif not (given.get("PARJANYA_VLM__MODEL") or given.get("PARJANYA_IQA__WEIGHTS")):
                yield name, "its engine has no model: PARJANYA_VLM__MODEL"


@dataclass(frozen=True)
class _ModelServer:
    """A container that serves a model, and what is around it."""

    definition: str
    container: Mapping[str, Any]
    service: str  # empty: nothing keeps it running
    properties: Mapping[str, Any]  # of the service
    role: str

    @property
    def names(self) -> list[str]:
        """What the model is called on it."""
        command = self.container["Command"]
        after = command[command.index("--served-model-name") + 1 :]
        return list(takewhile(lambda word: not word.startswith("--"), after))

    def flag(self, name: str) -> str:
        command = self.container["Command"]
        return str(command[command.index(name) + 1])

    def groups(self) -> set[str]:
        network = self.properties["NetworkConfiguration"]["AwsvpcConfiguration"]
        return {_named(one) for one in network["SecurityGroups"]}


def _serves(container: Mapping[str, Any]) -> bool:
    return container.get("EntryPoint") == ["vllm"] and container["Command"][:1] == ["serve"]


def _model_servers(template: Template) -> Iterator[_ModelServer]:
    services = {
        _named(one["Properties"]["TaskDefinition"]): (name, one["Properties"])
        for name, one in _resources(template, "AWS::ECS::Service")
    }
    for name, one in _resources(template, "AWS::ECS::TaskDefinition"):
        for container in one["Properties"]["ContainerDefinitions"]:
            if _serves(container):
                service, properties = services.get(name, ("", {}))
                role = _named(one["Properties"].get("TaskRoleArn", {}))
                yield _ModelServer(name, container, service, properties, role)


def _named(reference: Mapping[str, Any]) -> str:
    """The resource that a reference or an attribute is of."""
    return str(reference.get("Ref") or reference.get("Fn::GetAtt", [""])[0])


def model_servers_that_a_tag_names(template: Template, expected: Expected) -> Found:
    """A tag was moved: another model answered, and evidence named the old one."""
    for server in _model_servers(template):
        image = server.container["Image"]
        if "@sha256:" not in image:
            yield server.definition, f"the model server {image!r} is no digest"
            continue
        digest = image.partition("@")[2]
        if not any(f"@{digest}+flags:" in name for name in server.names):
            yield server.definition, f"it serves the model under no name that states {digest}"


def runs_that_ask_no_server(template: Template, expected: Expected) -> Found:
    """Runs asked for a model that nobody served, under a name that the server did not know."""
    asking = []
    for name, one in _resources(template, "AWS::ECS::TaskDefinition"):
        for container in one["Properties"]["ContainerDefinitions"]:
            given = {each["Name"]: each["Value"] for each in container.get("Environment", [])}
            if given.get("PARJANYA_ENGINES__ENRICHER") == "openai":
                asking.append((name, given))
    served: dict[str, list[str]] = {}
    for server in _model_servers(template):
        for host in _hosts(template, server):
            served[f"http://{host}:{server.flag('--port')}/v1"] = server.names
        if not asking:
            yield server.definition, "it serves a model, and no run asks it: engine openai"
    for name, given in asking:
        url, model = given.get("PARJANYA_ENDPOINT__URL"), given.get("PARJANYA_VLM__MODEL", "")
        revision = given.get("PARJANYA_VLM__REVISION") or "nothing"
        if url not in served:
            yield name, f"it asks {url}, where nothing serves a model"
        elif not any(known.startswith(f"{model}@{revision}+") for known in served[url]):
            yield name, f"it asks for {model} at {revision}: {', '.join(served[url])} is served"


def _hosts(template: Template, server: _ModelServer) -> Iterator[str]:
    """The names under which a server is found."""
    for registry in server.properties.get("ServiceRegistries", []):
        entry = template["Resources"][_named(registry["RegistryArn"])]["Properties"]
        space = template["Resources"][_named(entry["NamespaceId"])]["Properties"]
        yield f"{entry['Name']}.{space['Name']}"


def model_servers_that_lead_somewhere(template: Template, expected: Expected) -> Found:
    """A server that decodes strangers' pictures could call out, or write to Truth."""
    for server in _model_servers(template):
        for name, one in _resources(template, "AWS::IAM::Policy"):
            if server.role in {_named(role) for role in one["Properties"].get("Roles", [])}:
                yield server.definition, f"its role has rights: {name}"
        for name, one in _resources(template, "AWS::EC2::SecurityGroup"):
            if name not in server.groups():
                continue
            said = one["Properties"]
            if said.get("SecurityGroupIngress"):
                yield name, "addresses reach the model server: let in the group of runs alone"
            outward = said.get("SecurityGroupEgress")
            if outward is None or any(each["CidrIp"] != NOWHERE for each in outward):
                yield name, "the model server reaches others: it asks nobody"
        opened = {
            _named(one["Properties"]["SourceSecurityGroupId"])
            for _, one in _resources(template, "AWS::EC2::SecurityGroupIngress")
            if _named(one["Properties"]["GroupId"]) in server.groups()
        }
        if len(opened) != 1:
            yield server.definition, f"{len(opened)} groups reach it: let in that of runs"


NOWHERE = "255.255.255.255/32"  # how a group says that nothing goes out: none at all means all


def model_servers_that_nothing_scales(template: Template, expected: Expected) -> Found:
    """A deployment set the servers back to none in the middle of work, or none was ever started."""
    told = {
        each["Name"]: json.dumps(each["Value"])
        for _, one in _resources(template, "AWS::ECS::TaskDefinition")
        for container in one["Properties"]["ContainerDefinitions"]
        for each in container.get("Environment", [])
    }
    for server in _model_servers(template):
        if "DesiredCount" in server.properties:
            yield server.service, "it has a desired count, which each deployment would set back to"
        if f'"{server.service}"' not in told.get("PARJANYA_LANES__GPU__MODEL_SERVICE", ""):
            yield server.definition, "nobody raises it: PARJANYA_LANES__GPU__MODEL_SERVICE"
        raised = any(
            "ecs:UpdateService" in _list(statement["Action"])
            for _, one in _resources(template, "AWS::IAM::Policy")
            for statement in one["Properties"]["PolicyDocument"]["Statement"]
        )
        if not raised:
            yield server.definition, "nobody may raise it: ecs:UpdateService"


def model_servers_cut_short(template: Template, expected: Expected) -> Found:
    """Servers were killed while they answered, and one that hung was never replaced."""
    for server in _model_servers(template):
        drain, stop = int(server.flag("--shutdown-timeout")), server.container.get("StopTimeout", 0)
        if stop <= drain:
            yield server.definition, f"it is killed after {stop} s, and answers for {drain} s"
        if "HealthCheck" not in server.container:
            yield server.definition, "it has no health check: one that hangs is never replaced"


def spot_machines_that_say_nothing(template: Template, expected: Expected) -> Found:
    """A machine was taken back with work on it: nobody had told the work, so leases ran out."""
    holders = list(_runs_on_machines(template))
    providers = [
        one["Properties"]["AutoScalingGroupProvider"]
        for _, one in _resources(template, "AWS::ECS::CapacityProvider")
    ]
    for name, one in _resources(template, "AWS::AutoScaling::AutoScalingGroup"):
        said = one["Properties"]
        shares = said.get("MixedInstancesPolicy", {}).get("InstancesDistribution")
        if shares is None or shares.get("OnDemandPercentageAboveBaseCapacity", 100) == 100:
            continue
        if shares.get("SpotAllocationStrategy") not in STAYING:
            yield name, "it takes the cheapest spot machines, which are taken back first"
        if not said.get("CapacityRebalance"):
            yield name, "machines that are likely to be taken back are not replaced before"
        own = [each for each in providers if name in json.dumps(each["AutoScalingGroupArn"])]
        if not own or any(each.get("ManagedDraining") != "ENABLED" for each in own):
            yield name, "nobody empties a machine before it is replaced: ManagedDraining"
        launched = _named((_launched_from(said) or {}).get("LaunchTemplateId", {}))
        setup = json.dumps(template["Resources"].get(launched, {}))
        if "ECS_ENABLE_SPOT_INSTANCE_DRAINING=true" not in setup:
            yield name, "ECS does not hear of an interruption: ECS_ENABLE_SPOT_INSTANCE_DRAINING"
        for holder in holders:
            if "spot/instance-action" not in setup or "systemd-run" not in setup:
                yield holder, "runs of it stand on spot machines, and nobody tells them of the end"


STAYING = ("capacity-optimized", "capacity-optimized-prioritized", "price-capacity-optimized")


def _runs_on_machines(template: Template) -> Iterator[str]:
    """Definitions whose tasks stand on machines of ours, and belong to no service."""
    served = {
        _named(one["Properties"]["TaskDefinition"])
        for _, one in _resources(template, "AWS::ECS::Service")
    }
    for name, one in _resources(template, "AWS::ECS::TaskDefinition"):
        if "EC2" in one["Properties"].get("RequiresCompatibilities", []) and name not in served:
            yield name


def machines_ended_at_work(template: Template, expected: Expected) -> Found:
    """A group was lowered, and the machine that it ended was the one at work."""
    for name, one in _resources(template, "AWS::ECS::CapacityProvider"):
        said = one["Properties"]["AutoScalingGroupProvider"]
        if said.get("ManagedScaling", {}).get("Status") != "ENABLED":
            yield name, "ECS does not scale its machines, so it cannot protect those at work"
        if said.get("ManagedTerminationProtection") != "ENABLED":
            yield name, "machines at work are not protected: ManagedTerminationProtection"
    for name, one in _resources(template, "AWS::AutoScaling::AutoScalingGroup"):
        if one["Properties"].get("NewInstancesProtectedFromScaleIn") is not True:
            yield name, "its machines start unprotected: NewInstancesProtectedFromScaleIn"


def runs_killed_before_they_hand_back(template: Template, expected: Expected) -> Found:
    """A run was told to end and killed before it had handed its rows back."""
    for name, one in _resources(template, "AWS::ECS::TaskDefinition"):
        for container in one["Properties"]["ContainerDefinitions"]:
            if container["Name"] != "run":
                continue
            given = {each["Name"]: each["Value"] for each in container.get("Environment", [])}
            told = float(given.get("PARJANYA_RUNS__STOP_TIMEOUT", 10))
            has = container.get("StopTimeout", 30)
            if has < told:
                yield name, f"it is killed after {has} s, and believes that it has {told:.0f}"
            if not container.get("LinuxParameters", {}).get("InitProcessEnabled"):
                yield name, "its first process passes no signal on: InitProcessEnabled"


def capacity_that_the_cluster_lacks(template: Template, expected: Expected) -> Found:
    """Runs named a capacity provider that the cluster did not know, and none was ever placed."""
    known = json.dumps(
        [
            one["Properties"]["CapacityProviders"]
            for _, one in _resources(template, "AWS::ECS::ClusterCapacityProviderAssociations")
        ]
    )
    for name, one in _resources(template, "AWS::ECS::TaskDefinition"):
        for container in one["Properties"]["ContainerDefinitions"]:
            for each in container.get("Environment", []):
                if not each["Name"].endswith("__CAPACITY_PROVIDER"):
                    continue
                if json.dumps(each["Value"]) not in known:
                    yield name, f"the cluster has no capacity {each['Value']!r}"


def databases_that_may_be_lost(template: Template, expected: Expected) -> Found:
    """A database was deleted with its backups, or lay on a disk that anybody could read."""
    for name, one in _databases(template):
        said = one["Properties"]
        if said.get("DeletionProtection") is not True:
            yield name, "it is not protected from deletion"
        if one.get("DeletionPolicy") not in ("Snapshot", "Retain", "RetainExceptOnCreate"):
            yield name, "what is deleted with the stack leaves no snapshot"
        if said.get("BackupRetentionPeriod", 1) < BACKUPS:
            yield name, f"its backups are kept for less than {BACKUPS} days"
        if said.get("StorageEncrypted") is not True:
            yield name, "its disk is not encrypted"
        if "postgresql" not in said.get("EnableCloudwatchLogsExports", []):
            yield name, "what it says is kept nowhere"
    for name, one in _resources(template, "AWS::RDS::DBInstance"):
        if one["Properties"].get("PubliclyAccessible") is not False:
            yield name, "the internet reaches it"
    for name, _ in _resources(template, "AWS::RDS::DBCluster"):
        members = [
            each
            for _, each in _resources(template, "AWS::RDS::DBInstance")
            if each["Properties"].get("DBClusterIdentifier") == {"Ref": name}
        ]
        if len(members) < 2:
            yield name, "nothing takes the place of its writer: give it a reader"


BACKUPS = 7  # days


def _databases(template: Template) -> Iterator[tuple[str, dict[str, Any]]]:
    yield from _resources(template, "AWS::RDS::DBCluster")
    for name, one in _resources(template, "AWS::RDS::DBInstance"):
        if "DBClusterIdentifier" not in one["Properties"]:  # those have what their cluster has
            yield name, one


def passwords_of_truth(template: Template, expected: Expected) -> Found:
    """Every process held the password of the database's owner, for ever, and sent it in clear."""
    for name, one in _resources(template, "AWS::ECS::TaskDefinition"):
        for container in one["Properties"]["ContainerDefinitions"]:
            at = f"{name}, {container['Name']}"
            given = {each["Name"]: each["Value"] for each in container.get("Environment", [])}
            url = json.dumps(given.get("PARJANYA_TRUTH__URL", ""))
            if "postgresql" not in url:
                continue
            migrates = container["Name"] == "migrate"
            secrets = {each["Name"] for each in container.get("Secrets", [])}
            if not migrates and "postgresql+iam://" not in url:
                yield at, "it does not log in by IAM: postgresql+iam"
            if "sslmode=" in url and "sslmode=verify-full" not in url:
                yield at, "it sends what it knows to a server that it did not check: verify-full"
            if migrates and "sslmode=verify-full" not in url:
                yield at, "it sends the owner's password to a server that it did not check"
            if not migrates and "PGPASSWORD" in secrets:
                yield at, "it holds the password of the owner, which the migration alone needs"


def users_that_may_be_anybody(template: Template, expected: Expected) -> Found:
    """A role that could log in as one user could log in as all, and so as the owner."""
    users = {}
    for name, one in _resources(template, "AWS::ECS::TaskDefinition"):
        role = _named(one["Properties"].get("TaskRoleArn", {}))
        for container in one["Properties"]["ContainerDefinitions"]:
            given = {each["Name"]: each["Value"] for each in container.get("Environment", [])}
            found = re.search(r"postgresql\+iam://(\w+)@", json.dumps(given))
            if found is not None:
                users[role, name] = found[1]
    connects: dict[str, set[str]] = {}
    for name, one in _resources(template, "AWS::IAM::Policy"):
        for statement in one["Properties"]["PolicyDocument"]["Statement"]:
            actions = _list(statement["Action"])
            if not any(action in ("rds-db:connect", "rds-db:*", "*") for action in actions):
                continue
            for resource in _list(statement["Resource"]):
                user = re.search(r"/(\w+)\"[]}]*$", json.dumps(resource))
                if user is None or "DBClusterResourceId" not in json.dumps(resource):
                    yield name, "it may log in as any user: name one, of this cluster"
                    continue
                for role in one["Properties"].get("Roles", []):
                    connects.setdefault(_named(role), set()).add(user[1])
    for role, may in connects.items():
        if len(may) > 1 or "parjanya_owner" in may:
            yield role, f"it may log in as {', '.join(sorted(may))}: one user, and not the owner"
    for (role, name), user in users.items():
        if role in connects and user not in connects[role]:
            yield name, f"it logs in as {user}, and its role may not"
    for name, one in _resources(template, "AWS::RDS::DBCluster"):
        said = one["Properties"]
        if said.get("EnableIAMDatabaseAuthentication") is not True:
            yield name, "nobody can log in by IAM"
        group = template["Resources"].get(_named(said.get("DBClusterParameterGroupName", {})), {})
        if group.get("Properties", {}).get("Parameters", {}).get("rds.force_ssl") != "1":
            yield name, "it takes connections without TLS: rds.force_ssl"


def logs_kept_for_ever(template: Template, expected: Expected) -> Found:
    """Logs of years were paid for, and held what should have been gone."""
    for name, one in _resources(template, "AWS::Logs::LogGroup"):
        if "RetentionInDays" not in one["Properties"]:
            yield name, "it keeps what it has for ever: RetentionInDays"
    groups = json.dumps(
        [one["Properties"].get("LogGroupName") for _, one in _resources(template, _LOGS)]
    )
    for name, own in _groups_made_by_aws(template):
        if f'"{own}"' not in groups:
            yield name, f"AWS makes {own} by itself, and keeps it for ever"


_LOGS = "AWS::Logs::LogGroup"


def _groups_made_by_aws(template: Template) -> Found:
    """The log groups that services make where they find none, and who makes them so."""
    for kind in ("Cluster", "Instance"):
        for name, one in _resources(template, f"AWS::RDS::DB{kind}"):
            said = one["Properties"]
            called = said.get(f"DB{kind}Identifier", f"(what CloudFormation calls {name})")
            for exported in said.get("EnableCloudwatchLogsExports", []):
                yield name, f"/aws/rds/{kind.lower()}/{called}/{exported}"
            if said.get("MonitoringInterval", 0):
                yield name, "RDSOSMetrics"
    for name, one in _resources(template, "AWS::Lambda::Function"):
        said = one["Properties"]
        if "LogGroup" not in said.get("LoggingConfig", {}):
            yield (
                name,
                f"/aws/lambda/{said.get('FunctionName', f'(what CloudFormation calls {name})')}",
            )
    for name, one in _resources(template, "AWS::ECS::Cluster"):
        said = one["Properties"]
        called = said.get("ClusterName", f"(what CloudFormation calls {name})")
        for setting in said.get("ClusterSettings", []):
            if setting["Name"] == "containerInsights" and setting["Value"] != "disabled":
                yield name, f"/aws/ecs/containerinsights/{called}/performance"


_UNDER_A_KEY = {
    "AWS::S3::Bucket": "s3",
    "AWS::SQS::Queue": "sqs",
    "AWS::DynamoDB::Table": "dynamodb",
    "AWS::RDS::DBCluster": "rds",
    "AWS::RDS::DBInstance": "rds",
    "AWS::SecretsManager::Secret": "secretsmanager",
    _LOGS: "",  # acts for nobody of the account
}
"""What can be under a key, and the service through which it is used."""


def keys_that_somebody_lacks(template: Template, expected: Expected) -> Found:
    """A queue was encrypted, and no notification came any more: S3 might not use its key."""
    notified = json.dumps(
        [
            one["Properties"].get("NotificationConfiguration", {})
            for _, one in _resources(template, "AWS::S3::Bucket")
        ]
    )
    for name, service, key in _encrypted(template):
        if not key:
            continue
        policy = _policy_of(template, key)
        if policy is None:
            yield name, f"its key {key!r} is none of this template, so nobody knows who may use it"
            continue
        through = [_condition(one, "StringEquals", "kms:ViaService") for one in _anybodys(policy)]
        if service and f'"{service}.' not in json.dumps(through):
            yield name, f"whoever uses it may not use its key: kms:ViaService {service}"
        if service == "sqs" and f'"{name}"' in notified and not _lets(policy, "s3.amazonaws.com"):
            yield name, "S3 may not use its key: no notification arrives"
        if not service and not _lets(policy, "logs."):
            yield name, "CloudWatch Logs may not use its key: the group is not even made"
    for name, one in _resources(template, "AWS::SNS::Topic"):
        key = _named(_reference(one["Properties"].get("KmsMasterKeyId")))
        if "KmsMasterKeyId" in one["Properties"] and not _lets(
            _policy_of(template, key) or [], "cloudwatch.amazonaws.com"
        ):
            yield name, "CloudWatch may not use its key: no alarm arrives"


def keys_that_may_be_lost(template: Template, expected: Expected) -> Found:
    """A key went with its stack, and with it everything that it had encrypted."""
    keeping = {key for _, _, key in _encrypted(template) if key}
    for name, one in _resources(template, "AWS::KMS::Key"):
        said = one["Properties"]
        if said.get("EnableKeyRotation") is not True:
            yield name, "it is never rotated: EnableKeyRotation"
        if said.get("Enabled", True) is not True:
            yield name, "it is disabled: nothing under it can be read"
        if name in keeping and one.get("DeletionPolicy") != "Retain":
            yield name, "it is deleted with the stack, and what it encrypted is lost: Retain"
        for each in _anybodys(said["KeyPolicy"]["Statement"]):
            if not _condition(each, "StringEquals", "kms:CallerAccount"):
                yield name, "every account of AWS may use it: kms:CallerAccount"
            if not _condition(each, "StringEquals", "kms:ViaService"):
                yield name, "everybody of the account may use it for anything: kms:ViaService"


def kept_under_another_key(template: Template, expected: Expected) -> Found:
    """The site was to have a key of its own, and half of it lay under another one."""
    logs = _buckets_of_logs(template)
    for name, service, key in _encrypted(template):
        if name in logs:
            if key:
                yield name, "load balancers deliver no logs to a bucket under a key of ours"
        elif expected.own_key and not key:
            yield name, "the site asks for a key of its own, and this is not under it"
        elif service == "s3" and key:
            rules = template["Resources"][name]["Properties"]["BucketEncryption"]
            if '"BucketKeyEnabled": true' not in json.dumps(rules):
                yield name, "each picture is a request to KMS, which is paid for: BucketKeyEnabled"


def _encrypted(template: Template) -> Iterator[tuple[str, str, str]]:
    """What can be under a key: its name, the service it is used through, its key. Empty: AWS's."""
    for kind, service in _UNDER_A_KEY.items():
        for name, one in _resources(template, kind):
            said = one["Properties"]
            if kind == "AWS::RDS::DBInstance" and "DBClusterIdentifier" in said:
                continue  # it has that of its cluster
            if kind == "AWS::S3::Bucket":
                rules = said.get("BucketEncryption", {}).get(
                    "ServerSideEncryptionConfiguration", []
                )
                by = [rule["ServerSideEncryptionByDefault"] for rule in rules]
                key = next((one.get("KMSMasterKeyID", one["SSEAlgorithm"]) for one in by), None)
                key = None if key == "AES256" else key
            elif kind == "AWS::DynamoDB::Table":
                key = said.get("SSESpecification", {}).get("KMSMasterKeyId")
            else:
                key = said.get("KmsKeyId") or said.get("KmsMasterKeyId")
            yield name, service, _named(_reference(key))


def _reference(key: Any) -> Mapping[str, Any]:
    """A key by its name in the template; one of elsewhere by what it is called."""
    return key if isinstance(key, dict) else {"Ref": key or ""}


def _policy_of(template: Template, key: str) -> list[Any] | None:
    one = template["Resources"].get(key)
    if one is None or one["Type"] != "AWS::KMS::Key":
        return None
    said: list[Any] = one["Properties"]["KeyPolicy"]["Statement"]
    return said


def _anybodys(policy: Sequence[Any]) -> list[Any]:
    """What a policy says of everybody. What it says of the account needs rights of roles too."""
    return [each for each in policy if each["Principal"] in ("*", {"AWS": "*"})]


def _condition(statement: Mapping[str, Any], how: str, what: str) -> Any:
    return statement.get("Condition", {}).get(how, {}).get(what)


def _lets(policy: Sequence[Any], service: str) -> bool:
    """Whether a service may encrypt and decrypt with a key."""
    allowed: set[str] = set()
    for each in policy:
        principal = each["Principal"]
        if isinstance(principal, dict) and any(
            service in json.dumps(one) for one in _list(principal.get("Service", []))
        ):
            allowed |= set(_list(each["Action"]))
    return {"kms:Decrypt", "kms:GenerateDataKey*"} <= allowed


def _buckets_of_logs(template: Template) -> set[str]:
    """Where load balancers put their access logs."""
    found = set()
    for _, one in _resources(template, "AWS::ElasticLoadBalancingV2::LoadBalancer"):
        for each in one["Properties"].get("LoadBalancerAttributes", []):
            if each["Key"] == "access_logs.s3.bucket":
                found.add(_named(_reference(each["Value"])))
    return found


def endpoints_that_lead_nowhere(template: Template, expected: Expected) -> Found:
    """An endpoint was there, and calls hung at it, or went around it and were paid for twice."""
    found: set[str] = set()
    networks = dict(_resources(template, "AWS::EC2::VPC"))
    for name, one in _resources(template, "AWS::EC2::VPCEndpoint"):
        said = one["Properties"]
        service = _last(said["ServiceName"])
        known = (each for each in expected.endpoints if service.endswith(f".{each}"))
        found.add(next(known, service.rpartition(".")[2]))
        if said.get("VpcEndpointType", "Gateway") == "Gateway":
            tables = {_named(each) for each in said.get("RouteTableIds", [])}
            if set(_private_tables(template)) - tables:
                yield name, "subnets go around it, through NAT: RouteTableIds"
            continue
        if said.get("PrivateDnsEnabled") is not True:
            yield name, "names do not lead to it, and it is paid for: PrivateDnsEnabled"
        if len(said.get("SubnetIds", [])) < expected.zones:
            yield name, "zones have none, and hang with the one that fails: SubnetIds"
        groups = {_named(each) for each in said.get("SecurityGroupIds", [])}
        if not any(_takes_tls(template, group, networks) for group in groups):
            yield name, "nobody reaches it, and names lead to it alone: let in the network at 443"
    for network in networks:
        for service in ("s3", "dynamodb", *expected.endpoints):
            if service not in found:
                yield network, f"it has no endpoint of {service}"


def _last(text: Any) -> str:
    """The end of a text, which may be joined of parts."""
    return str(text) if isinstance(text, str) else _last(text["Fn::Join"][1][-1])


def _private_tables(template: Template) -> Iterator[str]:
    """Route tables that lead to NAT."""
    for _, one in _resources(template, "AWS::EC2::Route"):
        if "NatGatewayId" in one["Properties"]:
            yield _named(one["Properties"]["RouteTableId"])


def _takes_tls(template: Template, group: str, networks: Mapping[str, Any]) -> bool:
    said = template["Resources"].get(group, {}).get("Properties", {})
    return any(
        each.get("FromPort") == 443 and _named(_reference(each.get("CidrIp"))) in networks
        for each in said.get("SecurityGroupIngress", [])
    )


def alarms_that_reach_nobody(template: Template, expected: Expected) -> Found:
    """A topic's own policy replaces the usual one, and no alarm was ever mailed."""
    policies = [one["Properties"] for _, one in _resources(template, "AWS::SNS::TopicPolicy")]
    for name, _ in _resources(template, "AWS::SNS::Topic"):
        own = [policy for policy in policies if {"Ref": name} in policy["Topics"]]
        said = [each for policy in own for each in policy["PolicyDocument"]["Statement"]]
        if own and not any(_lets_alarms_publish(each) for each in said):
            yield name, "its policy does not let cloudwatch.amazonaws.com publish: no alarm arrives"


def _lets_alarms_publish(statement: Mapping[str, Any]) -> bool:
    principal = statement.get("Principal")
    services = _list(principal.get("Service", [])) if isinstance(principal, dict) else []
    return (
        statement["Effect"] == "Allow"
        and "cloudwatch.amazonaws.com" in services
        and "sns:Publish" in _list(statement["Action"])
    )


def versions_kept_for_ever(template: Template, expected: Expected) -> Found:
    """Access logs "expired" and were paid for all the same: versions of them stayed."""
    for name, one in _resources(template, "AWS::S3::Bucket"):
        said = one["Properties"]
        rules = said.get("LifecycleConfiguration", {}).get("Rules", [])
        versioned = said.get("VersioningConfiguration", {}).get("Status") == "Enabled"
        if versioned and not any("NoncurrentVersionExpiration" in rule for rule in rules):
            yield name, "it is versioned, and no rule ever deletes a version that is not current"


def doors_without_a_limit(template: Template, expected: Expected) -> Found:
    """One sender asked as fast as it could, and nobody else was answered."""
    limiting = {name for name, one in _resources(template, "AWS::WAFv2::WebACL") if _limits(one)}
    guarded = {
        one["Properties"]["ResourceArn"].get("Ref")
        for _, one in _resources(template, "AWS::WAFv2::WebACLAssociation")
        if one["Properties"]["WebACLArn"].get("Fn::GetAtt", [""])[0] in limiting
    }
    for name, one in _resources(template, "AWS::ElasticLoadBalancingV2::LoadBalancer"):
        if one["Properties"].get("Scheme") == "internet-facing" and name not in guarded:
            yield name, "the internet reaches it, and no rule limits the requests of an address"


def _limits(acl: Mapping[str, Any]) -> bool:
    """Whether a rule of an access list blocks an address that asks too often, whatever it asks."""
    for rule in acl["Properties"].get("Rules", []):
        rate = rule["Statement"].get("RateBasedStatement", {})
        by_address = rate.get("AggregateKeyType") == "IP" and "ScopeDownStatement" not in rate
        if by_address and "Block" in rule.get("Action", {}):
            return True
    return False


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


RULES: tuple[Rule, ...] = (
    images_not_of_the_release,
    tags_that_are_never_pulled_again,
    launch_template_ignored,
    retention_below_dormancy,
    receipts_that_an_outage_uses_up,
    cors_that_browsers_reject,
    queue_read_blindly,
    launcher_on_a_capacity_provider,
    clients_without_a_region,
    gpus_that_nothing_uses,
    model_servers_that_a_tag_names,
    runs_that_ask_no_server,
    model_servers_that_lead_somewhere,
    model_servers_that_nothing_scales,
    model_servers_cut_short,
    spot_machines_that_say_nothing,
    machines_ended_at_work,
    runs_killed_before_they_hand_back,
    capacity_that_the_cluster_lacks,
    databases_that_may_be_lost,
    passwords_of_truth,
    users_that_may_be_anybody,
    logs_kept_for_ever,
    keys_that_somebody_lacks,
    keys_that_may_be_lost,
    kept_under_another_key,
    endpoints_that_lead_nowhere,
    alarms_that_reach_nobody,
    versions_kept_for_ever,
    doors_without_a_limit,
)
