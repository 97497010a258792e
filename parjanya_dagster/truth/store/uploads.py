"""Promised uploads, before there is an object. An arrived one is an image row as well."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from parjanya_dagster.truth.uploads import UploadRow


class Uploads(Protocol):
    """Promised uploads."""

    def add_uploads(self, promised: Sequence[UploadRow]) -> None:
        """Record promised uploads. One that is recorded already is left as it is."""

    def upload(self, upload_id: str) -> UploadRow | None: ...

    def uploads_due(self, now: float, limit: int = 200) -> list[UploadRow]:
        """Pending uploads to be looked after by now, the longest due first.

        Costs what is due: an upload that is settled has no `due_at`.
        """

    def upload_arrived(self, upload_id: str, image_id: str, now: float) -> bool:
        """The promised object is an image row. False: that was known. An expired one may arrive."""

    def upload_expired(self, upload_id: str, reason: str, now: float) -> bool:
        """A pending upload will not come any more. False: it was settled, and stays as it is."""
