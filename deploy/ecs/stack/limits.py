"""How many requests an address may send to the doors, counted before the load balancer (AWS WAF).

Behind the doors are limits of our own, of wrong tokens and of the files of an upload token. These
are for floods: what is over them reaches no task. AWS does not count exactly, and an office may be
one address.
"""

from __future__ import annotations

import json

from aws_cdk import aws_elasticloadbalancingv2 as elb
from aws_cdk import aws_wafv2 as waf
from constructs import Construct

WINDOW = 300  # seconds over which requests of an address are counted
UPLOADS = 6_000
"""An uploader asks once for each file, and for how far they are. That is 20 requests a second."""
EVERYTHING = 30_000  # a page of the desk is hundreds of thumbnails; 100 requests a second
BODY = "TooMany"
TOO_MANY = "Too many requests came from this address. It is answered again in a few minutes."
HEADERS = {
    "Retry-After": "60",
    # Pages of tenants' own origins ask too, and without these a page sees a broken connection.
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "Retry-After",
}


class Limits(Construct):
    """A rule for the host of the uploads, whose clients are strangers, and one for all hosts."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        balancer: elb.IApplicationLoadBalancer,
        upload_host: str,
    ) -> None:
        super().__init__(scope, name)
        self.acl = waf.CfnWebACL(
            self,
            "Acl",
            scope="REGIONAL",
            default_action=waf.CfnWebACL.DefaultActionProperty(allow={}),
            visibility_config=_seen("Doors"),
            custom_response_bodies={
                BODY: waf.CfnWebACL.CustomResponseBodyProperty(
                    content=json.dumps({"detail": TOO_MANY}), content_type="APPLICATION_JSON"
                )
            },
            rules=[
                _at_most(UPLOADS, "TooManyUploads", 1, _to(upload_host)),
                _at_most(EVERYTHING, "TooManyRequests", 2),
            ],
        )
        waf.CfnWebACLAssociation(
            self,
            "AtTheBalancer",
            resource_arn=balancer.load_balancer_arn,
            web_acl_arn=self.acl.attr_arn,
        )


def _at_most(
    requests: int, name: str, priority: int, only: waf.CfnWebACL.StatementProperty | None = None
) -> waf.CfnWebACL.RuleProperty:
    """Whoever sends more in the window is answered 429 until the rate has fallen.

    AWS WAF answers 403 if nothing else is said. Clients take that for the end of their session.
    """
    return waf.CfnWebACL.RuleProperty(
        name=name,
        priority=priority,
        action=waf.CfnWebACL.RuleActionProperty(
            block=waf.CfnWebACL.BlockActionProperty(
                custom_response=waf.CfnWebACL.CustomResponseProperty(
                    response_code=429,
                    custom_response_body_key=BODY,
                    response_headers=[
                        waf.CfnWebACL.CustomHTTPHeaderProperty(name=key, value=value)
                        for key, value in HEADERS.items()
                    ],
                )
            )
        ),
        visibility_config=_seen(name),
        statement=waf.CfnWebACL.StatementProperty(
            rate_based_statement=waf.CfnWebACL.RateBasedStatementProperty(
                aggregate_key_type="IP",
                limit=requests,
                evaluation_window_sec=WINDOW,
                scope_down_statement=only,
            )
        ),
    )


def _to(host: str) -> waf.CfnWebACL.StatementProperty:
    """A host as its first letters: a client may name the port too, and writes it as it likes."""
    return waf.CfnWebACL.StatementProperty(
        byte_match_statement=waf.CfnWebACL.ByteMatchStatementProperty(
            field_to_match=waf.CfnWebACL.FieldToMatchProperty(single_header={"Name": "host"}),
            positional_constraint="STARTS_WITH",
            search_string=host.lower(),
            text_transformations=[
                waf.CfnWebACL.TextTransformationProperty(priority=0, type="LOWERCASE")
            ],
        )
    )


def _seen(name: str) -> waf.CfnWebACL.VisibilityConfigProperty:
    return waf.CfnWebACL.VisibilityConfigProperty(
        cloud_watch_metrics_enabled=True, metric_name=name, sampled_requests_enabled=True
    )
