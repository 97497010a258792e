"""The catalog: what facets, search and sorting are answered from.

It is derived from Truth and lags a few seconds behind. It may be deleted at any moment: whoever
opens it next builds it again. Decisions and details read Truth.
"""

from parjanya_dagster.catalog.catalog import FILE, Catalog, Found, Listed
from parjanya_dagster.catalog.facets import FACETS, SORTS
from parjanya_dagster.catalog.file import remove
from parjanya_dagster.catalog.follow import Follower
from parjanya_dagster.catalog.query import Query

__all__ = [
    "FACETS",
    "FILE",
    "SORTS",
    "Catalog",
    "Follower",
    "Found",
    "Listed",
    "Query",
    "remove",
]
