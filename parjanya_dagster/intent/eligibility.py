"""Eligibility: before anything costly is asked for, is what it needs where Truth says it is?

An instance with a GPU should not start for an object that is gone or a preview that was never
written. Bounded: what is not looked at here is found by the work itself. What cannot be read is
taken for there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

import structlog

from parjanya_dagster.errors import ObjectGone, StorageUnavailable
from parjanya_dagster.intent.plan import Request
from parjanya_dagster.objects.store import Objects
from parjanya_dagster.truth.models import PRESENT, ImageRow
from parjanya_dagster.truth.requests import Reset
from parjanya_dagster.truth.stages import STAGES, WAITS_FOR
from parjanya_dagster.truth.store import Store
from parjanya_dagster.truth.store.paging import batch_rows

log = structlog.get_logger(__name__)
LOOKERS = 16  # objects looked for side by side
FIRST = STAGES[0]
BARE = "its preview is missing, so it is validated again"
MOST_AGAIN = 3  # times that a row is sent back from here
PIXELS = ("enriched", "scored")
"""The stages that work on previews. Deciding needs recorded evidence alone."""


@dataclass(frozen=True, slots=True)
class Eligibility:
    """Looks for what the rows of a request need."""

    store: Store
    objects: Objects
    clock: Callable[[], float]
    most: int = 200  # rows of a request

    def left(self, request: Request) -> bool:
        """Whether the request is still worth making. Rows that lack what they need are put right.

        Without a preview a row goes back to be validated, where it is written; without its object
        it has departed. Raises TruthUnavailable.
        """
        rows = list(self._due(request))
        if not rows:
            return True  # a manifest to write, or too much else to look through
        with ThreadPoolExecutor(LOOKERS, "eligible") as pool:
            lacks = list(zip(rows, pool.map(self._lacks, rows), strict=True))
        gone = [row.image_id for row, what in lacks if what == "object"]
        bare = [row.image_id for row, what in lacks if what == "preview"]
        bare = [one for one in bare if self._may_help(one)]
        now = self.clock()
        if gone:
            self.store.depart(gone, now, "the object is not in its bucket any more")
        if bare:
            self.store.reset_images(bare, Reset(stage=FIRST, reason=BARE), now)
        if gone or bare:
            log.warning("rows_not_eligible", gone=len(gone), without_preview=len(bare))
        useless = len(gone) + (len(bare) if FIRST not in request.stages else 0)
        return useless < len(rows) or len(rows) >= self.most

    def _due(self, request: Request) -> Iterator[ImageRow]:
        waiting = {str(WAITS_FOR[stage]) for stage in request.stages if stage != STAGES[-1]}
        now = self.clock()
        due = (
            row
            for row in batch_rows(self.store, request.keys)
            if row.due_at is not None
            and row.due_at <= now
            and row.pipeline_status in waiting
            and row.object_state == PRESENT
        )
        return islice(due, self.most)

    def _lacks(self, row: ImageRow) -> str:
        """What is missing: the object or the preview; empty: nothing."""
        pixels = row.pipeline_status in {str(WAITS_FOR[stage]) for stage in PIXELS}
        if pixels and row.preview_key and self._is_there(row.preview_bucket or "", row.preview_key):
            return ""
        if not self._is_there(row.bucket, row.key):
            return "object"
        return "preview" if pixels else ""

    def _may_help(self, image: str) -> bool:
        """Something may delete previews as they come: then the work fails it."""
        history = self.store.history(image)
        return sum(event.reason == BARE for event in history) < MOST_AGAIN

    def _is_there(self, bucket: str, key: str) -> bool:
        try:
            self.objects.head(bucket, key)
        except ObjectGone:
            return False
        except StorageUnavailable:
            return True
        return True
