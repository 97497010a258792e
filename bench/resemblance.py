"""How well near duplicates are told from pictures that are only similar: `docs/duplicates.md`.

`python -m bench.resemblance CACHE` measures, on labelled images of packages (CACHE is that of
`bench.labelled_images`, fetched where it is missing): how many changed copies are found, and how
many pairs of different images are merged. The pairs that were merged are printed, to be looked at.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageEnhance

from bench import labelled_images
from parjanya_dagster.media.likeness import alike, apart, keys, likeness

DISTANCE = 12  # of the policy default@2
BURSTS = ("left??.jpg", "right??.jpg", "aloe?.jpg", "leuven?.jpg", "graf?.png")


@dataclass(frozen=True)
class Known:
    """An image as the platform knows it."""

    name: str
    label: str
    seen: dict[str, Any]
    filed: dict[str, int]


def known(name: str, label: str, image: Image.Image) -> Known:
    shown = image.copy()
    shown.thumbnail((1024, 1024), Image.Resampling.LANCZOS)
    seen = likeness(np.asarray(shown), shown.convert("L"))
    return Known(name, label, seen, keys(seen["views"]))


def merged(one: Known, other: Known) -> bool:
    """Whether the platform would call one a near duplicate of the other."""
    shared = one.filed.keys() & other.filed.keys()
    return any(apart(one.filed[key], other.filed[key]) <= DISTANCE for key in shared) and (
        alike(one.seen, other.seen).same
    )


def opened(path: Path) -> Image.Image:
    """The picture as the demo's validation would see it: RGB on white, at most 1600 on a side."""
    with Image.open(path) as image:
        image.draft("RGB", (1600, 1600))
        clear = image.convert("RGBA")
    picture = Image.new("RGB", clear.size, "white")
    picture.paste(clear, mask=clear.getchannel("A"))
    picture.thumbnail((1600, 1600), Image.Resampling.LANCZOS)
    return picture


def cropped(image: Image.Image, *edges: float) -> Image.Image:
    """Without these shares of the left, the top, the right and the bottom."""
    left, top, right, bottom = edges
    w, h = image.size
    return image.crop(
        (round(w * left), round(h * top), round(w * (1 - right)), round(h * (1 - bottom)))
    )


def resized(image: Image.Image, factor: float) -> Image.Image:
    size = (max(16, round(image.width * factor)), max(16, round(image.height * factor)))
    return image.resize(size, Image.Resampling.LANCZOS)


def recompressed(image: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert("RGB")


def brighter(image: Image.Image, factor: float) -> Image.Image:
    return ImageEnhance.Brightness(image).enhance(factor)


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "resized to a half": lambda i: resized(i, 0.5),
    "resized to a quarter": lambda i: resized(i, 0.25),
    "recompressed, quality 55": lambda i: recompressed(i, 55),
    "recompressed, quality 25": lambda i: recompressed(i, 25),
    "cropped 2 % per side": lambda i: recompressed(cropped(i, 0.02, 0.02, 0.02, 0.02), 90),
    "cropped 5 % per side": lambda i: recompressed(cropped(i, 0.05, 0.05, 0.05, 0.05), 90),
    "cropped 8 % per side": lambda i: recompressed(cropped(i, 0.08, 0.08, 0.08, 0.08), 90),
    "cropped 5 % on the left": lambda i: cropped(i, 0.05, 0, 0, 0),
    "cropped 8 % on the left": lambda i: cropped(i, 0.08, 0, 0, 0),
    "cropped 5, 1, 2, 4 %, 0.6 of the size, quality 75": lambda i: recompressed(
        resized(cropped(i, 0.05, 0.01, 0.02, 0.04), 0.6), 75
    ),
    "5 % darker": lambda i: brighter(i, 0.95),
    "15 % darker": lambda i: brighter(i, 0.85),
    "5 % brighter": lambda i: brighter(i, 1.05),
    "15 % brighter": lambda i: brighter(i, 1.15),
}


def pairs(images: Sequence[Known]) -> Iterator[tuple[Known, Known]]:
    """The pairs of these that are merged. Candidates come from the keys, as in the platform."""
    under: dict[str, list[int]] = {}
    for number, one in enumerate(images):
        for key in one.filed:
            under.setdefault(key, []).append(number)
    close = {pair for some in under.values() for pair in combinations(some, 2)}
    for a, b in sorted(close):
        if merged(images[a], images[b]):
            yield images[a], images[b]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cache", type=Path)
    parser.add_argument("--each", type=int, default=4, help="change one image of so many")
    options = parser.parse_args()
    labelled_images.fetch(options.cache)
    wanted = [*labelled_images.images(options.cache)]
    pages = sorted((options.cache / "rendered").glob("*-*.png"))  # of bench.rendered_pages
    wanted += [labelled_images.Labelled(p, p.name.split("-")[1], "rendered") for p in pages]
    images: list[Known] = []
    found: dict[tuple[str, str], list[bool]] = {}
    shifted: list[bool] = []
    for number, one in enumerate(wanted):
        picture = opened(one.path)
        original = known(one.path.name, one.label, picture)
        images.append(original)
        if not original.filed:
            continue
        kind = "photographs" if one.label == "photo" else "graphics"
        if one.label == "photo":
            parts = cropped(picture, 0, 0, 0.3, 0), cropped(picture, 0.3, 0, 0, 0)
            shifted.append(merged(*(known("", "", part) for part in parts)))
        if number % options.each == 0:
            for name, change in CHANGES.items():
                copy = known("", "", change(picture))
                found.setdefault((name, kind), []).append(merged(original, copy))
    flat = sum(not one.filed for one in images)
    print(f"{len(images)} images, {flat} of them too flat to have keys")
    for name in CHANGES:
        for kind in ("photographs", "graphics"):
            hits = found.get((name, kind), [])
            print(f"{name} | {kind} | {sum(hits)} of {len(hits)}")
    print(f"two crops of one photograph, 30 % apart: {sum(shifted)} of {len(shifted)} merged")
    for label, some in (
        ("photographs", [one for one in images if one.label == "photo"]),
        ("all images", images),
    ):
        wrong = [*pairs(some)]
        print(f"{label}: {len(wrong)} of {len(some) * (len(some) - 1) // 2} pairs merged")
    for a, b in wrong:
        print(f"  {a.label} {a.name} ~ {b.label} {b.name}")
    opencv = options.cache / "opencv-doc"
    for pattern in BURSTS:
        frames = {path.name: path for path in sorted(opencv.rglob(pattern))}
        burst = [known(name, "photo", opened(path)) for name, path in frames.items()]
        same = [*pairs(burst)]
        print(f"{pattern}: {len(same)} of {len(burst) * (len(burst) - 1) // 2} pairs merged")
        for a, b in same:
            print(f"  {a.name} ~ {b.name}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
