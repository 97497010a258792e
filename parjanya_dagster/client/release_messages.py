"""Messages of the API about releases."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from parjanya_dagster.client.messages import Asked, ImageListed, Told

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


class FarListed(ImageListed):
    """An image, and how far the release is from it."""

    distance: float = Field(description="1 - cosine: 0 is the same, about 1 is unlike.")
    nearest: str = Field(description="The id of the released image that it is most like.")


class CoverageTold(Told):
    """How well a release covers the images of its tenant."""

    release: str
    space: str = Field(description="Which engine and revision made the vectors.")
    images: int = Field(description="Images that were asked about and have a vector.")
    released: int = Field(description="Images of the release that have a vector.")
    missing: int = Field(description="Images without a vector, of which nothing is known.")
    quantiles: dict[str, float] = Field(description="Share of the images: none of it is farther.")
    farthest: list[FarListed]


class CoverageAsked(Told):
    coverage: CoverageTold | None = Field(description="Null while it is computed: ask again.")
