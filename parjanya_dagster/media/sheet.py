"""A contact sheet: one small picture of many thumbnails, each framed in its verdict's colour."""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

# Told apart by colour and by brightness, on white and on black (and by most colour-blind eyes).
VERDICT_COLOURS: Final[dict[str, str]] = {
    "accept": "#1a9850",
    "reject": "#d73027",
    "review": "#f5a623",
    "failed": "#8c8c8c",
}
_OTHER: Final = "#5b7fa6"
# A mid-dark page of its own: legible whatever theme surrounds it.
_PAGE, _EMPTY, _INK = "#24292f", "#3b424a", "#f2f4f6"
_GAP: Final = 6


@dataclass(frozen=True)
class Tile:
    """One image of a sheet. `thumbnail` may be empty: a failed image has none."""

    thumbnail: bytes
    caption: str
    verdict: str


def contact_sheet(
    tiles: Sequence[Tile], columns: int = 8, tile_px: int = 128, max_bytes: int = 80_000
) -> bytes:
    """A WebP of all `tiles` in rows of `columns`, each `tile_px` wide with frame and caption.

    Quality is lowered in steps until the sheet has at most `max_bytes` (or no step is left), since
    it travels inside an orchestrator's metadata. Raises ValueError for no tiles or columns below 1.
    """
    if not tiles:
        raise ValueError("a contact sheet needs at least one tile")
    if columns < 1 or tile_px < 32:
        raise ValueError("a contact sheet needs columns ≥ 1 and tile_px ≥ 32")
    from PIL import Image, ImageDraw, ImageFont

    columns = min(columns, len(tiles))
    text_px = max(9, tile_px // 11)
    font = ImageFont.load_default(size=text_px)
    step_x, step_y = tile_px + _GAP, tile_px + text_px + 4 + _GAP
    rows = -(-len(tiles) // columns)
    page = Image.new("RGB", (columns * step_x + _GAP, rows * step_y + _GAP), _PAGE)
    draw = ImageDraw.Draw(page)
    for index, tile in enumerate(tiles):
        left = _GAP + index % columns * step_x
        top = _GAP + index // columns * step_y
        _draw_tile(page, draw, tile, left, top, tile_px)
        caption = _fitted(tile.caption, font, tile_px)
        draw.text((left + tile_px // 2, top + tile_px + 2), caption, _INK, font, anchor="ma")
    return _compressed(page, max_bytes)


def _compressed(page: Any, max_bytes: int) -> bytes:
    sheet = b""
    for quality in (72, 50, 30, 12):
        out = io.BytesIO()
        page.save(out, "WEBP", quality=quality, method=4)
        sheet = out.getvalue()
        if len(sheet) <= max_bytes:
            break
    return sheet


def _draw_tile(page: Any, draw: Any, tile: Tile, left: int, top: int, size: int) -> None:
    from PIL import Image

    frame = max(3, size // 32)
    colour = VERDICT_COLOURS.get(tile.verdict, _OTHER)
    box = (left, top, left + size - 1, top + size - 1)
    draw.rectangle(box, fill=_EMPTY, outline=colour, width=frame)
    inner = size - 2 * frame - 2
    if not tile.thumbnail:
        corners = (left + size // 3, top + size // 3, left + size * 2 // 3, top + size * 2 // 3)
        draw.line(corners, colour, frame)
        draw.line((corners[0], corners[3], corners[2], corners[1]), colour, frame)
        return
    with Image.open(io.BytesIO(tile.thumbnail), formats=["JPEG"]) as image:
        image.draft("RGB", (inner, inner))
        picture = image.convert("RGB")
    picture.thumbnail((inner, inner))
    offset_x, offset_y = (size - picture.width) // 2, (size - picture.height) // 2
    page.paste(picture, (left + offset_x, top + offset_y))


def _fitted(text: str, font: Any, width: int) -> str:
    """`text` on one line of at most `width` pixels; its middle gives way, its ends are kept."""
    text = " ".join(text.split())[:200]
    if font.getlength(text) <= width:
        return text

    def short(keep: int) -> str:
        return text[: (keep + 1) // 2] + "…" + text[len(text) - keep // 2 :]

    lengths = range(2, len(text))
    fit = bisect_right(lengths, width, key=lambda keep: font.getlength(short(keep)))
    return short(lengths[fit - 1]) if fit else text[:1]
