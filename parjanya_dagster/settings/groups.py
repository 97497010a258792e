"""The groups of settings. Times are in seconds unless the name says otherwise.

A group is read as a whole: `settings.vlm.model` is the variable `PARJANYA_VLM__MODEL`.
"""

from __future__ import annotations

import os
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from parjanya_dagster.lanes.placement import Launcher, Placement

BY_QUEUE = 300.0  # seconds between sweeps where notifications tell what landed
DEFAULT_PROMPT = "default@2"
DETECTORS = ("faces", "language", "nsfw", "overlay")


class Group(BaseModel):
    """Settings that belong together. Error messages leave out the values around the mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Truth(Group):
    """The database."""

    url: str = Field(
        default="",
        description="sqlite:///…, postgresql://… or dynamodb://TABLE; empty: in the home.",
    )


class Objects(Group):
    """The buckets."""

    url: str = Field(default="", description="file:///folder or s3://; empty: in the home.")
    readable: Literal["owner", "group", "everyone"] = Field(
        default="owner",
        description="Who may read what is written into folders: previews, manifests, releases.",
    )


class Arrivals(Group):
    """How files that land are found."""

    settle: float = Field(
        default=1.0,
        ge=0,
        description="A file in a bucket folder is taken in after resting this long, if the system "
        "cannot say whether somebody writes to it.",
    )
    batch_size: int = Field(default=1000, ge=1, le=100_000, description="Images per partition.")
    sweep_seconds: float = Field(
        default=0.0, ge=0, description="Between sweeps; 0: as often as costs little, by queue 300."
    )
    queue: str = Field(
        default="", description="SQS queue with the buckets' notifications, by name or URL."
    )
    dead_letters: str = Field(
        default="", description="SQS queue for messages that cannot be read; `queue` needs it."
    )
    longest_dormancy_hours: float = Field(
        default=96.0, gt=0, description="Queues must keep messages this long: a long weekend."
    )

    @property
    def sweep_every(self) -> float:
        """Seconds between sweeps; 0: as often as costs little."""
        return self.sweep_seconds or (BY_QUEUE if self.queue else 0.0)


class Tenants(Group):
    """What new tenants get."""

    policy: str = Field(
        default="default", description="Of new tenants: a name (newest version) or name@version."
    )
    buckets: str = Field(
        default="",
        description="On S3, how new tenants' buckets are named: `{tenant}-uploads`; empty: "
        "tenants are added by hand.",
    )


class Uploads(Group):
    """Uploads from a browser."""

    seconds: int = Field(
        default=900,
        ge=60,
        le=7 * 24 * 3600,
        description="An upload must have begun after this long.",
    )
    origins: str = Field(
        default="", description="Web origins whose pages may upload, separated by spaces."
    )
    files_per_minute: int = Field(
        default=6000,
        ge=1,
        description="Uploads that one token may ask for, in all processes together.",
    )


class Web(Group):
    """The desk: the pages for people."""

    hosts: str = Field(
        default="", description="Further host names of the desk, separated by spaces."
    )
    identity_header: str = Field(
        default="",
        description="Header in which a proxy names the person; empty: the home's token is used.",
    )
    trusted_proxies: str = Field(
        default="127.0.0.1/32 ::1/128",
        description="Networks of proxies whose headers are believed, separated by spaces.",
    )
    roles: str = Field(
        default="",
        description="Who may do what: anna=reviewer:acme,globex bob=operator:*",
    )
    storage_downloads: bool = Field(
        default=False,
        description="Originals in S3 are downloaded from S3, by addresses good for a minute.",
    )
    processes: int = Field(
        default=1,
        ge=1,
        description="Processes that serve side by side: each lets through its share of the limits.",
    )
    secret: SecretStr = Field(
        default=SecretStr(""),
        description="Of desks side by side, 32 characters or more: one's pages open at the others.",
    )


class OneLane(Placement):
    """One lane: where its runs go, and what it works from."""

    queue: str = Field(
        default="", description="SQS queue the lane works from; empty: Dagster's queue."
    )
    scaling_group: str = Field(default="", description="Auto Scaling group to raise for the lane.")
    model_service: str = Field(
        default="",
        pattern=r"^([^/]+/[^/]+)?$",
        description="ECS service of the lane's model server, CLUSTER/SERVICE, to raise from none.",
    )


class Lanes(Group):
    """Which lanes there are, and what each of them gets."""

    layout: Literal["embedded", "split"] = Field(
        default="embedded", description="One lane with all four stages, or a cpu and a gpu lane."
    )
    launcher: Launcher = Field(
        default="local", description="Where runs go; lanes ask there for what they need."
    )
    embedded: OneLane = Field(default=OneLane(), description="The lane of the layout `embedded`.")
    cpu: OneLane = Field(
        default=OneLane(), description="The lane of the layout `split` that decodes."
    )
    gpu: OneLane = Field(
        default=OneLane(), description="The lane of the layout `split` with models."
    )

    @property
    def by_name(self) -> dict[str, OneLane]:
        """The lanes that have settings, whether the layout has these lanes or not."""
        lanes = {"embedded": self.embedded, "cpu": self.cpu, "gpu": self.gpu}
        return {name: lane for name, lane in lanes.items() if lane != OneLane()}

    @property
    def queues(self) -> dict[str, str]:
        """Lane -> the SQS queue it works from."""
        return {name: lane.queue for name, lane in self.by_name.items() if lane.queue}

    @property
    def scaling_groups(self) -> dict[str, str]:
        """Lane -> its Auto Scaling group."""
        lanes = self.by_name.items()
        return {name: lane.scaling_group for name, lane in lanes if lane.scaling_group}

    @property
    def model_services(self) -> dict[str, str]:
        """Lane -> the ECS service of its model server."""
        lanes = self.by_name.items()
        return {name: lane.model_service for name, lane in lanes if lane.model_service}


class Scaling(Group):
    """How far lanes' groups and model servers are raised, and when they are lowered."""

    max_instances: int = Field(
        default=4, ge=1, description="Instances or servers that a lane has at most."
    )
    idle: float = Field(
        default=900.0, gt=0, description="What has nothing to do is lowered after this long."
    )


class Runs(Group):
    """How much one run does, and when it counts as dead."""

    rows: int = Field(default=2000, ge=1, description="Row budget of one run.")
    seconds: float = Field(
        default=300.0, gt=0, description="A run gets as many rows as take about this long."
    )
    queued: int = Field(default=4, ge=1, description="Backlog guard: runs that may wait per lane.")
    lease: float = Field(
        default=120.0, gt=0, description="A worker that is silent this long is dead."
    )
    launch_deadline: float = Field(
        default=0.0,
        ge=0,
        description="From a run's launch until its process runs; 0: the lane's own.",
    )
    start_deadline: float = Field(
        default=300.0,
        gt=0,
        description="From the start of a run's process until it reaches a stage.",
    )
    silence: float = Field(
        default=120.0,
        gt=0,
        description="A run at a stage that gives no sign of life this long is dead.",
    )
    stall: float = Field(
        default=1800.0, gt=0, description="A run that has no outcome for this long ends itself."
    )
    standby: int = Field(
        default=1,
        ge=0,
        description="Processes that have loaded models and wait for a run; 0: each run loads its "
        "own.",
    )
    manifest_pause: float = Field(
        default=0.0,
        ge=0,
        description="A batch's manifest is written again, and its missing vectors are made, only "
        "so long after the last time; 0: after each run. On DynamoDB each time costs a read of the "
        "whole batch.",
    )
    retry_horizon_hours: float = Field(
        default=72.0, gt=0, description="A row is tried again for this long: longer than a weekend."
    )


class Identity(Group):
    """The identity of runs, and whether runs may differ from what was declared."""

    image: str = Field(
        default="", description="The image this process runs in, as deployed: its tag or digest."
    )
    hold_drifted: bool = Field(
        default=False,
        description="Runs that are not what was declared stop, and their lane is held.",
    )


class Media(Group):
    """Decoding."""

    workers: int = Field(
        default_factory=lambda: len(os.sched_getaffinity(0)), ge=1, description="Decoder threads."
    )
    decode_deadline: float = Field(
        default=30.0, gt=0, description="A decoder may take this long per image."
    )
    decode_memory_mib: int = Field(default=2048, ge=64, description="Memory of a decoder, in MiB.")
    max_bytes: int = Field(default=256 << 20, ge=1, description="Larger files are refused.")
    max_pixels: int = Field(default=256_000_000, ge=1, description="Larger images are refused.")
    coordinates: bool = Field(
        default=True,
        description="Keep GPS coordinates in the evidence (Truth; releases with --keep-exif).",
    )
    sidecars: Literal["folders", "always", "never"] = Field(
        default="folders",
        description="Where XMP and Takeout's JSON may say time and place of pictures that do not: "
        "`folders` on this machine; `always` asks S3 four times for each image.",
    )


class Engines(Group):
    """Which engines describe and measure images, and on which device."""

    enricher: Literal["embedded", "embedded-tags", "transformers", "openai"] = Field(
        default="embedded",
        description="Engine of the stage `enriched`; `embedded-tags` needs the extra `tags`, "
        "`transformers` the extra `vlm`.",
    )
    scorer: Literal["embedded", "embedded-full", "pyiqa"] = Field(
        default="embedded",
        description="Engine of the stage `scored`; `embedded-full` adds NIQE and BRISQUE.",
    )
    embedder: Literal["embedded", "embedded-lite0", "transformers", "openai", "none"] = Field(
        default="embedded",
        description="What makes vectors, by which similar images are found; `embedded-lite0` needs "
        "the extra `tags`, `transformers` the extra `vlm`, `none` makes none.",
    )
    detectors: str = Field(
        default="",
        description="More that `enriched` looks for, comma-separated: `faces`, `language`, `nsfw`, "
        "`overlay`; `language` and `nsfw` need the extra of their name.",
    )
    device: str = Field(
        default="auto",
        pattern=r"^(auto|cpu|cuda(:\d+)?)$",
        description="Where models run: `auto`, `cpu`, `cuda` or `cuda:1`.",
    )
    gpu_memory_gib: float = Field(
        default=0.0,
        ge=0,
        description="GPU memory that must be free; 0: by the size of the weights.",
    )

    @property
    def wanted(self) -> tuple[str, ...]:
        """The detectors, each once, in the order of their names."""
        return _listed(self.detectors)

    @field_validator("detectors")
    @classmethod
    def _known(cls, detectors: str) -> str:
        if unknown := [name for name in _listed(detectors) if name not in DETECTORS]:
            raise ValueError(
                f"There is no detector {unknown[0]!r}. Choose from {', '.join(DETECTORS)}, "
                "separated by commas"
            )
        return detectors


def _listed(names: str) -> tuple[str, ...]:
    return tuple(sorted({name.strip() for name in names.split(",")} - {""}))


class Vlm(Group):
    """The vision-language model, in process (`transformers`) or behind an endpoint (`openai`)."""

    model: str = Field(default="", description="A folder or an id; for `openai` its served name.")
    revision: str = Field(
        default="",
        description="Branch, tag or commit of an id; for `openai` what is served, as you say.",
    )
    prompt: str = Field(
        default=DEFAULT_PROMPT,
        description="What the model is asked. A policy may need another one.",
    )
    prompts: str = Field(
        default="", description="A folder of your own prompts, files NAME@VERSION.yaml."
    )
    describe: bool = Field(
        default=True,
        description="Ask for caption, tags, text and objects; the category alone is faster.",
    )
    visual_tokens: int = Field(
        default=400, ge=16, description="Most tokens that an image becomes; larger ones shrink."
    )
    batch_tokens: int = Field(
        default=65_536, ge=1, description="`transformers`: tokens of one forward pass."
    )
    answer_mass: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="If all categories together are less probable, the category is unknown.",
    )
    calibration: str = Field(
        default="", description="A file that `python -m gpu_ops calibrate` wrote."
    )


class Endpoint(Group):
    """The server that the enricher `openai` asks."""

    url: str = Field(default="", description="URL of the server, up to and with /v1.")
    key: SecretStr = Field(default=SecretStr(""), description="Its key, if it has one.")
    connections: int = Field(
        default=64,
        ge=1,
        description="Most requests at once; the best number up to it is found by itself.",
    )
    timeout: float = Field(default=120.0, gt=0, description="Time limit of one request.")


class Embedding(Group):
    """The model of vectors: in process (the embedder `transformers`) or at a server (`openai`)."""

    model: str = Field(default="", description="A folder or an id; for `openai` its served name.")
    revision: str = Field(
        default="",
        description="Branch, tag or commit of an id; for `openai` what is served, as you say.",
    )
    url: str = Field(default="", description="`openai`: URL of the server, up to and with /v1.")
    key: SecretStr = Field(default=SecretStr(""), description="`openai`: its key, if it has one.")
    connections: int = Field(default=16, ge=1, description="`openai`: most requests at once.")
    timeout: float = Field(default=60.0, gt=0, description="`openai`: time limit of one request.")
    instruction: str = Field(
        default="", description="`openai`: text beside each picture, if the model expects one."
    )
    query: str = Field(
        default="{words}",
        pattern=r"\{words\}",
        description="How words are put to the model, such as `a photo of {words}`.",
    )


class ModelServer(Group):
    """The vLLM server that `parjanya model serve` starts on this machine, for `openai` to ask."""

    executable: str = Field(
        default="vllm", description="The program `vllm`, in an environment of its own."
    )
    model: str = Field(default="", description="A folder, or an id in the local hub cache.")
    revision: str = Field(default="", description="Branch, tag or commit of an id.")
    listen: int = Field(default=8000, ge=1, le=65535, description="Port on 127.0.0.1.")
    arguments: str = Field(
        default="", description="More flags of `vllm serve`, as a shell would have them."
    )
    ready_seconds: float = Field(
        default=1800.0, gt=0, description="Loading may take this long until it answers."
    )


class Iqa(Group):
    """Learned quality metrics: the scorer `pyiqa` (extra `iqa`), which forbids commercial use."""

    weights: str = Field(default="", description="Folder of weights and their SHA256SUMS.")
    metrics: str = Field(
        default="", description="Metrics of every image, comma-separated; policies add theirs."
    )


class Retention(Group):
    """How long Dagster keeps what Truth does not need."""

    runs_days: float = Field(
        default=35.0,
        ge=0,
        description="Dagster keeps ended runs and their events for this long; 0: for ever.",
    )
    keys_days: float = Field(
        default=30.0,
        ge=0,
        description="Partitions with all images decided stay in Dagster this long; 0: for ever.",
    )


class Logs(Group):
    """The lines that processes write."""

    format: Literal["json", "console", "auto"] = Field(
        default="auto", description="`auto`: JSON lines, except on a terminal."
    )
    file_names: bool = Field(
        default=False, description="Let logs name files: names may name people."
    )
