"""All settings of an instance. Making one reads nothing: `load` does."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, field_validator, model_validator

from parjanya_dagster.settings import groups
from parjanya_dagster.settings.places import Places
from parjanya_dagster.settings.together import disagreements
from parjanya_dagster.truth.transitions import HOUR, Rules


class Settings(groups.Group):
    """Everything an operator can choose."""

    home: Path = Field(
        default=Path(".parjanya"), description="All state of this instance lives here."
    )
    truth: groups.Truth = Field(default_factory=groups.Truth)
    objects: groups.Objects = Field(default_factory=groups.Objects)
    arrivals: groups.Arrivals = Field(default_factory=groups.Arrivals)
    tenants: groups.Tenants = Field(default_factory=groups.Tenants)
    uploads: groups.Uploads = Field(default_factory=groups.Uploads)
    web: groups.Web = Field(default_factory=groups.Web)
    lanes: groups.Lanes = Field(default_factory=groups.Lanes)
    scaling: groups.Scaling = Field(default_factory=groups.Scaling)
    runs: groups.Runs = Field(default_factory=groups.Runs)
    identity: groups.Identity = Field(default_factory=groups.Identity)
    media: groups.Media = Field(default_factory=groups.Media)
    engines: groups.Engines = Field(default_factory=groups.Engines)
    vlm: groups.Vlm = Field(default_factory=groups.Vlm)
    endpoint: groups.Endpoint = Field(default_factory=groups.Endpoint)
    embedding: groups.Embedding = Field(default_factory=groups.Embedding)
    model_server: groups.ModelServer = Field(default_factory=groups.ModelServer)
    iqa: groups.Iqa = Field(default_factory=groups.Iqa)
    retention: groups.Retention = Field(default_factory=groups.Retention)
    logs: groups.Logs = Field(default_factory=groups.Logs)

    @field_validator("home")
    @classmethod
    def _absolute(cls, home: Path) -> Path:
        return home.expanduser().absolute()

    @model_validator(mode="after")
    def _together(self) -> Self:
        if wrong := list(disagreements(self)):
            raise ValueError("; ".join(wrong))
        return self

    @property
    def places(self) -> Places:
        return Places(home=self.home, truth=self.truth.url, objects=self.objects.url)

    @property
    def truth_url(self) -> str:
        """Where Truth is: as said, or in the home."""
        return self.places.truth_url

    @property
    def truth_file(self) -> Path | None:
        """The file of an embedded Truth. None: Truth is on a server."""
        return self.places.truth_file

    @property
    def objects_url(self) -> str:
        """Where buckets are: as said, or in the home."""
        return self.places.objects_url

    @property
    def looks_beside(self) -> bool:
        """Whether sidecars are looked for: each costs a request where buckets are remote."""
        in_folders = self.objects_url.startswith("file:")
        return self.media.sidecars == "always" or (self.media.sidecars == "folders" and in_folders)

    @property
    def rules(self) -> Rules:
        return Rules(retry_horizon=self.runs.retry_horizon_hours * HOUR)
