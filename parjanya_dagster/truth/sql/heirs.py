"""When the first of several images with the same bytes leaves, the next one is decided again.

It is read before the rows are locked, so that all rows of a transaction are locked in one order.
"""

from __future__ import annotations

from collections import Counter, defaultdict

from sqlalchemy import ColumnElement, Connection, select

from parjanya_dagster.truth.models import PRESENT
from parjanya_dagster.truth.sql.likeness import first_twins
from parjanya_dagster.truth.sql.schema import images


def heirs_of(connection: Connection, leaving: ColumnElement[bool]) -> set[str]:
    """The ids of the rows that come first with their bytes if all these present rows leave.

    The caller holds the lock of their tenants, so no other row leaves or returns meanwhile.
    """
    query = select(images.c.image_id, images.c.tenant, images.c.sha256).where(
        leaving, images.c.object_state == PRESENT, images.c.sha256.is_not(None)
    )
    by_tenant: dict[str, list[str]] = defaultdict(list)
    going: set[str] = set()
    for image_id, tenant, sha256 in connection.execute(query):
        by_tenant[tenant].append(sha256)
        going.add(image_id)
    heirs: set[str] = set()
    for tenant, hashes in by_tenant.items():
        most = max(Counter(hashes).values()) + 1
        for same in first_twins(connection, tenant, hashes, most).values():
            heirs.update([image_id for image_id in same if image_id not in going][:1])
    return heirs
