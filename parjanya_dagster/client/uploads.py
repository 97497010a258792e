"""Uploads by a program: ask where to put files, put them there, and follow them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import httpx

from parjanya_dagster.client.connection import PAUSES, Connection, asked_to_wait, checked, said
from parjanya_dagster.client.messages import Upload, Uploads, UploadStatus, UploadStatuses
from parjanya_dagster.errors import DeskRefused, DeskUnavailable

MOST_AT_ONCE = 50  # files of one request
LOOK_EVERY = 2.0  # seconds between two looks at what is not decided
THERE_ALREADY = 412
BUSY = frozenset({429, 500, 502, 503, 504})  # answers of a storage that say nothing about the file
TYPES = {
    "jpg": "image/jpeg", "jpeg": "image/jpeg", "png": "image/png", "webp": "image/webp",
    "tif": "image/tiff", "tiff": "image/tiff", "bmp": "image/bmp", "gif": "image/gif",
    "avif": "image/avif", "heic": "image/heic", "heif": "image/heif",
}  # fmt: skip
OTHER = "application/octet-stream"  # RAW files; the desk looks at the bytes anyway


@dataclass(frozen=True, kw_only=True)
class Uploader:
    """Uploads for the tenant of one token."""

    connection: Connection
    token: str

    def upload(self, paths: Sequence[Path]) -> Iterator[Upload]:
        """Put files there, one after the other. Yields each once it is there."""
        for path in paths:
            if not path.is_file():
                raise DeskRefused(f"{path} is no file.")
        left = iter(paths)
        while pack := list(islice(left, MOST_AT_ONCE)):
            # Asked for in small packs, since a promise ends after some minutes.
            for path, upload in zip(pack, self._ask(pack), strict=True):
                self._put(path, upload)
                yield upload

    def look(self, uploads: Sequence[Upload]) -> list[UploadStatus]:
        """How far uploads have come, in their order."""
        found: list[UploadStatus] = []
        for start in range(0, len(uploads), MOST_AT_ONCE):
            ids = [one.upload_id for one in uploads[start : start + MOST_AT_ONCE]]
            answer = self.connection.answer(
                "GET", "/uploads/v1/uploads", params={"id": ids}, headers=self._bearer
            )
            found += UploadStatuses.model_validate(answer.json()).uploads
        return found

    def wait(
        self,
        uploads: Sequence[Upload],
        patience: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> list[UploadStatus]:
        """The same once all are done, or after so many seconds."""
        until = clock() + patience
        while True:
            found = self.look(uploads)
            if all(one.done for one in found) or clock() >= until:
                return found
            self.connection.pause(LOOK_EVERY)

    def _ask(self, paths: Sequence[Path]) -> list[Upload]:
        wanted = [
            {
                "name": path.name,
                "content_type": TYPES.get(path.suffix.lstrip(".").lower(), OTHER),
                "size": path.stat().st_size,
            }
            for path in paths
        ]
        answer = self.connection.answer(
            "POST", "/uploads/v1/uploads", json={"files": wanted}, headers=self._bearer
        )
        return Uploads.model_validate(answer.json()).uploads

    def _put(self, path: Path, upload: Upload) -> None:
        """Put one file. The desk's token goes to the desk alone, and never to a storage."""
        headers = {**upload.headers, **(self._bearer if upload.authorize else {})}
        headers["Content-Length"] = str(path.stat().st_size)  # S3 takes no chunks of unknown number
        for tried, wait in enumerate((*PAUSES, None)):
            try:
                with path.open("rb") as file:
                    answer = self.connection.http.put(upload.url, content=file, headers=headers)
            except httpx.TransportError as error:
                if wait is None:
                    raise DeskUnavailable(f"{path.name} cannot be put there: {error}") from error
            else:
                if tried and answer.status_code == THERE_ALREADY:
                    return  # an answer was lost
                if answer.status_code not in BUSY:
                    checked(answer)
                    return
                if wait is None:
                    raise DeskUnavailable(f"{path.name}: {said(answer)}")
                wait = max(wait, asked_to_wait(answer))
            self.connection.pause(wait)

    @property
    def _bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}
