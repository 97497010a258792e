"""What tenants' tastes say of images: the one that a policy names, or a tenant's newest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from parjanya_dagster.errors import TasteBroken, TasteMissing
from parjanya_dagster.learning import keeping
from parjanya_dagster.learning.taste import Opinion, Taste
from parjanya_dagster.objects.store import Objects
from parjanya_dagster.policy.document import TasteNeeds
from parjanya_dagster.truth.models import Evidence, ImageRow

Vectors = Callable[[Mapping[str, Any], Sequence[ImageRow]], Mapping[str, NDArray[Any]]]
"""A space as plain data, and rows -> the vectors of those that have one, by image id."""

Space = Mapping[str, Any]
Recorded = Mapping[str, Mapping[str, Evidence]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """An opinion, and which taste it is of. Recorded with the decision that used it."""

    opinion: Opinion
    version: int
    hash: str

    def body(self) -> dict[str, Any]:
        return {
            "accept": self.opinion.accept,
            "unknown": self.opinion.unknown or None,
            "version": self.version,
            "hash": self.hash,
        }


class Tastes:
    """Reads tastes, each once: a version never changes."""

    def __init__(
        self,
        store: keeping.Source,
        objects: Objects,
        vectors: Vectors | None = None,
        space: Callable[[], Space | None] = lambda: None,
    ) -> None:
        self._store, self._objects, self._vectors = store, objects, vectors
        self.space = space  # of the vectors that are made here, to learn from
        self._read: dict[TasteNeeds, Taste] = {}
        self._newest: dict[str, keeping.Kept] = {}

    def taste(self, named: TasteNeeds) -> Taste:
        """The taste that is named, to the byte. Raises TasteUnusable, StorageUnavailable."""
        if named not in self._read:
            tenant = self._store.tenant(named.tenant)
            if tenant is None:
                raise TasteMissing(f"There is no tenant {named.tenant!r}.")
            taste = keeping.get(self._objects, tenant.bucket, named.version)
            if (taste.hash, taste.tenant) != (named.hash, named.tenant):
                raise TasteBroken(
                    f"{tenant.bucket}/{keeping.key_of(named.version)} is {taste.hash}, and "
                    f"{named.hash} is named. Bring it back from a backup, or train and name "
                    "another version."
                )
            self._read[named] = taste
        return self._read[named]

    def said(
        self, named: TasteNeeds, rows: Sequence[ImageRow], recorded: Recorded
    ) -> dict[str, Said]:
        """What it says of rows, by image id. Of another tenant's images it says nothing.

        Raises TasteUnusable, StorageUnavailable.
        """
        own = [row for row in rows if row.tenant == named.tenant]
        foreign = Opinion(accept=None, unknown=f"the taste is of {named.tenant}")
        opinions = dict.fromkeys((row.image_id for row in rows), foreign)
        if own:
            opinions |= self.opinions(self.taste(named), own, recorded)
        return {
            image_id: Said(opinion=opinion, version=named.version, hash=named.hash)
            for image_id, opinion in opinions.items()
        }

    def newest(self, tenant: str) -> keeping.Kept | None:
        """A tenant's last version. None: there is none.

        Raises TasteUnusable, StorageUnavailable.
        """
        owner = self._store.tenant(tenant)
        there = keeping.versions(self._objects, owner.bucket) if owner else []
        if owner is None or not there:
            return None
        kept = self._newest.get(tenant)
        if kept is None or kept.version != there[-1]:
            taste = keeping.get(self._objects, owner.bucket, there[-1])
            kept = self._newest[tenant] = keeping.Kept(version=there[-1], taste=taste)
        return kept

    def opinions(
        self, taste: Taste, rows: Sequence[ImageRow], recorded: Recorded
    ) -> dict[str, Opinion]:
        """What a taste says of rows of its tenant."""
        bodies = [
            {stage: one.body for stage, one in recorded.get(row.image_id, {}).items()}
            for row in rows
        ]
        of = self.vectors(taste.space, rows)
        said = taste.opinions(bodies, [of.get(row.image_id) for row in rows])
        return {row.image_id: opinion for row, opinion in zip(rows, said, strict=True)}

    def vectors(self, space: Space | None, rows: Sequence[ImageRow]) -> Mapping[str, NDArray[Any]]:
        """The vectors of rows in a space. None: of no space."""
        return self._vectors(space, rows) if space and self._vectors else {}
