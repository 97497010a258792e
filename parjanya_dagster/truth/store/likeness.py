"""Which images of a tenant have the same bytes, or look alike."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Protocol

from parjanya_dagster.truth.models import ImageRow

CROWD = 64
"""How many images of one key of likeness are compared: the earliest. Without a bound, a tenant with
ten thousand pages that look alike would have each compared with each."""


class Likenesses(Protocol):
    """Images with the same bytes and images that look alike."""

    def twins(
        self,
        tenant: str,
        sha256: Iterable[str],
        limit: int | None = None,
        but: Collection[str] = (),
    ) -> dict[str, list[ImageRow]]:
        """Present rows of a tenant by the hash of their bytes, earliest arrival first.

        With a limit, the first so many of each hash. Of those the ids in `but` are left out:
        whoever asks knows them.
        """

    def twin_ids(
        self, tenant: str, sha256: Iterable[str], limit: int | None = None
    ) -> dict[str, list[str]]:
        """The ids of `twins`, without their rows. Nearly every image is its own only twin."""

    def copies(
        self, tenant: str, sha256: str, after: ImageRow | None = None, limit: int = 1000
    ) -> list[ImageRow]:
        """A page of `twins` of one hash, after one of them."""

    def alike(
        self, tenant: str, wanted: Mapping[str, Mapping[str, int]], distance: int
    ) -> dict[str, list[tuple[ImageRow, int]]]:
        """Present rows of a tenant that share a key of likeness, earliest arrival first.

        `wanted` maps image ids to keys and hashes, as `Completed.likeness` has them. Each row
        comes with the number of bits in which its hash differs, at most `distance`. Only the
        earliest CROWD images of a key are compared, so a crowded key costs no more than another.
        """
