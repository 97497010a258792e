"""How often text that was laid over a photograph is found: `docs/detectors.md`.

`python -m bench.overlays CACHE` takes the photographs of `bench.faces`, less those that text was
laid over already, and prints a line of text on each: at the top, in the middle or at the bottom, 18
to 60 pixels tall on 1,024, opaque or shining through. What is found with and without it is counted.
Thresholds were chosen on half of them (the column `overlay` of `faces.tsv`), with other lines. The
other half is judged; `--tuned` judges the first.
"""

from __future__ import annotations

import argparse
import csv
import io
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

from bench.faces import LABELS, SIDE, share
from bench.labelled_images import unpack
from gpu_ops.embedded.text import TextReader

FONT = "fonts-dejavu-core"
TEXTS = (
    "© Photo Archive", "www.example.com", "SUMMER SALE 2024", "14.08.2019 17:32",
    "Breaking: city wins", "Sample Preview", "Visit our shop today",
)  # fmt: skip
HEIGHTS = (18, 24, 32, 44, 60)
ALPHAS = {255: "opaque", 160: "63 %", 110: "43 %"}
COLOURS = ((255, 255, 255), (255, 255, 255), (20, 20, 20), (255, 190, 40))


def photographs(cache: Path, tuned: bool) -> Iterator[tuple[str, Image.Image]]:
    with LABELS.open() as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    for row in rows:
        path = row["path"]
        if row["overlay"] == ("chosen" if tuned else "judged") and (cache / path).is_file():
            with Image.open(cache / path) as opened:
                opened.draft("RGB", (SIDE, SIDE))
                picture = ImageOps.exif_transpose(opened).convert("RGB")
            picture.thumbnail((SIDE, SIDE))
            yield path, picture


def printed(picture: Image.Image, font: Path, height: int, alpha: int, draw: random.Random) -> Any:
    """The picture with a line of text, as a JPEG shows it."""
    layer = Image.new("RGBA", picture.size, (0, 0, 0, 0))
    text = draw.choice(TEXTS)
    left = draw.randrange(5, max(6, picture.width - int(height * 0.62 * len(text))))
    top = draw.choice((8, picture.height // 2, picture.height - 2 * height))
    face = ImageFont.truetype(str(font), height)
    colour = (*draw.choice(COLOURS), alpha)
    ImageDraw.Draw(layer).text((left, top), text, font=face, fill=colour)
    packed = io.BytesIO()
    both = Image.alpha_composite(picture.convert("RGBA"), layer).convert("RGB")
    both.save(packed, "JPEG", quality=90)
    return np.asarray(Image.open(packed))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.overlays", description=__doc__)
    parser.add_argument("cache", type=Path)
    parser.add_argument("--tuned", action="store_true", help="judge what thresholds were chosen on")
    options = parser.parse_args()
    unpack(options.cache, (FONT,))
    fonts = sorted((options.cache / FONT).rglob("*.ttf"))
    reader, draw = TextReader(overlays=True), random.Random(1)
    tried: Counter[str] = Counter()
    hits: Counter[str] = Counter()
    n = false = seen = 0
    for path, picture in photographs(options.cache, options.tuned):
        n += 1
        plain = reader.read(np.asarray(picture)).overlay
        assert plain is not None
        if plain.boxes:
            false += 1
            print(f"without: {path}, {plain}")
        height, alpha = draw.choice(HEIGHTS), draw.choice(list(ALPHAS))
        reading = reader.read(printed(picture, draw.choice(fonts), height, alpha, draw))
        assert reading.overlay is not None
        seen += reading.boxes > 0
        for name in ("all", ALPHAS[alpha], f"{height} pixels"):
            tried[name] += 1
            hits[name] += reading.overlay.boxes > plain.boxes
    print("found without any:", share(false, n))
    print("with one, any box at all:", share(seen, n))
    for name in sorted(tried):
        print(f"found, {name}:", share(hits[name], tried[name]))


if __name__ == "__main__":
    main()
