"""Settings: the only place that reads the environment.

Each is a variable `PARJANYA_<NAME>`, or a line of `parjanya.env` in the home. Dagster's
processes are started with the same environment, so all of them agree.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from parjanya_dagster.errors import SettingsInvalid
from parjanya_dagster.lanes import BY_NAME
from parjanya_dagster.lanes.placement import Launcher, Placement
from parjanya_dagster.truth.transitions import HOUR, Rules

ENV_FILE = "parjanya.env"
BY_QUEUE = 300.0  # seconds between sweeps where notifications tell what landed
DEFAULT_PROMPT = "default@1"


class Settings(BaseSettings):
    """Everything an operator can choose. Times in seconds unless the name says otherwise."""

    model_config = SettingsConfigDict(env_prefix="PARJANYA_", extra="ignore", frozen=True)

    home: Path = Field(Path(".parjanya"), description="All state of this instance lives here.")
    truth_url: str = Field(
        "", description="sqlite:///…, postgresql://… or dynamodb://TABLE; empty: in the home."
    )
    objects_url: str = Field("", description="file:///folder or s3://; empty: in the home.")
    lanes: Literal["embedded", "split"] = Field(
        "embedded", description="One lane with all four stages, or a cpu and a gpu lane."
    )
    launcher: Launcher = Field(
        "local", description="Where runs go; lanes ask there for what they need."
    )
    placement: dict[str, Placement] = Field(
        {},
        description='By lane, as JSON: {"gpu": {"cpu": 7, "memory_mib": 26624, "gpus": 1, '
        '"image": "…", "task_definition": "…", "capacity_provider": "…"}}.',
    )
    new_tenants_policy: str = Field(
        "default", description="A name (newest version) or name@version."
    )
    batch_size: int = Field(1000, ge=1, le=100_000, description="Images per partition.")
    run_rows: int = Field(2000, ge=1, description="Row budget of one run.")
    queued_runs: int = Field(4, ge=1, description="Backlog guard: runs that may wait per lane.")
    lease: float = Field(120.0, gt=0, description="A worker that is silent this long is dead.")
    launch_deadline: float = Field(
        0.0, ge=0, description="From a run's launch until its process runs; 0: the lane's own."
    )
    start_deadline: float = Field(
        300.0, gt=0, description="From the start of a run's process until it reaches a stage."
    )
    run_silence: float = Field(
        120.0, gt=0, description="A run at a stage that gives no sign of life this long is dead."
    )
    run_stall: float = Field(
        1800.0, gt=0, description="A run that has no outcome for this long ends itself."
    )
    run_seconds: float = Field(
        300.0, gt=0, description="A run gets as many rows as take about this long."
    )
    micro_batch_rows: int = Field(50, ge=1, description="Commit after this many rows,")
    micro_batch_seconds: float = Field(5.0, gt=0, description="or after this long.")
    max_attempts: int = Field(5, ge=1, description="Deaths of a process that a row may cost.")
    retry_horizon_hours: float = Field(72.0, gt=0, description="Longer than a weekend.")
    settle: float = Field(
        1.0, ge=0, description="A file in a bucket folder must have been still for this long."
    )
    workers: int = Field(
        default_factory=lambda: len(os.sched_getaffinity(0)), ge=1, description="Decoder threads."
    )
    decode_deadline: float = Field(30.0, gt=0, description="A decoder gets this long per image,")
    decode_memory_mib: int = Field(2048, ge=64, description="and this much memory, in MiB.")
    max_image_bytes: int = Field(256 << 20, ge=1, description="Larger files are refused.")
    max_image_pixels: int = Field(128_000_000, ge=1, description="Larger images are refused.")
    coordinates: bool = Field(
        True, description="Keep GPS coordinates in the evidence (in Truth, and nowhere else)."
    )
    retain_runs_days: float = Field(
        35.0, ge=0, description="Dagster's ended runs and their events are kept for; 0: for ever."
    )
    retain_keys_days: float = Field(
        30.0,
        ge=0,
        description="Partitions whose images are all decided stay in Dagster for; 0: for ever.",
    )
    log_format: Literal["json", "console", "auto"] = Field(
        "auto", description="`auto`: JSON lines, except on a terminal."
    )
    log_file_names: bool = Field(False, description="Let logs name files: names may name people.")
    image: str = Field(
        "", description="The image this process runs in, as deployed: its tag or digest."
    )
    hold_drifted: bool = Field(
        False, description="Runs that are not what was declared stop, and their lane is held."
    )
    upload_seconds: int = Field(
        900, ge=60, le=7 * 24 * 3600, description="An upload must have begun after this long."
    )
    upload_origins: str = Field(
        "", description="Web origins whose pages may ask for uploads, between spaces."
    )
    enricher: Literal["embedded", "embedded-tags", "transformers", "openai"] = Field(
        "embedded",
        description="Engine of the stage `enriched`; `embedded-tags` needs the extra `tags`, "
        "`transformers` the extra `vlm`.",
    )
    scorer: Literal["embedded", "embedded-full", "pyiqa"] = Field(
        "embedded",
        description="Engine of the stage `scored`; `embedded-full` adds NIQE and BRISQUE.",
    )
    model: str = Field(
        "", description="Vision-language model: a folder or an id; for `openai` its served name."
    )
    model_revision: str = Field(
        "", description="Branch, tag or commit of an id; for `openai` what is served, as you say."
    )
    prompt: str = Field(
        DEFAULT_PROMPT, description="What the model is asked. A policy may need another one."
    )
    describe: bool = Field(
        True, description="Ask for caption, tags, text and objects; the category alone is faster."
    )
    visual_tokens: int = Field(
        400, ge=16, description="`transformers`: most tokens that an image becomes."
    )
    batch_tokens: int = Field(
        16_384, ge=1, description="`transformers`: tokens of one forward pass."
    )
    calibration: str = Field(
        "", description="`transformers`: a file that `python -m gpu_ops calibrate` wrote."
    )
    endpoint: str = Field("", description="`openai`: URL of the server, up to and with /v1.")
    endpoint_key: SecretStr = Field(SecretStr(""), description="`openai`: its key, if it has one.")
    endpoint_connections: int = Field(16, ge=1, description="`openai`: requests at once.")
    endpoint_timeout: float = Field(120.0, gt=0, description="`openai`: of one request.")
    iqa_weights: str = Field("", description="`pyiqa`: folder of weights and their SHA256SUMS.")
    iqa_metrics: str = Field(
        "", description="`pyiqa`: metrics of every image, comma-separated; policies add theirs."
    )
    device: str = Field(
        "auto",
        pattern=r"^(auto|cpu|cuda(:\d+)?)$",
        description="Where models run: `auto`, `cpu`, `cuda` or `cuda:1`.",
    )
    gpu_memory_gib: float = Field(
        0.0, ge=0, description="GPU memory that must be free; 0: by the size of the weights."
    )

    arrivals_queue: str = Field(
        "", description="SQS queue with the buckets' notifications, by name or URL."
    )
    dead_letters: str = Field(
        "", description="SQS queue for messages that cannot be read; `arrivals_queue` needs it."
    )
    sweep_seconds: float = Field(
        0.0, ge=0, description="Between sweeps; 0: as often as costs little, by queue 300."
    )
    tenant_buckets: str = Field(
        "",
        description="On S3, how new tenants' buckets are named: `{tenant}-uploads`; empty: "
        "tenants are added by hand.",
    )
    lane_queues: str = Field(
        "", description="SQS queues that lanes work from: `gpu=NAME`; empty: Dagster's queue."
    )
    lane_groups: str = Field("", description="Auto Scaling groups to raise for lanes: `gpu=NAME`.")
    group_most: int = Field(4, ge=1, description="Instances that a group is raised to at most.")
    group_idle: float = Field(
        900.0, gt=0, description="A group with nothing to do is lowered after so long."
    )
    longest_dormancy_hours: float = Field(
        96.0, gt=0, description="Queues must keep messages so long: a long weekend."
    )

    @field_validator("home")
    @classmethod
    def _absolute(cls, home: Path) -> Path:
        return home.expanduser().absolute()

    @model_validator(mode="after")
    def _queues(self) -> Self:
        if self.arrivals_queue and not self.dead_letters:
            raise ValueError("PARJANYA_ARRIVALS_QUEUE needs PARJANYA_DEAD_LETTERS beside it")
        lanes = set(self.queues) | set(self.groups)
        if unknown := lanes - {lane.name for lane in BY_NAME[self.lanes]}:
            raise ValueError(f"there is no lane {', '.join(sorted(unknown))} in {self.lanes!r}")
        return self

    @property
    def queues(self) -> dict[str, str]:
        """Lane -> the SQS queue it works from."""
        return _pairs(self.lane_queues)

    @property
    def groups(self) -> dict[str, str]:
        """Lane -> its Auto Scaling group."""
        return _pairs(self.lane_groups)

    @property
    def sweep_every(self) -> float:
        """Seconds between sweeps; 0: as often as costs little."""
        return self.sweep_seconds or (BY_QUEUE if self.arrivals_queue else 0.0)

    @property
    def truth(self) -> str:
        return self.truth_url or f"sqlite:///{self.home / 'truth.db'}"

    @property
    def objects(self) -> str:
        return self.objects_url or (self.home / "buckets").as_uri()

    @property
    def rules(self) -> Rules:
        return Rules(max_attempts=self.max_attempts, retry_horizon=self.retry_horizon_hours * HOUR)


def _pairs(text: str) -> dict[str, str]:
    """`lane=name,lane=name`."""
    found: dict[str, str] = {}
    for part in filter(None, (one.strip() for one in text.split(","))):
        lane, equals, name = part.partition("=")
        if not (lane.strip() and equals and name.strip()) or lane.strip() in found:
            raise ValueError(f"{text!r} does not read lane=name,lane=name")
        found[lane.strip()] = name.strip()
    return found


@cache
def _load(home: Path) -> Settings:
    try:
        return Settings(_env_file=home / ENV_FILE, home=home)  # type: ignore[call-arg]
    except ValidationError as error:
        raise SettingsInvalid(_explain(error.errors())) from error


def _explain(errors: list[Any]) -> str:
    lines = [
        f"PARJANYA_{'_'.join(map(str, error['loc'])).upper()}: {error['msg']} "
        f"(it is {error['input']!r})"
        if error["loc"]
        else error["msg"]  # of several together
        for error in errors
    ]
    return "Settings are not valid. " + "; ".join(lines)


def load(home: Path | None = None) -> Settings:
    """The settings of a home: the argument, else PARJANYA_HOME, else `.parjanya` here.

    Raises SettingsInvalid with each variable that is wrong.
    """
    chosen = home or Path(os.environ.get("PARJANYA_HOME", ".parjanya"))
    return _load(chosen.expanduser().absolute())


def dagster_home(settings: Settings) -> Path:
    """Where Dagster's configuration is: in the home, or, in a cluster, where DAGSTER_HOME says."""
    own = settings.home / "dagster"
    elsewhere = os.environ.get("DAGSTER_HOME")
    if elsewhere and not (own / "dagster.yaml").exists():
        return Path(elsewhere).absolute()
    return own


def process_environment(settings: Settings) -> dict[str, str]:
    """The environment for a process of this instance."""
    return {
        **os.environ,
        "PARJANYA_HOME": str(settings.home),
        "DAGSTER_HOME": str(settings.home / "dagster"),
    }
