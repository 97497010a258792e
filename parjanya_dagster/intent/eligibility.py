"""Eligibility: whether the rows of a request have what they need, before a costly run is asked for.

An instance with a GPU should not start for an object that is gone or for a preview that was never
written. The check is bounded: the work itself finds what was not looked at here. What cannot be
read counts as present.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from parjanya_dagster.errors import ObjectGone, StorageUnavailable
from parjanya_dagster.intent.plan import Request
from parjanya_dagster.lines import get_logger
from parjanya_dagster.objects.store import Objects
from parjanya_dagster.truth.models import ImageRow
from parjanya_dagster.truth.requests import Reset
from parjanya_dagster.truth.stages import STAGES, WAITS_FOR
from parjanya_dagster.truth.store import Store

log = get_logger(__name__)
THREADS = 16  # objects looked for side by side
FIRST = STAGES[0]
NO_PREVIEW = "its preview is missing, so it is validated again"
FRESH = 900.0  # seconds for which an object or a preview is taken to be where it was put
MOST_RESETS = 3  # times that a row is sent back from here
PIXELS = ("enriched", "scored")
"""The stages that work on previews. Deciding needs recorded evidence alone."""
ON_PREVIEW = frozenset(str(WAITS_FOR[stage]) for stage in PIXELS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Eligibility:
    """Looks for what the rows of a request need."""

    store: Store
    objects: Objects
    clock: Callable[[], float]
    costly: frozenset[str] = frozenset()  # lanes for which an instance may start
    most: int = 200  # rows of a request

    def select(self, requests: Sequence[Request]) -> tuple[Request, ...]:
        """The requests whose rows have what they need. Raises TruthUnavailable.

        A run that validates and costs no instance finds out by itself what is missing.
        """
        return tuple(
            request
            for request in requests
            if (request.lane.name not in self.costly and FIRST in request.lane.stages)
            or self.check(request)
        )

    def check(self, request: Request) -> bool:
        """Whether the request is still worth making. Rows that lack what they need are put right.

        Without a preview a row goes back to be validated, where it is written. Without its object
        it waits: only the sweep says that it has departed. Raises TruthUnavailable.
        """
        rows = self._due(request)
        if not rows:
            return True  # a manifest to write, or too much else to look through
        now = self.clock()
        doubtful = [row for row in rows if not _just_come(row, now)]
        with ThreadPoolExecutor(THREADS, "eligible") as pool:
            missing = list(zip(doubtful, pool.map(self._missing, doubtful), strict=True))
        gone = [row.image_id for row, what in missing if what == "object"]
        without_preview = [
            row.image_id
            for row, what in missing
            if what == "preview" and self._reset_may_help(row.image_id)
        ]
        if without_preview:
            back = Reset(stage=FIRST, reason=NO_PREVIEW)
            self.store.reset_images(without_preview, back, now)
        if gone or without_preview:
            log.warning("rows_not_eligible", gone=len(gone), without_preview=len(without_preview))
        useless = len(gone) + (len(without_preview) if FIRST not in request.stages else 0)
        return useless < len(rows) or len(rows) >= self.most

    def _due(self, request: Request) -> list[ImageRow]:
        """Rows of the request that are due, up to `most`. Deciding needs nothing but evidence."""
        looking = [stage for stage in request.stages if stage != STAGES[-1]]
        return self.store.due_rows(request.keys, looking, self.clock(), self.most)

    def _missing(self, row: ImageRow) -> str:
        """What the row lacks: its object or its preview. Empty: nothing."""
        on_preview = row.pipeline_status in ON_PREVIEW
        preview = (row.preview_bucket or "", row.preview_key or "")
        if on_preview and row.preview_key and self._is_there(*preview):
            return ""
        if not self._is_there(row.bucket, row.key):
            return "object"
        return "preview" if on_preview else ""

    def _reset_may_help(self, image_id: str) -> bool:
        """Something may delete previews as they come: then the work fails the image."""
        history = self.store.history(image_id)
        return sum(event.reason == NO_PREVIEW for event in history) < MOST_RESETS

    def _is_there(self, bucket: str, key: str) -> bool:
        try:
            self.objects.head(bucket, key)
        except ObjectGone:
            return False
        except StorageUnavailable:
            return True
        return True


def _just_come(row: ImageRow, now: float) -> bool:
    """Whether a row arrived a moment ago, and its object or its preview was not missed yet. Each
    look at the bucket is paid for. Should it be gone, the work itself finds out."""
    validated = row.pipeline_status in ON_PREVIEW and bool(row.preview_key)
    untried = row.pipeline_status == WAITS_FOR[FIRST] and row.fence == 0
    return (validated or untried) and 0.0 <= now - row.arrived_at < FRESH
