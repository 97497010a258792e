"""A view of images: filters, search and order, read page by page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from parjanya_dagster.client.connection import Connection, Pairs
from parjanya_dagster.client.messages import MOST_LISTED, Facets, ImageListed, ImagesListed

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class View:
    """Images that match. Nothing is read in advance, and each loop reads again."""

    connection: Connection
    pairs: Pairs

    def __iter__(self) -> Iterator[ImageListed]:
        """Every image of the view, in its order. New arrivals do not shift the pages."""
        for page in self.pages():
            yield from page.images

    def pages(self, size: int = MOST_LISTED) -> Iterator[ImagesListed]:
        after: list[tuple[str, str]] = []
        while True:
            page = self.connection.get(
                ImagesListed, "/api/v1/images", [*self.pairs, ("limit", str(size)), *after]
            )
            yield page
            if page.next is None:
                return
            after = [("after", page.next)]

    @property
    def total(self) -> int:
        """How many images match now."""
        return next(self.pages(1)).total

    def facets(self) -> dict[str, dict[str, int]]:
        """Facet -> value -> images, among those that match all filters but the facet's own."""
        return self.connection.get(Facets, "/api/v1/facets", self.pairs).facets

    def to_pandas(self, limit: int | None = None) -> pd.DataFrame:
        """The view as a table, one row an image, with `landed_at` as a time in UTC.

        Raises ImportError without pandas.
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise ImportError("A view becomes a table by pandas: pip install pandas") from error
        rows = [one.model_dump() for one in islice(self, limit)]
        table = pd.DataFrame(rows, columns=list(ImageListed.model_fields))
        table["landed_at"] = pd.to_datetime(table["landed_at"], unit="s", utc=True)
        return table.set_index("image_id")
