"""The services: code location, daemon, web UI, uploads, desk, exporter; and what runs are.

The server of a model is in `stack.model`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import rights
from aws_cdk import (
    Duration,
    Stack,
)
from aws_cdk import (
    aws_ec2 as ec2,
)
from aws_cdk import (
    aws_ecs as ecs,
)
from aws_cdk import (
    aws_iam as iam,
)
from aws_cdk import (
    aws_kms as kms,
)
from aws_cdk import (
    aws_secretsmanager as secretsmanager,
)
from aws_cdk import (
    aws_servicediscovery as discovery,
)
from constructs import Construct
from engine import NAMESPACE
from site_file import Site

from parjanya_dagster.lanes import SPLIT
from stack import access
from stack.machines import Machines
from stack.model import ModelServer
from stack.stores import Arrivals, Aurora, Records, Truth
from stack.tasks import Size, Tasks

CODE_PORT, UI_PORT, UPLOADS_PORT, METRICS_PORT = 4000, 3000, 8400, 9464
DESK_PORT = 3100
SPOT = "FARGATE_SPOT"
COPIES = 2  # of what browsers ask
_LANES = {lane.name: lane.needs for lane in SPLIT}
_QUICK = "parjanya doctor --quick"


class Services(Construct):
    """Everything that runs all the time, and the definitions of what does not."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        site: Site,
        vpc: ec2.IVpc,
        machines: Machines,
        tasks: Tasks,
        truth: Truth | Aurora,
        arrivals: Arrivals,
        images: access.Images,
        records: Records,
        key: kms.Key | None,
    ) -> None:
        super().__init__(scope, name)
        self._machines, self._tasks = machines, tasks
        self._names = discovery.PrivateDnsNamespace(self, "Names", name=NAMESPACE, vpc=vpc)
        self._network(vpc, records)
        truth.reached_from(*(one for name, one in self.groups.items() if name != "Ui"))

        runs = self._tasks.role("Runs")
        truth.let_in(runs, rights.WORK)
        access.see_queues(runs, arrivals.queue, arrivals.dead)  # the doctor's check runs there
        images.read(runs)
        images.write_results(runs)
        self.cpu_run = tasks.cpu_run(_size("cpu"), runs)
        self.model = self._model(site, vpc)
        if self.model is None:
            self.gpu_run = tasks.gpu_run(_size("gpu"), _LANES["gpu"].gpus, runs)
            on_machines = {
                "PARJANYA_LANES__GPU__CAPACITY_PROVIDER": machines.gpus.capacity_provider_name
            }
        else:
            self.gpu_run = tasks.asking_run(runs)
            on_machines = {}
        if site.fargate_spot:
            on_machines = {
                "PARJANYA_LANES__CPU__CAPACITY_PROVIDER": SPOT,
                "PARJANYA_LANES__GPU__CAPACITY_PROVIDER": SPOT,
                **on_machines,
            }
        where = {
            "PARJANYA_LANES__CPU__TASK_DEFINITION": self.cpu_run.task_definition_arn,
            "PARJANYA_LANES__GPU__TASK_DEFINITION": self.gpu_run.task_definition_arn,
            **on_machines,
            # What the launcher uses where a run names no definition of its own.
            "PARJANYA_RUN_TASK_DEFINITION": self.cpu_run.task_definition_arn,
        }

        code = self._tasks.role("Code")  # sensors run here
        truth.let_in(code, rights.WORK, rights.FOLLOW, rights.MIGRATE)
        images.read(code)
        images.check(code)
        images.discover(code)
        access.take_arrivals(code, arrivals.queue, arrivals.dead)
        raised = {}
        if self.model is not None:
            access.raise_service(code, machines.cluster.cluster_arn, self.model.service_arn)
            raised = {
                "PARJANYA_LANES__GPU__MODEL_SERVICE": (
                    f"{machines.cluster.cluster_name}/{self.model.service_name}"
                ),
                "PARJANYA_SCALING__MAX_INSTANCES": str(site.gpu.most),
            }
        self.code = self._service(
            "Code",
            Size(1024, 4096),
            ["dagster", "api", "grpc", "-m", "parjanya_dagster.definitions", "-h", "0.0.0.0",
             "-p", str(CODE_PORT), "--location-name", "parjanya"],
            code,
            port=CODE_PORT,
            healthy=f"dagster api grpc-health-check -p {CODE_PORT}",
            environment={**where, **raised},
        )  # fmt: skip
        tasks.migrating(self.code.task_definition)

        daemon = self._tasks.role("Daemon")
        truth.let_in(daemon, rights.LOOK)  # its health check is the doctor
        definitions = [self.cpu_run, self.gpu_run]
        access.launch_runs(
            daemon,
            machines.cluster.cluster_arn,
            [one.task_definition_arn for one in definitions],
            [runs, *(one.execution_role for one in definitions)],
        )
        self._stops_runs(daemon)
        self.daemon = self._service(
            "Daemon",
            Size(1024, 2048),
            ["dagster-daemon", "run"],
            daemon,
            healthy=_QUICK,
            environment={**where, **truth.told(rights.LOOK)},
        )
        ui = self._tasks.role("Ui")
        self._stops_runs(ui)
        self.ui = self._service(
            "Ui",
            Size(1024, 2048),
            ["dagster-webserver", "-h", "0.0.0.0", "-p", str(UI_PORT)],
            ui,
            port=UI_PORT,
            healthy=_answers(UI_PORT, "/server_info"),
            environment=where,
        )
        uploads = self._tasks.role("Uploads")
        truth.let_in(uploads, rights.PROMISE)
        images.promise(uploads)
        self.uploads = self._service(
            "Uploads",
            Size(512, 1024),
            [
                "parjanya",
                "web",
                "--only",
                "uploads",
                "--host",
                "0.0.0.0",
                "--port",
                str(UPLOADS_PORT),
            ],
            uploads,
            port=UPLOADS_PORT,
            healthy=_answers(UPLOADS_PORT, "/openapi.json"),
            # The load balancer is in it, and nothing else reaches this port: limits are by sender.
            environment={
                **truth.told(rights.PROMISE),
                "PARJANYA_WEB__TRUSTED_PROXIES": vpc.vpc_cidr_block,
                "PARJANYA_WEB__PROCESSES": str(COPIES),
            },
            copies=COPIES,
            strangers=True,
        )
        desk = self._tasks.role("Desk")
        truth.let_in(desk, rights.DECIDE)
        access.see_queues(desk, arrivals.queue, arrivals.dead)  # its first page is the doctor's
        self._stops_runs(desk, only_look=True)
        images.read(desk)
        images.release(desk)
        images.promise(desk)
        sessions = secretsmanager.Secret(
            self,
            "DeskSessions",
            description="What the desks of Parjanya sign with",
            encryption_key=key,
            generate_secret_string=secretsmanager.SecretStringGenerator(
                password_length=64, exclude_punctuation=True
            ),
        )
        self.desk = self._service(
            "Desk",
            Size(1024, 4096),  # the catalog of a million images takes 350 MB, vectors as much
            ["parjanya", "web", "--host", "0.0.0.0", "--port", str(DESK_PORT)],
            desk,
            port=DESK_PORT,
            healthy=_answers(DESK_PORT, "/healthz"),
            environment={
                **where,
                # The load balancer signs people in, and nothing else reaches this port.
                "PARJANYA_WEB__IDENTITY_HEADER": "x-amzn-oidc-identity",
                "PARJANYA_WEB__TRUSTED_PROXIES": vpc.vpc_cidr_block,
                "PARJANYA_WEB__HOSTS": site.ui.desk_host,
                "PARJANYA_WEB__ROLES": site.ui.desk_roles,
                "PARJANYA_WEB__PROCESSES": str(COPIES),
            },
            secrets={"PARJANYA_WEB__SECRET": ecs.Secret.from_secrets_manager(sessions)},
            copies=COPIES,
        )
        metrics = self._tasks.role("Metrics")
        truth.let_in(metrics, rights.LOOK)
        access.see_queues(metrics, arrivals.queue, arrivals.dead)
        self._stops_runs(metrics, only_look=True)
        self.metrics = self._service(
            "Metrics",
            Size(512, 1024),
            ["parjanya", "metrics", "--host", "0.0.0.0", "--port", str(METRICS_PORT)],
            metrics,
            port=METRICS_PORT,
            healthy=_answers(METRICS_PORT, "/metrics"),
            environment={**where, **truth.told(rights.LOOK)},
        )

    def _model(self, site: Site, vpc: ec2.IVpc) -> ecs.Ec2Service | None:
        """The server of the gpu lane's model, where one is served. It fills a machine."""
        if site.gpu.served is None:
            return None
        made = ModelServer(
            self,
            "Model",
            site=site,
            served=site.gpu.served,
            size=_size("gpu"),
            gpus=_LANES["gpu"].gpus,
            vpc=vpc,
            machines=self._machines,
            names=self._names,
            asking=self.groups["Daemon"],
        )
        return made.service

    def _network(self, vpc: ec2.IVpc, records: Records) -> None:
        """A group for each service, and who reaches whom. Runs have the daemon's group.

        What faces the internet reaches none of ours: the storage and AWS itself, by TLS.
        """
        said = {
            "Code": "Code location",
            "Daemon": "Daemon and runs",
            "Ui": "Web UI",
            "Metrics": "Exporter",
            "Desk": "Desk",
        }
        self.groups = {
            name: ec2.SecurityGroup(self, f"{name}Group", vpc=vpc, description=what)
            for name, what in said.items()
        }
        for name in said:
            records.database.connections.allow_default_port_from(self.groups[name])
        for name in ("Daemon", "Ui"):
            self.groups["Code"].add_ingress_rule(self.groups[name], ec2.Port.tcp(CODE_PORT))
        scrapers = ec2.SecurityGroup(
            self, "Scrapers", vpc=vpc, description="Whoever reads the metrics of Parjanya"
        )
        self.groups["Metrics"].add_ingress_rule(scrapers, ec2.Port.tcp(METRICS_PORT))
        self.groups["Uploads"] = ec2.SecurityGroup(
            self, "UploadsGroup", vpc=vpc, description="Uploads", allow_all_outbound=False
        )
        self.groups["Uploads"].add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(443))

    def _stops_runs(self, role: iam.IRole, *, only_look: bool = False) -> None:
        cluster = self._machines.cluster
        tasks = Stack.of(self).format_arn(
            service="ecs", resource="task", resource_name=f"{cluster.cluster_name}/*"
        )
        if only_look:
            access.look_at_runs(role, cluster.cluster_arn, tasks)
        else:
            access.stop_runs(role, cluster.cluster_arn, tasks)

    def _service(
        self,
        name: str,
        size: Size,
        command: Sequence[str],
        role: iam.IRole,
        *,
        port: int | None = None,
        healthy: str,
        environment: Mapping[str, str] | None = None,
        secrets: Mapping[str, ecs.Secret] | None = None,
        copies: int = 1,
        strangers: bool = False,
    ) -> ecs.FargateService:
        """A service. Of more copies than one, all serve until new ones are healthy.

        One that `strangers` reach knows nothing of Dagster and its records.
        """
        definition = self._tasks.fargate(
            name,
            size,
            command,
            role,
            port=port,
            healthy=healthy,
            environment=environment,
            secrets=secrets,
            of_dagster=not strangers,
        )
        return ecs.FargateService(
            self,
            name,
            cluster=self._machines.cluster,
            task_definition=definition,
            desired_count=copies,
            # One daemon, one set of sensors: the old one stops before the new one starts.
            min_healthy_percent=0 if copies == 1 else 100,
            max_healthy_percent=100 if copies == 1 else 200,
            assign_public_ip=False,
            security_groups=[self.groups[name]],
            circuit_breaker=ecs.DeploymentCircuitBreaker(rollback=True),
            cloud_map_options=ecs.CloudMapOptions(
                cloud_map_namespace=self._names,
                name=name.lower(),
                dns_ttl=Duration.seconds(10),
            ),
            propagate_tags=ecs.PropagatedTagSource.SERVICE,
        )


def _size(lane: str) -> Size:
    needs = _LANES[lane]
    return Size(round(needs.cpu * 1024), needs.memory_mib)


def _answers(port: int, path: str) -> str:
    ask = f"urllib.request.urlopen('http://127.0.0.1:{port}{path}', timeout=20)"
    return f'python -c "import urllib.request; {ask}"'
