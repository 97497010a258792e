"""The network: a subnet of each kind in each zone, everything of ours in private subnets."""

from __future__ import annotations

from aws_cdk import aws_ec2 as ec2
from constructs import Construct
from site_file import Site

from stack.log_groups import log_group

ASKED = (
    "sqs",
    "ecr.api",
    "ecr.dkr",
    "logs",
    "secretsmanager",
    "sts",
    "ecs",
    "ecs-agent",
    "ecs-telemetry",
    "ec2",
    "dynamodb-streams",
)
"""What is asked of AWS beside S3 and DynamoDB, as the names of endpoints say it: queues, images,
logs, secrets, who we are, and tasks (of machines of ours in three parts); the launcher looks at its
network interface. The stream of the table has no endpoint that costs nothing."""


class Network(Construct):
    """A VPC whose traffic to S3 and DynamoDB does not go through NAT."""

    def __init__(self, scope: Construct, name: str, site: Site) -> None:
        super().__init__(scope, name)
        private = ec2.SubnetConfiguration(
            name="private", subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS, cidr_mask=20
        )
        public = ec2.SubnetConfiguration(
            name="public",
            subnet_type=ec2.SubnetType.PUBLIC,
            cidr_mask=24,
            map_public_ip_on_launch=False,
        )
        self.vpc = ec2.Vpc(
            self,
            "Vpc",
            availability_zones=site.zones,
            subnet_configuration=[private, public],
            gateway_endpoints={
                "S3": ec2.GatewayVpcEndpointOptions(service=ec2.GatewayVpcEndpointAwsService.S3),
                "DynamoDb": ec2.GatewayVpcEndpointOptions(
                    service=ec2.GatewayVpcEndpointAwsService.DYNAMODB
                ),
            },
        )
        group = log_group(self, "FlowLogs")
        self.vpc.add_flow_log("Flow", destination=ec2.FlowLogDestination.to_cloud_watch_logs(group))
        if site.endpoints:
            self._endpoints()

    def _endpoints(self) -> None:
        """Names of AWS lead to them, so who may not reach them reaches nothing of AWS."""
        inside = ec2.SecurityGroup(
            self, "EndpointsGroup", vpc=self.vpc, description="Endpoints of AWS"
        )
        inside.add_ingress_rule(ec2.Peer.ipv4(self.vpc.vpc_cidr_block), ec2.Port.tcp(443))
        for asked in ASKED:
            self.vpc.add_interface_endpoint(
                asked,
                service=ec2.InterfaceVpcEndpointAwsService(asked),
                security_groups=[inside],
                private_dns_enabled=True,
                open=False,  # the group says who: the network
            )
