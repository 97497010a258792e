"""The file of a site: what differs between installations, checked before anything is made of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml

from parjanya_dagster.errors import SettingsInvalid
from parjanya_dagster.model_server.flags import taken
from parjanya_dagster.web.access import read_roles

TENANT = "{tenant}"
LEAST_FIXED = 4  # characters of a bucket's name beside the tenant's: else it fits any bucket


_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{1,62}")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


class SiteInvalid(Exception):
    """The site file is not valid."""


@dataclass(frozen=True)
class Aurora:
    """Truth in Aurora PostgreSQL, whose size follows the load. In units of capacity (ACU)."""

    least: float = 0.5
    most: float = 8


@dataclass(frozen=True)
class Release:
    """What is deployed. Every image name in the stack is made here."""

    version: str
    registry: str
    digests: dict[str, str] = field(default_factory=dict)

    def image(self, side: str) -> str:
        """The image of a side: cpu, gpu or model (the server of one)."""
        name = f"{self.registry}/parjanya-{side}"
        digest = self.digests.get(side)
        return f"{name}@{digest}" if digest else f"{name}:{self.version}"


@dataclass(frozen=True)
class Tenant:
    bucket: str
    origins: list[str]


@dataclass(frozen=True)
class Served:
    """A model that vLLM serves to runs."""

    name: str  # what it is called on the server
    flags: list[str] = field(default_factory=list)  # of vLLM, beside ours


@dataclass(frozen=True)
class Spot:
    """Machines that AWS may take back after two minutes."""

    also: list[str]  # further types of machines, of the same size
    bought: int = 0  # machines that are never spot, before any that is


@dataclass(frozen=True)
class Gpu:
    instance_type: str
    most: int
    model: str  # its folder: in the image of the server, or in that of runs, which load it
    served: Served | None = None  # without: each run holds a GPU, and loads the model
    spot: Spot | None = None  # without: no machine is spot

    @property
    def runs_hold_it(self) -> bool:
        """Runs are tasks of their own on these machines, of no service."""
        return self.served is None


@dataclass(frozen=True)
class Oidc:
    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    user_info_endpoint: str
    client_id: str
    client_secret_name: str


@dataclass(frozen=True)
class Ui:
    certificate: str
    host: str
    upload_host: str
    desk_host: str
    desk_roles: str  # who may do what at the desk, by the subject that the provider names
    oidc: Oidc

    @property
    def upload_origins(self) -> list[str]:
        """Where our own upload page is: at its own host, and at the desk."""
        return [f"https://{host}" for host in (self.upload_host, self.desk_host)]


@dataclass(frozen=True)
class Site:
    """One installation."""

    account: str
    region: str
    zones: list[str]
    release: Release
    dormancy_days: int
    tenants: dict[str, Tenant]
    gpu: Gpu
    ui: Ui
    alarms_to: str
    traces: str = ""  # the collector of runs' traces: http://collector.internal:4318
    aurora: Aurora | None = None  # without: Truth is in DynamoDB
    fargate_spot: bool = False  # runs without a GPU may be taken back after two minutes
    endpoints: bool = False  # AWS is asked inside the network, which costs by the hour
    own_key: bool = False  # what is kept is encrypted with a key of this account
    bucket_names: str = ""  # of tenants that are not named here: `{tenant}-images-example`

    @property
    def bucket_patterns(self) -> list[str]:
        """Tenants' buckets, as patterns of names. `*` stands for any tenant."""
        every = self.bucket_names.replace(TENANT, "*")
        alone = [one.bucket for one in self.tenants.values() if not fnmatchcase(one.bucket, every)]
        return [every, *alone] if every else alone


def read(path: Path) -> Site:
    """Raises SiteInvalid, saying what to change."""
    try:
        return site(yaml.safe_load(path.read_text()))
    except (KeyError, TypeError) as error:
        raise SiteInvalid(
            f"{path}: {error}. See site.example.yaml for what belongs there."
        ) from None


def site(said: dict[str, Any]) -> Site:
    ui, gpu = dict(said["ui"]), dict(said["gpu"])
    served, spot = gpu.pop("served", None), gpu.pop("spot", None)
    made = Site(
        account=said["account"],
        region=said["region"],
        zones=said["zones"],
        release=Release(**said["release"]),
        dormancy_days=said["dormancy_days"],
        tenants={slug: Tenant(**one) for slug, one in said["tenants"].items()},
        gpu=Gpu(
            served=Served(**served) if served else None,
            spot=Spot(**spot) if spot else None,
            **gpu,
        ),
        ui=Ui(oidc=Oidc(**ui.pop("oidc")), **ui),
        alarms_to=said["alarms_to"],
        traces=said.get("traces", ""),
        aurora=Aurora(**said["aurora"]) if said.get("aurora") is not None else None,
        fargate_spot=said.get("fargate_spot", False),
        endpoints=said.get("endpoints", False),
        own_key=said.get("own_key", False),
        bucket_names=said.get("bucket_names", ""),
    )
    if objections := list(_objections(made)):
        raise SiteInvalid("; ".join(objections))
    return made


def _objections(one: Site) -> list[str]:
    found = []
    if not re.fullmatch(r"\d{12}", one.account):
        found.append(f"account: {one.account!r} has not twelve digits (write it in quotes)")
    if not re.fullmatch(r"\d+\.\d+\.\d+([.+-][\w.-]+)?", str(one.release.version)):
        found.append(f"release.version: {one.release.version!r} names no version that stays itself")
    for side, digest in one.release.digests.items():
        if digest and not re.fullmatch(r"sha256:[0-9a-f]{64}", digest):
            found.append(f"release.digests.{side}: {digest!r} is no digest")
    if not 0 < one.dormancy_days < 14:
        found.append("dormancy_days: SQS keeps a message 14 days at most, so 1 to 13")
    if len(one.zones) < 2 or not all(zone.startswith(one.region) for zone in one.zones):
        found.append(f"zones: two or more of {one.region}, such as {one.region}a")
    if one.traces and not re.fullmatch(r"https?://[^\s@]+", one.traces):
        found.append("traces: the address of a collector, such as http://collector.internal:4318")
    found += _objections_to_buckets(one)
    if len({one.ui.host, one.ui.upload_host, one.ui.desk_host}) < 3:
        found.append("ui: host, upload_host and desk_host are three names")
    try:
        read_roles(one.ui.desk_roles)
    except SettingsInvalid as error:
        found.append(f"ui.desk_roles: {error}")
    if not one.gpu.model:
        found.append("gpu.model: the folder of the model in the gpu image, such as /models/vlm")
    if one.gpu.most < 1:
        found.append("gpu.most: 1 or more")
    if one.aurora is not None and not 0.5 <= one.aurora.least <= one.aurora.most <= 256:
        found.append("aurora: least and most are units of capacity: 0.5 <= least <= most <= 256")
    for name in ("fargate_spot", "endpoints", "own_key"):
        if not isinstance(getattr(one, name), bool):
            found.append(f"{name}: true or false")
    if one.gpu.spot is not None:
        found += _objections_to_spot(one.gpu.spot, one.gpu)
    if one.gpu.served is not None:
        found += _objections_to_the_server(one.gpu.served, one.release)
    return found


def _objections_to_spot(spot: Spot, gpu: Gpu) -> Iterator[str]:
    size = gpu.instance_type.partition(".")[2]
    others = [one for one in spot.also if one != gpu.instance_type]
    if not others:
        yield (
            f"gpu.spot.also: another type or more beside {gpu.instance_type}. Of one type alone "
            "there may be none to be had for hours"
        )
    for other in others:
        if other.partition(".")[2] != size or not re.fullmatch(r"[gp]\d\w*", other.split(".")[0]):
            yield (
                f"gpu.spot.also: {other!r} is no type with a GPU of the size {size}. ECS counts "
                "machines by what one of them holds"
            )
    if not 0 <= spot.bought <= gpu.most:
        yield f"gpu.spot.bought: none to {gpu.most}, which is gpu.most"


def _objections_to_the_server(served: Served, release: Release) -> Iterator[str]:
    if not release.digests.get("model"):
        yield (
            "release.digests.model: the digest of the server's image. Evidence names it as the "
            "model's revision, and a tag may be moved"
        )
    if not re.fullmatch(r"[\w.-][\w./-]*", served.name):
        yield f"gpu.served.name: {served.name!r} is no name of a model"
    if not isinstance(served.flags, list) or not all(isinstance(f, str) for f in served.flags):
        yield "gpu.served.flags: a list of texts, such as [--max-model-len=8192]"
    elif not_theirs := taken(served.flags):
        yield f"gpu.served.flags: the stack sets {', '.join(not_theirs)}"


def _objections_to_buckets(one: Site) -> list[str]:
    wrong = [slug for slug in one.tenants if not _SLUG.fullmatch(str(slug))]
    wrong += [each.bucket for each in one.tenants.values() if not _BUCKET.fullmatch(each.bucket)]
    if wrong:
        return [f"tenants: {name!r} is no name of a tenant or bucket" for name in wrong]
    names = one.bucket_names
    if not names:
        return []
    if names.count(TENANT) != 1 or len(names) < len(TENANT) + LEAST_FIXED:
        return [
            f"bucket_names: {names!r} needs {TENANT} once, and {LEAST_FIXED} characters or more "
            f"beside it that other buckets lack, such as {TENANT}-images-example"
        ]
    found = []
    before, _, after = names.partition(TENANT)
    for slug, tenant in one.tenants.items():
        named = re.fullmatch(f"{re.escape(before)}(.+){re.escape(after)}", tenant.bucket)
        if named and named[1] != slug:
            found.append(
                f"tenants.{slug}.bucket: {tenant.bucket!r} is by its name that of {named[1]!r}"
            )
    return found
