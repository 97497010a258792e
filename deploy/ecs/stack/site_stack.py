"""The stack: what it is made of, in the order in which it leans on itself."""

from __future__ import annotations

from aws_cdk import Environment, Stack, Tags
from constructs import Construct
from site_file import Site

from stack.access import Images
from stack.alarms import Alarms
from stack.doors import Doors
from stack.keys import own_key
from stack.log_groups import encrypt_all
from stack.machines import RELEASE_TAG, Machines
from stack.network import Network
from stack.services import Services
from stack.stores import Arrivals, Aurora, Buckets, Records, Truth
from stack.tasks import Tasks


class SiteStack(Stack):
    """One installation of Parjanya on ECS."""

    def __init__(self, scope: Construct, name: str, site: Site) -> None:
        super().__init__(
            scope,
            name,
            env=Environment(account=site.account, region=site.region),
            termination_protection=True,
            description=f"Parjanya {site.release.version}",
        )
        network = Network(self, "Network", site)
        key = own_key(self, site)
        arrivals = Arrivals(self, "Arrivals", site, key)
        buckets = Buckets(self, "Buckets", site, arrivals, key)
        truth = (
            Truth(self, "Truth", key)
            if site.aurora is None
            else Aurora(self, "TruthInAurora", network.vpc, site, key)
        )
        records = Records(self, "Records", network.vpc, key)
        machines = Machines(self, "Machines", site, network.vpc)
        services = Services(
            self,
            "Services",
            site=site,
            vpc=network.vpc,
            machines=machines,
            tasks=Tasks(self, "Tasks", site, truth, arrivals, records.database),
            truth=truth,
            arrivals=arrivals,
            images=Images(site),
            records=records,
            key=key,
        )
        doors = Doors(
            self, "Doors", site=site, vpc=network.vpc, services=services, logs=buckets.logs
        )
        Alarms(
            self,
            "Alarms",
            site=site,
            arrivals=arrivals,
            machines=machines,
            services=services,
            doors=doors,
            records=records,
        )
        if key is not None:
            encrypt_all(self, key)
        Tags.of(self).add("application", "parjanya")
        Tags.of(self).add(RELEASE_TAG, site.release.version)
