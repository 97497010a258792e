"""The cluster, and its machines with a GPU: none while nothing waits for one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from aws_cdk import (
    Tags,
)
from aws_cdk import (
    aws_autoscaling as autoscaling,
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
from constructs import Construct
from site_file import Gpu, Site

from stack.log_groups import log_group

DISK_GIB = 200  # the image, its models and the pixels of a batch
CLUSTER = "parjanya"
RELEASE_TAG = "parjanya:release"
INTERRUPTION = Path(__file__).parents[1] / "interruption.sh"
TELLER = "/usr/local/sbin/parjanya-interruption"


class Machines(Construct):
    """A cluster; tasks that need a GPU name the capacity provider."""

    def __init__(self, scope: Construct, name: str, site: Site, vpc: ec2.IVpc) -> None:
        super().__init__(scope, name)
        self.cluster = ecs.Cluster(
            self,
            "Cluster",
            cluster_name=CLUSTER,
            vpc=vpc,
            container_insights_v2=ecs.ContainerInsights.ENABLED,
            enable_fargate_capacity_providers=site.fargate_spot,
        )
        insights = f"/aws/ecs/containerinsights/{CLUSTER}/performance"
        self.cluster.node.add_dependency(log_group(self, "InsightsLogs", insights))
        self.group = autoscaling.AutoScalingGroup(
            self,
            "Gpu",
            vpc=vpc,
            **_bought(site.gpu, self._template(site, vpc)),
            min_capacity=0,
            max_capacity=site.gpu.most,
            # No desired capacity: each deployment would set it back.
            new_instances_protected_from_scale_in=True,
            group_metrics=[autoscaling.GroupMetrics.all()],
            # What the template says reaches machines that run already. ECS empties them first.
            update_policy=autoscaling.UpdatePolicy.rolling_update(
                max_batch_size=1,
                min_instances_in_service=0,
                suspend_processes=[autoscaling.ScalingProcess.ALARM_NOTIFICATION],
            ),
        )
        self.gpus = ecs.AsgCapacityProvider(
            self,
            "Gpus",
            auto_scaling_group=self.group,
            enable_managed_scaling=True,
            enable_managed_termination_protection=True,
            enable_managed_draining=True,
            target_capacity_percent=100,
            instance_warmup_period=300,
        )
        self.cluster.add_asg_capacity_provider(self.gpus)

    def _template(self, site: Site, vpc: ec2.IVpc) -> ec2.LaunchTemplate:
        role = iam.Role(
            self,
            "GpuMachine",
            assumed_by=iam.ServicePrincipal("ec2.amazonaws.com"),
            managed_policies=[
                iam.ManagedPolicy.from_aws_managed_policy_name(
                    "service-role/AmazonEC2ContainerServiceforEC2Role"
                )
            ],
        )
        disk = ec2.BlockDeviceVolume.ebs(
            DISK_GIB, encrypted=True, volume_type=ec2.EbsDeviceVolumeType.GP3
        )
        setup = ec2.UserData.for_linux()
        setup.add_commands(
            "echo ECS_ENABLE_GPU_SUPPORT=true >> /etc/ecs/ecs.config",
            f"echo ECS_IMAGE_PULL_BEHAVIOR={_pulls(site)} >> /etc/ecs/ecs.config",
            "echo ECS_AWSVPC_BLOCK_IMDS=true >> /etc/ecs/ecs.config",
        )
        if site.gpu.spot is not None:
            setup.add_commands(*_tells_of_interruptions(site.gpu))
        template = ec2.LaunchTemplate(
            self,
            "Template",
            machine_image=ecs.EcsOptimizedImage.amazon_linux2023(ecs.AmiHardwareType.GPU),
            instance_type=ec2.InstanceType(site.gpu.instance_type),
            role=role,
            user_data=setup,
            require_imdsv2=True,
            http_put_response_hop_limit=1,
            detailed_monitoring=True,
            security_group=ec2.SecurityGroup(self, "GpuMachines", vpc=vpc),
            block_devices=[ec2.BlockDevice(device_name="/dev/xvda", volume=disk)],
        )
        # A release changes the template, a changed template changes the group.
        Tags.of(template).add(RELEASE_TAG, site.release.version)
        return template


def _bought(gpu: Gpu, template: ec2.LaunchTemplate) -> dict[str, Any]:
    """How machines are bought, as a group is told it."""
    if gpu.spot is None:
        return {"launch_template": template}
    types = dict.fromkeys([gpu.instance_type, *gpu.spot.also])
    return {
        "mixed_instances_policy": autoscaling.MixedInstancesPolicy(
            launch_template=template,
            launch_template_overrides=[
                autoscaling.LaunchTemplateOverrides(instance_type=ec2.InstanceType(one))
                for one in types
            ],
            instances_distribution=autoscaling.InstancesDistribution(
                on_demand_base_capacity=gpu.spot.bought,
                on_demand_percentage_above_base_capacity=0,
                # Not the cheapest: a machine loads its model for minutes, so that it stays counts.
                spot_allocation_strategy=autoscaling.SpotAllocationStrategy.CAPACITY_OPTIMIZED,
            ),
        ),
        # One that is likely to be taken back is replaced before. ECS empties it first.
        "capacity_rebalance": True,
    }


def _tells_of_interruptions(gpu: Gpu) -> list[str]:
    """Commands of a machine's start, after which its tasks hear that it is taken back.

    The agent then empties the machine of services' tasks. Runs are none: it leaves them alone, so
    they are told by a program of ours.
    """
    commands = ["echo ECS_ENABLE_SPOT_INSTANCE_DRAINING=true >> /etc/ecs/ecs.config"]
    if gpu.runs_hold_it:
        commands += [
            f"cat > {TELLER} <<'END_OF_PROGRAM'\n{INTERRUPTION.read_text()}END_OF_PROGRAM",
            f"chmod 755 {TELLER}",
            f"systemd-run --unit=parjanya-interruption --property=Restart=on-failure {TELLER}",
        ]
    return commands


def _pulls(site: Site) -> str:
    """What a digest names never changes, so it need not be pulled again. A tag may be moved."""
    runs_here = "model" if site.gpu.served else "gpu"
    return "prefer-cached" if site.release.digests.get(runs_here) else "default"
