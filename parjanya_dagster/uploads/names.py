"""File names that strangers chose, and the keys they get.

A key is the tenant's prefix, an id of ours, and the name, so no name can reach another object.
The rule is that of buckets (`objects.keys`): names keep their characters.
Names that would mean something else to another program are refused all the same: after
percent-decoding, and after folding look-alikes (U+FF0F is a slash to some).
"""

from __future__ import annotations

import unicodedata
from urllib.parse import unquote

from parjanya_dagster.errors import UploadRefused
from parjanya_dagster.objects.keys import is_unfinished, set_aside, shown, untellable

MOST_BYTES = 200
"""Bytes of a name in UTF-8: file systems allow 255, and a whole key may have 1,024."""


def safe_name(name: str) -> str:
    """The name in Unicode's form NFC. Raises UploadRefused."""
    name = unicodedata.normalize("NFC", name)
    for seen in _readings(name):
        if (why := _objection(seen)) is not None:
            raise UploadRefused(f"{_shown(name)} cannot be a file name: {why} Rename the file.")
    if (what := set_aside(name)) is not None:
        raise UploadRefused(f"{_shown(name)} is by its name a {what}, and no image. Leave it out.")
    return name


def key_of(prefix: str, upload_id: str, name: str) -> str:
    """The key of an upload of that name. Raises UploadRefused."""
    return f"{prefix}{upload_id}/{safe_name(name)}"


def _readings(name: str) -> set[str]:
    """The name as it is, and as careless programs may read it."""
    readings = {name}
    decoded = name
    while (further := unquote(decoded)) != decoded:
        readings.add(decoded := further)
    return readings | {unicodedata.normalize("NFKC", reading) for reading in readings}


def _objection(name: str) -> str | None:
    if not name.strip():
        return "it is empty."
    if len(name.encode("utf-8", "surrogatepass")) > MOST_BYTES:
        return f"it is longer than {MOST_BYTES} bytes."
    if "/" in name or "\\" in name:
        return "it has a slash or a backslash in it."
    if (why := untellable(name)) is not None:
        return f"it has {why}."
    if name.startswith("."):
        return "it begins with a dot, so it counts as hidden."
    if name != name.strip():
        return "it begins or ends with a space."
    if is_unfinished(name):
        return "it ends like that of an unfinished download."
    return None


def _shown(name: str) -> str:
    return f"'{shown(name[:60])}{'…' if len(name) > 60 else ''}'"
