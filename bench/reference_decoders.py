"""The matrix of `docs/formats.md` against decoders that are not ours.

    python -m bench.reference_decoders [--magick convert] [--heif heif-convert]

Each file of the matrix is shown upright, over white, in sRGB: by Chromium (JPEG, PNG, WebP, AVIF,
BMP; HEIC after libheif's heif-convert made a PNG of it), or by ImageMagick (TIFF). A container
whose program is not given is left out.

Three figures for each cell, as PSNR in dB: our preview against the reference, and both against the
scene that was encoded. Where the reference is further than `NEAR_ENOUGH` from the scene, it cannot
do the cell itself, and judges nothing.
"""

from __future__ import annotations

import argparse
import base64
import io
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

from parjanya_dagster.media import Rejected, validate
from tests.support.browser import chromium
from tests.support.encoded import SRGB, Cell, cells, encoded, expected

NEAR_ENOUGH = 30.0  # dB
BROWSER = {
    "jpeg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "avif": "image/avif",
    "bmp": "image/bmp",
}
SHOW = """async ([kind, data]) => {
  const picture = new Image();
  picture.src = `data:${kind};base64,${data}`;
  try { await picture.decode(); } catch { return null; }
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [picture.naturalWidth, picture.naturalHeight];
  const pen = canvas.getContext("2d", {colorSpace: "srgb", willReadFrequently: true});
  pen.fillStyle = "white";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.drawImage(picture, 0, 0);
  return canvas.toDataURL("image/png").split(",")[1];
}"""


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A cell, and how far three pictures of it are from one another, in dB. None: not shown."""

    cell: Cell
    ours: float | None  # against the reference
    ours_of_scene: float | None
    reference_of_scene: float | None

    @property
    def verdict(self) -> str:
        if self.reference_of_scene is None:
            return "reference shows nothing"
        if self.reference_of_scene < NEAR_ENOUGH:
            return "reference is off the scene"
        if self.ours_of_scene is None:
            return "refused by us"
        assert self.ours is not None
        return "agree" if self.ours >= NEAR_ENOUGH else "DISAGREE"


def scene() -> Image.Image:
    """That of the tests: smooth, so that colour is compared and not the JPEG of the preview."""
    import skimage

    with Image.open(Path(skimage.__file__).parent / "data" / "astronaut.png") as photo:
        part = photo.convert("RGB").crop((0, 0, 512, 384))
    return part.resize((160, 120)).filter(ImageFilter.GaussianBlur(2))


def psnr(one: np.ndarray | None, other: np.ndarray | None) -> float | None:
    if one is None or other is None:
        return None
    if one.shape != other.shape:
        return 0.0
    error = ((one.astype(np.float64) - other.astype(np.float64)) ** 2).mean()
    return float(10 * np.log10(255**2 / max(error, 1e-9)))


def pixels(data: bytes | None) -> np.ndarray | None:
    return None if data is None else np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def preview(data: bytes) -> bytes | None:
    try:
        return validate(data).preview
    except Rejected:
        return None


def browsed(page: Any, data: bytes, kind: str) -> bytes | None:
    shown = page.evaluate(SHOW, [kind, base64.b64encode(data).decode()])
    return None if shown is None else base64.b64decode(shown)


def converted(magick: str, data: bytes, cell: Cell) -> bytes | None:
    """By ImageMagick: turned, its profile applied where it has one, over white."""
    with tempfile.TemporaryDirectory() as folder:
        profile = Path(folder) / "srgb.icc"
        profile.write_bytes(SRGB)
        colours = ["-profile", str(profile)] if cell.profile != "none" else ["-colorspace", "sRGB"]
        flat = ["-background", "white", "-alpha", "remove", "-alpha", "off", "-depth", "8"]
        return _made([magick, "IN", "-auto-orient", *colours, *flat, "-strip", "OUT"], data, cell)


def _made(command: Sequence[str], data: bytes, cell: Cell) -> bytes | None:
    """The PNG that a program makes as OUT of the file IN. None: it made none."""
    with tempfile.TemporaryDirectory() as folder:
        places = {"IN": f"{folder}/in.{cell.container}", "OUT": f"{folder}/out.png"}
        Path(places["IN"]).write_bytes(data)
        subprocess.run(
            [places.get(part, part) for part in command], capture_output=True, check=False
        )
        out = Path(places["OUT"])
        return out.read_bytes() if out.exists() else None


@dataclass(frozen=True, kw_only=True)
class References:
    page: Any  # of a browser
    magick: str | None
    heif: str | None

    def show(self, data: bytes, cell: Cell) -> bytes | None:
        if cell.container == "tiff":
            return converted(str(self.magick), data, cell)
        if cell.container == "heic":
            png = _made([str(self.heif), "IN", "OUT"], data, cell)
            return None if png is None else browsed(self.page, _unturned(png), "image/png")
        return browsed(self.page, data, BROWSER[cell.container])

    def can_try(self, cell: Cell) -> bool:
        needed = {"tiff": self.magick, "heic": self.heif}
        return needed.get(cell.container, "none") is not None


def _unturned(png: bytes) -> bytes:
    """Without EXIF: heif-convert has turned the picture already."""
    parts, at = [png[:8]], 8
    while at < len(png):
        end = at + 12 + int.from_bytes(png[at : at + 4])
        if png[at + 4 : at + 8] != b"eXIf":
            parts.append(png[at:end])
        at = end
    return b"".join(parts)


def judged(magick: str | None, heif: str | None) -> Iterator[Judged]:
    picture = scene()
    with chromium() as browser:
        references = References(page=browser.new_page(), magick=magick, heif=heif)
        for cell in filter(references.can_try, cells()):
            data = encoded(picture, cell)
            reference = pixels(references.show(data, cell))
            ours, truth = pixels(preview(data)), expected(picture, cell)
            yield Judged(
                cell=cell,
                ours=psnr(ours, reference),
                ours_of_scene=psnr(ours, truth),
                reference_of_scene=psnr(reference, truth),
            )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--magick", help="ImageMagick's convert, for TIFF")
    parser.add_argument("--heif", help="libheif's heif-convert, for HEIC")
    options = parser.parse_args()
    counts: dict[tuple[str, str, str], int] = {}
    for one in judged(options.magick, options.heif):
        key = one.cell.container, one.cell.depth, one.verdict
        counts[key] = counts.get(key, 0) + 1
        if one.verdict != "agree":
            figures = (one.ours, one.ours_of_scene, one.reference_of_scene)
            told = ", ".join("none" if f is None else f"{f:.1f}" for f in figures)
            print(f"{one.verdict}: {one.cell}: {told} dB")
    print("| container | bits | verdict | files |\n|---|---|---|---|")
    for (container, depth, verdict), count in counts.items():
        print(f"| {container} | {depth} | {verdict} | {count} |")
    return int(any(verdict == "DISAGREE" for _, _, verdict in counts))


if __name__ == "__main__":
    raise SystemExit(main())
