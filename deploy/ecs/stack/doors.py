"""The doors: UI and desk behind a login, the uploads behind their tokens. All with TLS."""

from __future__ import annotations

from typing import Any

from aws_cdk import (
    Duration,
    SecretValue,
)
from aws_cdk import (
    aws_ec2 as ec2,
)
from aws_cdk import (
    aws_ecs as ecs,
)
from aws_cdk import (
    aws_elasticloadbalancingv2 as elb,
)
from aws_cdk import (
    aws_s3 as s3,
)
from constructs import Construct
from site_file import Oidc, Site

from stack.limits import Limits
from stack.services import DESK_PORT, UI_PORT, UPLOADS_PORT, Services

SESSION = Duration.hours(12)  # for which somebody stays signed in
IDLE = Duration.seconds(60)
"""How long the load balancer keeps a connection. What serves uploads keeps it longer."""


class Doors(Construct):
    """One load balancer, three host names. Anything else is not found."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        site: Site,
        vpc: ec2.IVpc,
        services: Services,
        logs: s3.IBucket,
    ) -> None:
        super().__init__(scope, name)
        self.balancer = elb.ApplicationLoadBalancer(
            self,
            "Balancer",
            vpc=vpc,
            internet_facing=True,
            drop_invalid_header_fields=True,
            deletion_protection=True,
            idle_timeout=IDLE,
        )
        self.balancer.log_access_logs(logs, "doors")
        Limits(self, "Limits", balancer=self.balancer, upload_host=site.ui.upload_host)
        self.balancer.add_redirect()
        listener = self.balancer.add_listener(
            "Https",
            port=443,
            certificates=[elb.ListenerCertificate.from_arn(site.ui.certificate)],
            ssl_policy=elb.SslPolicy.TLS13_RES,
            default_action=elb.ListenerAction.fixed_response(404),
        )
        self.ui = self._targets("Ui", services.ui, UI_PORT, vpc, "/server_info")
        listener.add_action(
            "UiAfterLogin",
            priority=10,
            conditions=[elb.ListenerCondition.host_headers([site.ui.host])],
            action=_after_login(site.ui.oidc, self.ui),
        )
        # Who came to one desk stays there: its catalog has their last decisions at once.
        self.desk = self._targets(
            "Desk", services.desk, DESK_PORT, vpc, "/healthz", stickiness_cookie_duration=SESSION
        )
        listener.add_action(
            "DeskAfterLogin",
            priority=15,
            conditions=[elb.ListenerCondition.host_headers([site.ui.desk_host])],
            action=_after_login(site.ui.oidc, self.desk),
        )
        self.uploads = self._targets(
            "Uploads", services.uploads, UPLOADS_PORT, vpc, "/openapi.json"
        )
        listener.add_action(
            "Uploads",
            priority=20,
            conditions=[elb.ListenerCondition.host_headers([site.ui.upload_host])],
            action=elb.ListenerAction.forward([self.uploads]),
        )

    def _targets(
        self,
        name: str,
        service: ecs.FargateService,
        port: int,
        vpc: ec2.IVpc,
        path: str,
        **more: Any,
    ) -> elb.ApplicationTargetGroup:
        return elb.ApplicationTargetGroup(
            self,
            f"{name}Targets",
            vpc=vpc,
            port=port,
            protocol=elb.ApplicationProtocol.HTTP,
            targets=[service],
            deregistration_delay=Duration.seconds(30),
            health_check=elb.HealthCheck(path=path, healthy_threshold_count=2),
            **more,
        )


def _after_login(oidc: Oidc, targets: elb.IApplicationTargetGroup) -> elb.ListenerAction:
    """The load balancer asks the provider who it is, and tells the target in headers."""
    return elb.ListenerAction.authenticate_oidc(
        issuer=oidc.issuer,
        authorization_endpoint=oidc.authorization_endpoint,
        token_endpoint=oidc.token_endpoint,
        user_info_endpoint=oidc.user_info_endpoint,
        client_id=oidc.client_id,
        client_secret=SecretValue.secrets_manager(oidc.client_secret_name),
        session_timeout=SESSION,
        on_unauthenticated_request=elb.UnauthenticatedAction.AUTHENTICATE,
        next=elb.ListenerAction.forward([targets]),
    )
