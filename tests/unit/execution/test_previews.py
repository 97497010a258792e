"""Previews as the stages after `validated` read them: as what they must be, and how often."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import pyvips

from parjanya_dagster.execution.previews import Previews, decode_jpeg
from tests.support.pictures import picture
from tests.support.stages import House

DRAWING = b'<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"><rect width="8"/></svg>'


def test_a_preview_is_read_as_a_jpeg_and_as_nothing_else() -> None:
    """A decoder that was taken over wrote it, and must not choose who decodes it outside a jail."""
    png = pyvips.Image.black(8, 8).pngsave_buffer()
    for data in (DRAWING, png):
        with pytest.raises(pyvips.Error):
            decode_jpeg(data)


def test_a_pass_between_two_stages_reads_what_is_not_held_and_saves_the_next_as_much(
    house: House,
) -> None:
    for n in range(6):
        house.drop(f"{n}.jpg", picture(n, 64, 48))
    house.sweep()
    house.validate()
    rows = sorted(house.platform.store.present("acme"), key=lambda row: row.key)
    read: Counter[str] = Counter()

    class Read:
        def get(self, bucket: str, key: str) -> Any:
            read[key] += 1
            return house.platform.objects.get(bucket, key)

    previews = Previews(Read(), 4 * 64 * 48 * 3)  # type: ignore[arg-type]  # four are held
    for row in rows:
        previews.pixels(row)
    assert previews.held_first(rows) == [rows[n] for n in (5, 4, 3, 2, 0, 1)]
    for row in previews.held_first(rows):
        previews.pixels(row)
    assert read.total() == 6 + 2
    for row in rows:
        previews.pixels(row)
    assert read.total() == 6 + 2 + 2
