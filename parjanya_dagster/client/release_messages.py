"""Messages of the API about releases."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from parjanya_dagster.client.messages import Asked, Told

State = Literal["writing", "complete", "withdrawn"]


class ReleaseWanted(Asked):
    """A release of a view. It is chosen now, and Dagster writes it where it runs."""

    tenant: str
    name: str
    where: str = Field(default="", max_length=5000, description="A view: category=photo&q=dog.")
    split: str = "train=1"
    formats: str = "parquet"
    bytes: str = "original"
    diverse: int = Field(
        default=0, ge=0, description="Only so many images: those that differ most. 0: all."
    )
    description: str = Field(default="", max_length=5000)
    licence: str = Field(default="", max_length=1000)
    privacy: str = Field(default="", max_length=5000)


class ReleaseTold(Told):
    """One version of a release."""

    release: str = Field(description="Its name: tenant/name@version.")
    release_id: str = Field(description="The sha256 of its list of images.")
    state: State
    images: int
    counts: dict[str, Any] = Field(description="Images by split, verdict and who decided.")
    created_at: float
    created_by: str
    withdrawn_why: str
    place: str = Field(description="Where its files are: a folder or an S3 address.")


class ReleaseBegun(ReleaseTold):
    new: bool = Field(description="False where the same images and options were released before.")
    left_out: dict[str, int] = Field(description="Images of the view it does not hold, by reason.")


class ReleasesListed(Told):
    releases: list[ReleaseTold]
