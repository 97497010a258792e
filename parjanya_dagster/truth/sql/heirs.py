"""When the first of several images with the same bytes leaves, the next one is decided again.

It is read before the rows are locked, so that all rows of a transaction are locked in one order.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from typing import TypeVar

from sqlalchemy import ColumnElement, Connection, Engine, select

from parjanya_dagster.truth.models import PRESENT, ImageRow
from parjanya_dagster.truth.sql.engine import writing
from parjanya_dagster.truth.sql.likeness import first_twins
from parjanya_dagster.truth.sql.schema import images

T = TypeVar("T")


class ValidatedMeanwhile(Exception):
    """The bytes of a leaving row became known after its heirs were looked for."""


class Heirs:
    """The rows that come first with their bytes if the present rows of a condition leave.

    The caller holds the lock of their tenants, so no other row leaves or returns meanwhile.
    """

    def __init__(self, connection: Connection, leaving: ColumnElement[bool]) -> None:
        query = select(images.c.image_id, images.c.tenant, images.c.sha256).where(
            leaving, images.c.object_state == PRESENT, images.c.sha256.is_not(None)
        )
        by_tenant: dict[str, list[str]] = defaultdict(list)
        self._going: set[str] = set()
        for image_id, tenant, sha256 in connection.execute(query):
            by_tenant[tenant].append(sha256)
            self._going.add(image_id)
        self.ids: set[str] = set()
        for tenant, hashes in by_tenant.items():
            most = max(Counter(hashes).values()) + 1
            for same in first_twins(connection, tenant, hashes, most).values():
                self.ids.update([one for one in same if one not in self._going][:1])

    def require_all_of(self, locked: Iterable[ImageRow]) -> None:
        """Raise ValidatedMeanwhile where a row that leaves has bytes that were not known then."""
        for row in locked:
            if row.object_state == PRESENT and row.sha256 and row.image_id not in self._going:
                raise ValidatedMeanwhile


def with_heirs(engine: Engine, work: Callable[[Connection], T]) -> T:
    """Do this in a transaction, and all of it again where an image was validated meanwhile.

    An image is validated once for each time it is sent back, so it ends.
    """
    while True:
        try:
            with writing(engine) as connection:
                return work(connection)
        except ValidatedMeanwhile:
            continue
