"""The image that somebody means: by id or the beginning of one, key, path on disk, name or glob."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlparse

from parjanya_dagster.errors import AmbiguousImage, UnknownImage
from parjanya_dagster.objects.keys import INCOMING
from parjanya_dagster.review.find import by_id
from parjanya_dagster.truth.models import ImageRow

if TYPE_CHECKING:  # most images are found without it
    from parjanya_dagster.catalog import Catalog
    from parjanya_dagster.truth.image_reader import Found, ImagesReadable

MOST = 20  # candidates that are listed
_WILD = re.compile(r"[*?]|\[[^\]]*\]")


def find_image(store: Found, name: str, tenant: str | None = None) -> ImageRow:
    """The row with this id, beginning of an id, or key, with or without `incoming/`: the newest.

    Raises UnknownImage, and AmbiguousImage if several have it.
    """
    row = by_id(store, name, tenant)
    if row is not None:
        return row
    versions = store.find(name, tenant) or store.find(INCOMING + name, tenant)
    if not versions:
        where = f" of tenant {tenant!r}" if tenant else ""
        raise UnknownImage(f"No image{where} has the id or key {name!r}.")
    tenants = {version.tenant for version in versions}
    if len(tenants) > 1:
        raise AmbiguousImage(
            f"{len(tenants)} tenants have the key {name!r}: {', '.join(sorted(tenants))}. "
            "Name one with --tenant."
        )
    return versions[0]


def search_image(
    store: ImagesReadable,
    objects_url: str,
    catalog: Callable[[], Catalog],
    name: str,
    tenant: str | None = None,
) -> ImageRow:
    """The row that is meant by an id, a key, a path on disk, a file name or a glob.

    `catalog` opens one that is up to date: names and globs are looked up in it. Raises
    UnknownImage, and AmbiguousImage with the candidates.
    """
    try:
        return find_image(store, name, tenant)
    except UnknownImage:
        found = _on_disk(store, objects_url, Path(name), tenant)
        if found is None:
            found = list(_named(store, catalog(), name, tenant))
    if not found:
        where = f" of tenant {tenant!r}" if tenant else ""
        raise UnknownImage(
            f"No image{where} has this id, key or file name: {name!r}. "
            "`parjanya images --text WORD` searches."
        )
    if len(found) > 1:
        listed = "\n".join(
            f"  {row.image_id}  {row.tenant}  {row.key.removeprefix(INCOMING)}"
            for row in found[:MOST]
        )
        more = "\n  …" if len(found) > MOST else ""
        raise AmbiguousImage(f"Several images are called {name!r}. Name one by id:\n{listed}{more}")
    return found[0]


def _on_disk(
    store: ImagesReadable, objects_url: str, path: Path, tenant: str | None
) -> list[ImageRow] | None:
    """Rows of the file at a path: of its place in a bucket, else of its bytes. None: no file."""
    if not path.is_file():
        return None
    buckets = Path(unquote(urlparse(objects_url).path))
    if objects_url.startswith("file:") and path.resolve().is_relative_to(buckets.resolve()):
        bucket, *key = path.resolve().relative_to(buckets.resolve()).parts
        rows = [row for row in store.find("/".join(key), tenant) if row.bucket == bucket]
        return rows[:1]
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    tenants = [tenant] if tenant else [one.slug for one in store.tenants()]
    return [row for slug in tenants for row in store.twins(slug, [sha256]).get(sha256, ())]


def _named(store: Found, catalog: Catalog, name: str, tenant: str | None) -> Iterator[ImageRow]:
    """Rows with this file name or glob, by the catalog, read from the store."""
    wild = _WILD.search(name) is not None
    from parjanya_dagster.catalog import Query
    from parjanya_dagster.catalog.words import words

    # A part of a word is no word: of a glob, only words that stand by themselves are searched.
    certain = [] if wild else words(name)
    query = Query(filters={"tenant": (tenant,)} if tenant else {}, text=" ".join(certain))
    found = 0
    while found <= MOST:
        page = catalog.page(query, 1000)
        for one in page.images:
            shown = str(one.shown["name"])
            if _called(shown, name, wild) and (row := store.get(one.image_id)) is not None:
                found += 1
                yield row
            if found > MOST:
                return
        if page.next is None:
            return
        query = query.page_after(page.next)


def _called(key: str, name: str, wild: bool) -> bool:
    base = key.rpartition("/")[2]
    if wild:
        return fnmatchcase(key, name) or fnmatchcase(base, name)
    return name.casefold() in (base.casefold(), base.rpartition(".")[0].casefold())
