"""Task definitions: images from the release, environment from one place, a health check each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import engine
import rights
from aws_cdk import (
    Duration,
    Stack,
)
from aws_cdk import (
    aws_ecs as ecs,
)
from aws_cdk import (
    aws_iam as iam,
)
from aws_cdk import (
    aws_rds as rds,
)
from constructs import Construct
from site_file import Site

from stack.log_groups import log_group
from stack.stores import Arrivals, Aurora, Truth

SHARED_MEMORY_MIB = 2048  # data loaders hand over pixels through it
DISK_GIB = 40  # of Fargate for the image gpu, which with torch fills the usual 20
STOP = 120
"""Seconds that a run has to end: as many as Fargate allows, and as spot machines have left."""
RUN = "run"  # the container that the launcher gives its command


@dataclass(frozen=True)
class Size:
    cpu: int  # units, 1024 to a core
    memory_mib: int


class Tasks(Construct):
    """Makes the task definitions of a site."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        site: Site,
        truth: Truth | Aurora,
        arrivals: Arrivals,
        records: rds.DatabaseInstance,
    ) -> None:
        super().__init__(scope, name)
        self._site = site
        self._records = records
        self._truth = truth
        self._everywhere = {
            # ECS sets neither on machines of ours, and boto3 reads the second name only.
            "AWS_REGION": Stack.of(self).region,
            "AWS_DEFAULT_REGION": Stack.of(self).region,
            **truth.told(rights.WORK),
            "PARJANYA_OBJECTS__URL": "s3://",
            "PARJANYA_UPLOADS__ORIGINS": " ".join(
                origin for tenant in site.tenants.values() for origin in tenant.origins
            ),
        }
        self._of_dagster = {
            "PARJANYA_TENANTS__BUCKETS": site.bucket_names,
            "PARJANYA_LANES__LAYOUT": "split",
            "PARJANYA_RUNS__MANIFEST_PAUSE": "600",  # a batch that grows is not read for each image
            "PARJANYA_LANES__LAUNCHER": "ecs",
            **engine.settings(site),
            "PARJANYA_ARRIVALS__QUEUE": arrivals.queue.queue_url,
            "PARJANYA_ARRIVALS__DEAD_LETTERS": arrivals.dead.queue_url,
            "PARJANYA_ARRIVALS__LONGEST_DORMANCY_HOURS": str(site.dormancy_days * 24),
            "DAGSTER_POSTGRES_HOST": records.db_instance_endpoint_address,
        }
        self._of_runs = {"PARJANYA_RUNS__STOP_TIMEOUT": str(STOP)}
        if site.traces:
            self._of_runs["OTEL_EXPORTER_OTLP_ENDPOINT"] = site.traces

    def role(self, name: str) -> iam.Role:
        """A role for tasks, without any right yet."""
        return iam.Role(
            self, f"{name}Role", assumed_by=iam.ServicePrincipal("ecs-tasks.amazonaws.com")
        )

    def fargate(
        self,
        name: str,
        size: Size,
        command: Sequence[str],
        role: iam.IRole,
        *,
        port: int | None = None,
        healthy: str | None = None,
        environment: Mapping[str, str] | None = None,
        secrets: Mapping[str, ecs.Secret] | None = None,
        of_dagster: bool = True,
    ) -> ecs.FargateTaskDefinition:
        """A service's definition, on the CPU side. `healthy`: a shell command, exit 0 if it is.

        Only what is `of_dagster` knows where its records are, and their password. `secrets`: what
        else it is told.
        """
        definition = ecs.FargateTaskDefinition(
            self, name, cpu=size.cpu, memory_limit_mib=size.memory_mib, task_role=role
        )
        container = self._container(
            definition,
            name.lower(),
            "cpu",
            command,
            healthy,
            environment,
            secrets=secrets,
            of_dagster=of_dagster,
        )
        if port is not None:
            container.add_port_mappings(ecs.PortMapping(container_port=port))
        return definition

    def cpu_run(self, size: Size, role: iam.IRole) -> ecs.FargateTaskDefinition:
        """What runs of the cpu lane are."""
        definition = ecs.FargateTaskDefinition(
            self, "CpuRun", cpu=size.cpu, memory_limit_mib=size.memory_mib, task_role=role
        )
        self._container(definition, RUN, "cpu", None, None, self._of_runs)
        return definition

    def gpu_run(self, size: Size, gpus: int, role: iam.IRole) -> ecs.Ec2TaskDefinition:
        """What runs of the gpu lane are."""
        definition = ecs.Ec2TaskDefinition(
            self, "GpuRun", network_mode=ecs.NetworkMode.AWS_VPC, task_role=role
        )
        # Named, so that a run which finds no GPU says so, and does not go on without.
        on_gpu = {**self._of_runs, "PARJANYA_ENGINES__DEVICE": "cuda"}
        self._container(definition, RUN, "gpu", None, None, on_gpu, size=size, gpus=gpus)
        return definition

    def asking_run(self, role: iam.IRole) -> ecs.FargateTaskDefinition:
        """What runs of the gpu lane are where a server holds the GPUs."""
        told = engine.settings(self._site)
        definition = ecs.FargateTaskDefinition(
            self,
            "GpuRun",
            cpu=int(told["PARJANYA_LANES__GPU__CPU"]) * 1024,
            memory_limit_mib=int(told["PARJANYA_LANES__GPU__MEMORY_MIB"]),
            ephemeral_storage_gib=DISK_GIB,
            task_role=role,
        )
        self._container(definition, RUN, "gpu", None, None, self._of_runs)
        return definition

    def migrating(self, definition: ecs.FargateTaskDefinition) -> None:
        """Before the task's own container starts: Truth has the schema of this release, and knows
        the tenants of the site. An event of a bucket that nobody knows is of no use to anybody.
        """
        told: dict[str, str] = {}
        secrets: dict[str, ecs.Secret] = {}
        if isinstance(self._truth, Aurora):  # its tables have an owner, whom nothing else is told
            told = {"PARJANYA_TRUTH__URL": self._truth.owners_url}
            password = ecs.Secret.from_secrets_manager(self._truth.secret, "password")
            secrets = {"PGPASSWORD": password}
        commands = [
            "parjanya migrate --users" if told else "parjanya migrate",
            *(
                f"parjanya tenant add {slug} --bucket {tenant.bucket}"
                for slug, tenant in self._site.tenants.items()
            ),
        ]
        command = ["sh", "-c", " && ".join(commands)]
        first = self._container(
            definition, "migrate", "cpu", command, None, told, essential=False, secrets=secrets
        )
        definition.default_container.add_container_dependencies(
            ecs.ContainerDependency(
                container=first, condition=ecs.ContainerDependencyCondition.SUCCESS
            )
        )

    def _container(
        self,
        definition: ecs.TaskDefinition,
        name: str,
        side: str,
        command: Sequence[str] | None,
        healthy: str | None,
        environment: Mapping[str, str] | None,
        *,
        size: Size | None = None,
        gpus: int | None = None,
        essential: bool = True,
        secrets: Mapping[str, ecs.Secret] | None = None,
        of_dagster: bool = True,
    ) -> ecs.ContainerDefinition:
        image = self._site.release.image(side)
        group = log_group(definition, f"{name}Logs")
        told = dict(secrets or {})
        if of_dagster:
            secret = self._records.secret
            told |= {
                "DAGSTER_POSTGRES_USER": ecs.Secret.from_secrets_manager(secret, "username"),
                "DAGSTER_POSTGRES_PASSWORD": ecs.Secret.from_secrets_manager(secret, "password"),
            }
        health = None
        if healthy is not None:
            health = ecs.HealthCheck(
                command=["CMD-SHELL", healthy],
                interval=Duration.seconds(30),
                timeout=Duration.seconds(25),
                retries=4,
                start_period=Duration.minutes(3),
            )
        limits, shared_memory = {}, {}
        if size is not None:  # on machines of ours a container says what it takes
            limits = {"cpu": size.cpu, "memory_limit_mib": size.memory_mib, "gpu_count": gpus}
            shared_memory = {"shared_memory_size": SHARED_MEMORY_MIB}
        definition.obtain_execution_role().add_managed_policy(
            iam.ManagedPolicy.from_aws_managed_policy_name(
                "service-role/AmazonECSTaskExecutionRolePolicy"
            )
        )
        return definition.add_container(
            name,
            container_name=name,
            image=ecs.ContainerImage.from_registry(image),
            command=list(command) if command else None,
            essential=essential,
            user="10001",
            environment={
                **self._everywhere,
                **(self._of_dagster if of_dagster else {}),
                "PARJANYA_IDENTITY__IMAGE": image,
                **(environment or {}),
            },
            secrets=told or None,
            logging=ecs.LogDrivers.aws_logs(stream_prefix=name, log_group=group),
            health_check=health,
            stop_timeout=Duration.seconds(STOP if name == RUN else 60),
            linux_parameters=ecs.LinuxParameters(
                definition, f"{name}Linux", init_process_enabled=True, **shared_memory
            ),
            **limits,
        )
