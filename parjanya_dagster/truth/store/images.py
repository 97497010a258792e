"""The image rows: one for each object version that ever landed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from parjanya_dagster.truth.models import Arrival, ImageRow, PresentKey, Registered


class Images(Protocol):
    """Image rows: registering them and reading them."""

    def register(self, arrivals: Sequence[Arrival], now: float) -> list[Registered]:
        """Make rows of arrivals, in the open batch of their tenant. A known arrival is left alone.

        Of each key, the version that landed last is present and replaces the others. An object
        that comes back after it was deleted or replaced is present again, and its row goes on.
        An arrival that is `same_as` a row becomes that row's version, in the same transaction, and
        from then on the version is known to be that image. Returns one result per distinct image,
        in no order. Raises UnknownTenant, and ArrivalRefused where a key is longer than every
        store can hold.
        """

    def depart(self, image_ids: Sequence[str], now: float, reason: str) -> int:
        """Record that objects were deleted from their bucket. Returns how many rows changed."""

    def known(self, image_ids: Iterable[str]) -> set[str]:
        """Which of these versions are those of present rows. Register the others.

        An id is that of a bucket, a key and a version; see `models.image_id`.
        """

    def versions(self, bucket: str, sizes: Mapping[str, int]) -> list[ImageRow]:
        """Rows of these keys of a bucket that have the size given, present or not."""

    def get(self, image_id: str) -> ImageRow | None: ...

    def get_many(self, image_ids: Sequence[str]) -> dict[str, ImageRow]:
        """Those of these ids that there are, by id. Together they cost about what one costs."""

    def find(self, key: str, tenant: str | None = None) -> list[ImageRow]:
        """Rows whose key is `key`, newest first."""

    def starting_with(
        self, prefix: str, tenant: str | None = None, limit: int = 20
    ) -> list[ImageRow]:
        """Present rows whose id begins with this, in the order of ids."""

    def rows(self, batches: Sequence[str], after: str = "", limit: int = 1000) -> list[ImageRow]:
        """A page of the rows of these batches in the order of their ids, after an id."""

    def present(self, tenant: str, after: str = "", limit: int = 1000) -> list[ImageRow]:
        """A page of a tenant's rows whose object is in its bucket, in the order of ids."""

    def present_keys(self, tenant: str, prefix: str, after: str = "") -> Iterator[PresentKey]:
        """What a tenant's present rows say of its bucket, in the order of keys, after a key.

        The order is that of Unicode's code points, which is that of UTF-8's bytes, and of S3's
        listings. It is read as far as the caller asks for it, some rows at a time. It may be a
        moment behind, and each time it is asked it reads anew. So it names what to look at: decide
        by `known` and `get_many`.
        """

    def batches(self, tenant: str | None = None) -> list[str]:
        """All partition keys, oldest first."""

    def failed(
        self, tenant: str, failure_class: str, after: str = "", limit: int = 1000
    ) -> list[ImageRow]:
        """A page of a tenant's failed rows of one class, in the order of ids, after an id.

        Rows of objects that left their bucket are left out. `counts` names the classes.
        """

    def troubled(self, before: float, limit: int = 200) -> list[ImageRow]:
        """Undecided rows that were retried or crashed, and have not changed since that time.

        The longest unchanged come first. The cost grows with the rows in trouble, not with those
        that are pending.
        """
