"""Previews as the stages after `validated` read them."""

from __future__ import annotations

import pytest
import pyvips

from parjanya_dagster.execution.previews import decode_jpeg

DRAWING = b'<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"><rect width="8"/></svg>'


def test_a_preview_is_read_as_a_jpeg_and_as_nothing_else() -> None:
    """A decoder that was taken over wrote it, and must not choose who decodes it outside a jail."""
    png = pyvips.Image.black(8, 8).pngsave_buffer()
    for data in (DRAWING, png):
        with pytest.raises(pyvips.Error):
            decode_jpeg(data)
