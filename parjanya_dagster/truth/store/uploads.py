"""Promised uploads, before there is an object. Once it arrives, it gets an image row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from parjanya_dagster.truth.uploads import UploadRow


class Uploads(Protocol):
    """Promised uploads."""

    def add_uploads(self, promised: Sequence[UploadRow]) -> None:
        """Record promised uploads. An upload that is recorded already is left as it is."""

    def upload(self, upload_id: str) -> UploadRow | None: ...

    def uploads_named(self, upload_ids: Sequence[str]) -> dict[str, UploadRow]:
        """Those of these ids that there are, by id. Together they cost about what one costs."""

    def uploads_due(self, now: float, limit: int = 200) -> list[UploadRow]:
        """Pending uploads whose check is due. The longest due come first.

        The cost grows with what is due, since a settled upload has no `due_at`.
        """

    def postpone_uploads(self, upload_ids: Sequence[str], due_at: float) -> None:
        """Look at pending uploads again at that time. Settled ones are left alone."""

    def upload_arrived(self, upload_id: str, image_id: str, now: float) -> bool:
        """Record the image row of an upload. False: known already. An expired upload may arrive."""

    def upload_expired(self, upload_id: str, reason: str, now: float) -> bool:
        """Give a pending upload up. False: it was settled already, and stays as it is."""
