"""A view of images as one page to keep or to send: counted whole, shown up to a bound.

Nothing is fetched when the page is read, but pictures that lie beside it. It has no script, and its
content security policy allows none. Names are hostile until escaped.
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from parjanya_dagster.catalog import FACETS, SORTS, Catalog, Query
from parjanya_dagster.catalog.catalog import Listed
from parjanya_dagster.catalog.facets import VERDICTS
from parjanya_dagster.errors import ObjectGone, StorageUnavailable
from parjanya_dagster.execution.thumbnails import thumbnail
from parjanya_dagster.objects.store import Objects
from parjanya_dagster.truth.models import ImageRow
from parjanya_dagster.truth.store import Images
from parjanya_dagster.web.images import WORDS, label
from parjanya_dagster.web.pages import environment

Pictures = Literal["embed", "beside", "none"]
PAGE = 100  # images that are read at once
READERS = 8
COUNTED = ("verdict", "tenant", "rule", "failure", "category", "quality", "duplicate")
LONG = 12  # values of a facet
ENDS = {b"\xff\xd8": "jpeg", b"\x89PNG\r\n\x1a\n": "png", b"RIFF": "webp"}
"""What the pictures begin with that a page may show."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What is in a report."""

    total: int  # images of the view
    shown: int
    size: int  # bytes, pictures beside it too

    @property
    def left_out(self) -> int:
        return self.total - self.shown


@dataclass(frozen=True, kw_only=True)
class Report:
    """Writes views of a catalog."""

    catalog: Catalog
    store: Images
    objects: Objects
    pictures: Pictures = "embed"
    most: int = 1000  # images that are shown
    most_bytes: int = 25_000_000  # of the page and its pictures

    def write(self, output: Path, query: Query, now: datetime, title: str = "Parjanya") -> Written:
        """Write a view to a file. Pictures that lie beside it go to a folder named after it."""
        total = self.catalog.page(query, 1).total
        folder = output.with_name(f"{output.stem}-pictures")
        size, tiles = 0, list[dict[str, Any]]()
        for one, picture in self._images(query):
            taken = len(picture or b"") * (4 / 3 if self.pictures == "embed" else 1) + _words(one)
            if len(tiles) == self.most or size + taken > self.most_bytes:
                break
            size += int(taken)
            tiles.append(_tile(one, self._source(folder, one.image_id, picture)))
        html = (
            environment()
            .get_template("report.html.j2")
            .render(
                title=title,
                now=now.timestamp(),
                limits=limits(query),
                order=_order(query),
                counted=counted(within(query, self.catalog.counts(query, COUNTED))),
                total=total,
                tiles=tiles,
            )
        )
        body = html.encode("utf-8", "replace")
        output.write_bytes(body)
        beside = size if self.pictures == "beside" else 0
        return Written(total=total, shown=len(tiles), size=len(body) + beside)

    def _images(self, query: Query) -> Iterator[tuple[Listed, bytes | None]]:
        with ThreadPoolExecutor(READERS) as readers:
            while True:
                found = self.catalog.page(query, PAGE)
                ids = [one.image_id for one in found.images]
                rows = {} if self.pictures == "none" else self.store.get_many(ids)
                pictures = readers.map(self._picture, (rows.get(one) for one in ids))
                yield from zip(found.images, pictures, strict=True)
                if found.next is None:
                    return
                query = query.page_after(found.next)

    def _picture(self, row: ImageRow | None) -> bytes | None:
        if row is None or row.thumbnail_key is None:
            return None
        try:
            data = thumbnail(self.objects, row)
        except (ObjectGone, StorageUnavailable):
            return None
        return data if kind_of(data) else None

    def _source(self, folder: Path, image_id: str, picture: bytes | None) -> str | None:
        """The address of a picture in the page."""
        if picture is None:
            return None
        kind = kind_of(picture)
        if self.pictures == "embed":
            return f"data:image/{kind};base64,{base64.b64encode(picture).decode()}"
        folder.mkdir(exist_ok=True)
        (folder / f"{image_id}.{kind}").write_bytes(picture)
        return f"{folder.name}/{image_id}.{kind}"


def kind_of(picture: bytes) -> str | None:
    """jpeg, png or webp, by the picture's first bytes. None: nothing that is shown."""
    return next((kind for start, kind in ENDS.items() if picture.startswith(start)), None)


def limits(query: Query) -> list[tuple[str, str]]:
    """What the view is limited to, as people read it."""
    names = {facet.name: facet.label for facet in FACETS}
    chosen = [
        (names[facet], ", ".join(label(facet, value, {}) for value in values) or "none")
        for facet, values in query.filters.items()
    ]
    return [*chosen, *([("Words", query.text)] if query.text else [])]


def within(query: Query, counts: Mapping[str, Counter[str]]) -> dict[str, Counter[str]]:
    """The counts of the view alone: the catalog counts a facet without its own filter."""
    return {
        facet: Counter({v: n for v, n in values.items() if v in query.filters.get(facet, values)})
        for facet, values in counts.items()
    }


def counted(counts: Mapping[str, Counter[str]]) -> list[dict[str, Any]]:
    """The facets that say something, each with its most frequent values and their shares."""
    shown = []
    names = {facet.name: facet.label for facet in FACETS}
    for facet, values in counts.items():
        ranked = values.most_common()
        if facet == "verdict":
            ranked = [(verdict, values[verdict]) for verdict in VERDICTS if values[verdict]]
        if facet == "quality":
            ranked.sort(reverse=True)
        if not ranked:
            continue
        most = max(images for _, images in ranked)
        shown.append(
            {
                "name": facet,
                "label": names[facet],
                "values": [
                    (value, label(facet, value, {}), images, round(100 * images / most, 1))
                    for value, images in ranked[:LONG]
                ],
                "rest": max(0, len(ranked) - LONG),
            }
        )
    return shown


def _tile(one: Listed, source: str | None) -> dict[str, Any]:
    return {
        **one.shown,
        "image_id": one.image_id,
        "word": WORDS[one.shown["verdict"]],
        "source": source,
    }


def _words(one: Listed) -> int:
    """About how many bytes an image takes in the page without its picture."""
    texts: Sequence[str] = (one.shown["name"], one.shown["name"], one.shown["why"])
    return 400 + sum(len(text.encode("utf-8", "replace")) for text in texts)


def _order(query: Query) -> str:
    smallest, largest = SORTS[query.sort.removeprefix("-")]
    return largest if query.sort.startswith("-") else smallest
