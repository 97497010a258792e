"""Blocks of compression, on photographs that nothing was tuned on: `docs/embedded-enricher.md`.

`python -m bench.blocks CACHE [FOLDER]` takes the photographs of `bench.foreign_images` (CACHE is
its cache), and those of FOLDER. Each is decoded as an upload is, as it was found and compressed on
purpose. It prints how many lose quality by blocks, with 95 % intervals (Wilson), on the preview and
on the source.
"""

from __future__ import annotations

import argparse
import io
import random
import warnings
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from bench import foreign_images
from gpu_ops.embedded import damage, quality
from parjanya_dagster.learning.intervals import wilson
from parjanya_dagster.media.blocking import blocking
from parjanya_dagster.media.decode import decode
from parjanya_dagster.media.errors import Rejected
from parjanya_dagster.media.limits import Limits
from parjanya_dagster.media.rendition import PREVIEW_SIDE, preview_jpeg, render
from parjanya_dagster.media.sniff import sniff
from parjanya_dagster.media.structure import jpeg_coarseness
from tools.fit_embedded_quality import exposed

NOTICED = 0.8  # a smaller factor takes a fifth of the quality, or more
REJECTED = 0.23  # a smaller factor is enough for the default policy to reject an average photograph
FINE = 16  # a JPEG that divides by less has no blocks that can be seen
SIDE = 1600
LEVELS = (5, 10, 15, 20, 30, 60, 92)
SHRUNK = (0.5, 0.625, 0.75, 0.9, 1.5)


def fog(image: Image.Image) -> Image.Image:
    soft = image.filter(ImageFilter.GaussianBlur(image.width / 200))
    return soft.point(lambda level: int(170 + (level - 128) * 0.2))


def sea(image: Image.Image) -> Image.Image:
    soft = image.filter(ImageFilter.GaussianBlur(image.width / 60))
    return soft.point(lambda level: int(110 + (level - 128) * 0.3))


def dark(image: Image.Image) -> Image.Image:
    return Image.fromarray(exposed(np.asarray(image), -3))


def grey(image: Image.Image) -> Image.Image:
    return image.convert("L").convert("RGB")


CALM = {"dark by 3 stops": dark, "fog": fog, "calm as a sea": sea, "black and white": grey}


def jpeg(image: Image.Image, level: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=level)
    return buffer.getvalue()


def made(image: Image.Image) -> Iterator[tuple[str, bytes]]:
    """Files of one photograph, each with the name of its group."""
    for name, change in CALM.items():
        calm = change(image)
        for level in (92, 75):
            yield f"undamaged, {name}, quality {level}", jpeg(calm, level)
        yield f"blocky, {name}, quality 10", jpeg(calm, 10)
    for level in LEVELS:
        data = jpeg(image, level)
        yield f"quality {level}", data
        if level > 10:
            continue
        damaged = Image.open(io.BytesIO(data)).convert("RGB")
        for factor in SHRUNK:
            size = round(damaged.width * factor), round(damaged.height * factor)
            resized = damaged.resize(size, Image.Resampling.LANCZOS)
            yield f"quality {level}, then {factor} times the size, quality 92", jpeg(resized, 92)


def factors(data: bytes) -> tuple[float, float]:
    """What blocks leave of the quality: as the preview has them, and as the source has them."""
    curve = quality.load().curves["blockiness"]
    decoded = decode(data, sniff(data), Limits(), PREVIEW_SIDE)
    preview = Image.open(io.BytesIO(preview_jpeg(render(decoded)))).convert("RGB")
    seen = damage.measure(np.asarray(preview))["blockiness"]
    return curve(seen or 0.0), curve(blocking(decoded.band)[0])


def interval(some: int, of: int) -> str:
    low, high = wilson(some, of)
    return f"{100 * low:.1f}–{100 * high:.1f} %"


def photographs(cache: Path, folder: Path | None) -> list[Path]:
    paths = [one.path for one in foreign_images.images(cache) if one.label == "photo"]
    if folder is not None:
        paths += [path for path in sorted(folder.rglob("*")) if path.is_file()]
    random.Random(14).shuffle(paths)
    return paths


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cache", type=Path)
    parser.add_argument("folder", type=Path, nargs="?", help="more photographs, all of them sound")
    parser.add_argument("--most", type=int, default=1000, help="photographs as they were found")
    parser.add_argument("--made", type=int, default=60, help="of which so many are compressed")
    options = parser.parse_args()
    warnings.simplefilter("ignore", Image.DecompressionBombWarning)
    groups: dict[str, list[tuple[float, float]]] = defaultdict(list)
    compressed = 0
    for path in photographs(options.cache, options.folder)[: options.most]:
        data = path.read_bytes()
        try:
            found = factors(data)
        except Rejected:
            continue
        coarse = jpeg_coarseness(data) >= FINE
        groups["as found, coarse JPEG" if coarse else "as found"].append(found)
        if not coarse and found[1] < NOTICED:
            print(f"  {path.name}: {found[0]:.2f}, now {found[1]:.2f}")
        if compressed >= options.made or path.suffix.lower() == ".heic":
            continue
        with Image.open(path) as image:
            if max(image.size) < SIDE:
                continue
            image.draft("RGB", (SIDE, SIDE))
            photograph = image.convert("RGB")
        photograph.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
        compressed += 1
        for group, copy in made(photograph):
            groups[group].append(factors(copy))
    print("| photographs | n | a fifth lost: preview | source | rejected: preview | source |")
    for group, found_ in groups.items():
        cells = []
        for limit in (NOTICED, REJECTED):
            for which in (0, 1):
                some = sum(pair[which] < limit for pair in found_)
                cells.append(f"{some} ({interval(some, len(found_))})")
        print(f"| {group} | {len(found_)} |", " | ".join(cells), "|")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
