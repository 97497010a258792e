"""The model server: vLLM on the machines with a GPU, asked by runs and by nobody else.

How many there are follows from what is due, from none (`parjanya_dagster.intent.scaling_groups`).
A server has a network and a role of its own, and neither leads anywhere: it reads strangers'
pictures.
"""

from __future__ import annotations

from aws_cdk import Duration, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_servicediscovery as discovery
from constructs import Construct
from engine import PORT, SERVER, server
from site_file import Served, Site

from stack.log_groups import log_group
from stack.machines import Machines
from stack.tasks import SHARED_MEMORY_MIB, Size

STOP = Duration.seconds(120)  # until a server that was asked to end is killed
_ASK = f"urllib.request.urlopen('http://127.0.0.1:{PORT}/health', timeout=20)"


class ModelServer(Construct):
    """A service of vLLM, from none to as many as there may be machines."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        site: Site,
        served: Served,
        size: Size,
        gpus: int,
        vpc: ec2.IVpc,
        machines: Machines,
        names: discovery.PrivateDnsNamespace,
        asking: ec2.SecurityGroup,
    ) -> None:
        """`asking`: the group of those who may ask it."""
        super().__init__(scope, name)
        self.group = ec2.SecurityGroup(
            self, "Group", vpc=vpc, description="Model server", allow_all_outbound=False
        )
        self.group.add_ingress_rule(asking, ec2.Port.tcp(PORT))
        self.service = ecs.Ec2Service(
            self,
            "Service",
            cluster=machines.cluster,
            task_definition=self._definition(site, served, size, gpus),
            # No desired count: each deployment would set it back.
            capacity_provider_strategies=[
                ecs.CapacityProviderStrategy(
                    capacity_provider=machines.gpus.capacity_provider_name, weight=1
                )
            ],
            # The old one gives its GPU to the new one. Images wait meanwhile.
            min_healthy_percent=0,
            max_healthy_percent=100,
            security_groups=[self.group],
            circuit_breaker=ecs.DeploymentCircuitBreaker(rollback=True),
            cloud_map_options=ecs.CloudMapOptions(
                cloud_map_namespace=names, name=SERVER, dns_ttl=Duration.seconds(10)
            ),
            propagate_tags=ecs.PropagatedTagSource.SERVICE,
        )
        # The cluster knows the capacity provider before a service names it.
        self.service.node.add_dependency(machines.cluster)

    def _definition(
        self, site: Site, served: Served, size: Size, gpus: int
    ) -> ecs.Ec2TaskDefinition:
        role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("ecs-tasks.amazonaws.com"))
        definition = ecs.Ec2TaskDefinition(
            self, "Definition", network_mode=ecs.NetworkMode.AWS_VPC, task_role=role
        )
        definition.obtain_execution_role().add_managed_policy(
            iam.ManagedPolicy.from_aws_managed_policy_name(
                "service-role/AmazonECSTaskExecutionRolePolicy"
            )
        )
        group = log_group(self, "Logs")
        region = Stack.of(self).region
        definition.add_container(
            SERVER,
            container_name=SERVER,
            image=ecs.ContainerImage.from_registry(site.release.image("model")),
            entry_point=["vllm"],
            command=server(site, served),
            user="10001",
            environment={
                "AWS_REGION": region,
                "AWS_DEFAULT_REGION": region,
                "HOME": "/tmp",  # compiled kernels
                "USER": "parjanya",  # the user has no name in vLLM's own image, and torch asks
                "HF_HUB_OFFLINE": "1",
                "VLLM_NO_USAGE_STATS": "1",
            },
            port_mappings=[ecs.PortMapping(container_port=PORT)],
            logging=ecs.LogDrivers.aws_logs(stream_prefix=SERVER, log_group=group),
            health_check=ecs.HealthCheck(
                command=["CMD-SHELL", f'python3 -c "import urllib.request; {_ASK}"'],
                # 300 s is the most before failures count, and 10 are the most: 15 minutes to load.
                start_period=Duration.seconds(300),
                interval=Duration.seconds(60),
                timeout=Duration.seconds(25),
                retries=10,
            ),
            stop_timeout=STOP,
            cpu=size.cpu,
            memory_limit_mib=size.memory_mib,
            gpu_count=gpus,
            linux_parameters=ecs.LinuxParameters(
                self, "Linux", init_process_enabled=True, shared_memory_size=SHARED_MEMORY_MIB
            ),
        )
        return definition
