"""The image that the beginning of an id names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from parjanya_dagster.errors import AmbiguousImage
from parjanya_dagster.truth.models import ImageRow

if TYPE_CHECKING:
    from parjanya_dagster.truth.image_reader import Found

_PREFIX = re.compile(r"[0-9a-f]{4,24}")
EXAMPLES = 5


def by_id(store: Found, name: str, tenant: str | None = None) -> ImageRow | None:
    """The row whose id begins with `name`: at least four characters. None: there is none.

    Raises AmbiguousImage.
    """
    if not _PREFIX.fullmatch(name):
        return None
    whole = store.get(name)
    if whole is not None and tenant in (None, whole.tenant):
        return whole
    rows = store.starting_with(name, tenant, EXAMPLES + 1)
    if len(rows) > 1:
        more = " …" if len(rows) > EXAMPLES else ""
        listed = ", ".join(f"{row.image_id} ({row.key})" for row in rows[:EXAMPLES])
        raise AmbiguousImage(f"Several ids begin with {name!r}: {listed}{more}. Write more of it.")
    return rows[0] if rows else None
