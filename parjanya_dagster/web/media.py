"""Pictures: addresses that are good for one session for a while, and their bytes.

An address holds an image's id and a signature, and never a bucket, a key or a path. The signature
is bound to the tenant and to the session, so an address that is passed on opens nothing.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote

from starlette.responses import PlainTextResponse, RedirectResponse, Response

from parjanya_dagster import media
from parjanya_dagster.errors import ObjectGone, StorageUnavailable
from parjanya_dagster.execution.thumbnails import thumbnail
from parjanya_dagster.media.sniff import MIME, sniff
from parjanya_dagster.objects.store import Objects
from parjanya_dagster.truth.models import ImageRow
from parjanya_dagster.truth.store import Images
from parjanya_dagster.web.access import Keys, Person

Kind = Literal["thumbnail", "preview", "original", "download"]
"""An original is served by the desk, and may be shown. A download may be sent to the storage."""
FROM_STORAGE = 60  # seconds for which an address of the storage is good
WINDOW = (
    3600  # seconds: an address stays the same within one, and is good until the end of the next
)
INLINE = frozenset({"jpeg", "png", "webp", "gif", "avif"})
"""Formats of originals that a browser may show. It must download all others."""
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """Signs addresses and serves what lies behind them."""

    store: Images
    objects: Objects
    keys: Keys
    clock: Callable[[], float]
    from_storage: bool = False  # downloads come from the storage, where it has addresses

    def address(self, person: Person, tenant: str, image_id: str, kind: Kind) -> str:
        until = (int(self.clock()) // WINDOW + 2) * WINDOW
        signature = self._signature(person, tenant, image_id, kind, str(until))
        return f"/media/{kind}/{image_id}/{until}-{signature}"

    def serve(
        self, person: Person, kind: str, image_id: str, seal: str, wanted: str | None, etag: str
    ) -> Response:
        """The bytes. `wanted`: the header Range; `etag`: the header If-None-Match."""
        until, _, signature = seal.partition("-")
        row = self.store.get(image_id)
        if (
            row is None
            or not person.may("viewer", row.tenant)
            or not self.keys.signed(
                signature, "media", person.session, row.tenant, image_id, kind, until
            )
        ):
            return PlainTextResponse("There is no such picture.", 404, _fresh())
        left = int(until) - int(self.clock())
        if left <= 0:
            return PlainTextResponse(
                "This address has expired. Load the page again.", 410, _fresh()
            )
        try:
            elsewhere = self._elsewhere(row) if kind == "download" else None
        except ObjectGone:
            return PlainTextResponse("There is no such picture any more.", 404, _fresh())
        except StorageUnavailable as error:
            return PlainTextResponse(str(error), 503, {**_fresh(), "Retry-After": "5"})
        if elsewhere is not None:
            return RedirectResponse(elsewhere, 303, _fresh())
        tag = f'"{_tag(row, kind)}"'
        headers = {
            **_ALWAYS,
            "ETag": tag,
            "Accept-Ranges": "bytes",
            "Cache-Control": f"private, max-age={left}, immutable",
        }
        if tag in (one.strip() for one in etag.split(",")):
            return Response(status_code=304, headers=headers)
        try:
            found = self._bytes(row, kind)
        except ObjectGone:
            return PlainTextResponse("There is no such picture any more.", 404, _fresh())
        except StorageUnavailable as error:
            return PlainTextResponse(str(error), 503, {**_fresh(), "Retry-After": "5"})
        return _part(found, wanted, headers | _described(row, kind, found))

    def _elsewhere(self, row: ImageRow) -> str | None:
        """Where the storage gives the original out itself. None: nowhere."""
        if not self.from_storage:
            return None
        url = self.objects.presigned_download(row.bucket, row.key, _saved_as(row), FROM_STORAGE)
        if url is not None and self.objects.head(row.bucket, row.key).version != row.version:
            raise ObjectGone  # what lies there now is another image
        return url

    def _bytes(self, row: ImageRow, kind: str) -> bytes:
        if kind in ("original", "download"):
            found = self.objects.get(row.bucket, row.key, row.version)
            if found.version != row.version:
                raise ObjectGone  # what lies there now is another image
            return found.data
        if kind == "thumbnail":
            return thumbnail(self.objects, row)
        if row.preview_key is None:
            raise ObjectGone
        return self.objects.get(row.preview_bucket or row.bucket, row.preview_key).data

    def _signature(self, person: Person, tenant: str, image_id: str, kind: str, until: str) -> str:
        return self.keys.signature("media", person.session, tenant, image_id, kind, until)


def _described(row: ImageRow, kind: str, data: bytes) -> dict[str, str]:
    """What the bytes are, as their own beginning says, and whether a browser may show them."""
    try:
        found = sniff(data)
    except media.Rejected:
        found = ""
    shown = found in INLINE and len(data) > 0
    described = {"Content-Type": MIME[found] if shown else "application/octet-stream"}
    if kind in ("original", "download"):
        described["Content-Disposition"] = _saved_as(row)
    return described


def _saved_as(row: ImageRow) -> str:
    name = quote(row.key.rpartition("/")[2], safe="", errors="surrogateescape")
    return f"attachment; filename*=UTF-8''{name}"


def _tag(row: ImageRow, kind: str) -> str:
    of = "\0".join((kind, row.image_id, row.version)).encode("utf-8", "surrogateescape")
    return hashlib.sha256(of).hexdigest()[:20]


def _part(data: bytes, wanted: str | None, headers: dict[str, str]) -> Response:
    """All bytes, or the one range that was asked for."""
    asked = _RANGE.fullmatch(wanted or "")
    if asked is None or not any(asked.groups()):
        return Response(data, headers=headers)
    first, last = asked.groups()
    if first:
        start, end = int(first), min(int(last or len(data) - 1), len(data) - 1)
    else:
        start, end = max(0, len(data) - int(last)), len(data) - 1
    if start > end:
        return Response(
            status_code=416, headers={**headers, "Content-Range": f"bytes */{len(data)}"}
        )
    headers = {**headers, "Content-Range": f"bytes {start}-{end}/{len(data)}"}
    return Response(data[start : end + 1], 206, headers)


def _fresh() -> dict[str, str]:
    return {**_ALWAYS, "Cache-Control": "no-store"}
