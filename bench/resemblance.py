"""How well near duplicates are told from pictures that are only similar: `docs/duplicates.md`.

`python -m bench.resemblance CACHE` measures, on labelled images of packages (CACHE is that of
`bench.labelled_images`, fetched where it is missing) and on pages of `bench.templates`: how many
changed copies are found, and how many pairs of different images are merged. The pairs that were
merged are printed, to be looked at.

The sources and layouts of TUNED are those that thresholds were chosen on. The others are judged by
default; `--tuned` judges those.
"""

from __future__ import annotations

import argparse
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from bench import labelled_images
from bench.changes import CHANGES, cropped
from bench.templates import KINDS, pages
from parjanya_dagster.media import Match, alike, likeness_keys
from parjanya_dagster.media.likeness import apart, likeness

DISTANCE = 12  # of the policy default@2
TUNED = {"mate", "lomiri", "scikit", "openclipart", "gnome"}
LAYOUTS, PAGES = 5, 12  # of each kind and part; of each layout
BURSTS = ("left??.jpg", "right??.jpg", "aloe?.jpg", "leuven?.jpg", "graf?.png")
Image.MAX_IMAGE_PIXELS = None  # these files are known


@dataclass(frozen=True, kw_only=True)
class Known:
    """An image as the platform knows it."""

    name: str
    group: str  # photographs, graphics, or a kind of page
    seen: dict[str, Any]
    filed: dict[str, int]


def known(name: str, group: str, image: Image.Image) -> Known:
    shown = image.copy()
    shown.thumbnail((1024, 1024), Image.Resampling.LANCZOS)
    seen = likeness(np.asarray(shown), shown.convert("L"))
    return Known(name=name, group=group, seen=seen, filed=likeness_keys(seen["views"]))


def merged(one: Known, other: Known) -> Match | None:
    """What the platform would call one a near duplicate of the other by, if it would."""
    shared = one.filed.keys() & other.filed.keys()
    if not any(apart(one.filed[key], other.filed[key]) <= DISTANCE for key in shared):
        return None
    match = alike(one.seen, other.seen)
    return match if match.same else None


def opened(path: Path) -> Image.Image:
    """The picture as the demo's validation would see it: RGB on white, at most 1600 on a side."""
    with Image.open(path) as image:
        image.draft("RGB", (1600, 1600))
        clear = image.convert("RGBA")
    picture = Image.new("RGB", clear.size, "white")
    picture.paste(clear, mask=clear.getchannel("A"))
    picture.thumbnail((1600, 1600), Image.Resampling.LANCZOS)
    return picture


def pictures(cache: Path, *, tuned: bool, most: int) -> Iterator[tuple[str, str, Image.Image]]:
    """Name, group and picture: of packages, then the first page of each layout."""
    by_group: dict[str, list[Path]] = {"photographs": [], "graphics": []}
    for one in labelled_images.images(cache):
        if (one.source in TUNED) == tuned:
            group = "photographs" if one.label == "photo" else "graphics"
            by_group[group].append(one.path)
    for group, paths in by_group.items():
        random.Random(1).shuffle(paths)
        for path in paths[:most]:
            yield path.name, group, opened(path)
    for kind, layout in layouts(tuned=tuned):
        yield f"{kind} {layout}", "pages", next(pages(kind, layout, 1))


def layouts(*, tuned: bool) -> Iterator[tuple[str, int]]:
    for kind in KINDS:
        for layout in range(0 if tuned else LAYOUTS, LAYOUTS if tuned else 2 * LAYOUTS):
            yield kind, layout


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


def copies(cache: Path, *, tuned: bool, most: int) -> list[Known]:
    """Print how many changed copies are found; the originals."""
    groups = ("photographs", "graphics", "pages")
    found: Counter[tuple[str, str]] = Counter()
    asked: Counter[str] = Counter()
    mirrored, halves, images = 0, 0, []
    for name, group, picture in pictures(cache, tuned=tuned, most=most):
        original = known(name, group, picture)
        images.append(original)
        if not original.filed:
            continue  # too flat to be recognised
        asked[group] += 1
        for change, make in CHANGES.items():
            if match := merged(original, known("", group, make(picture))):
                found[change, group] += 1
                mirrored += change == "mirrored" and match.mirrored
        if group == "photographs":
            parts = cropped(picture, 0, 0, 0.3, 0), cropped(picture, 0.3, 0, 0, 0)
            halves += merged(*(known("", "", part) for part in parts)) is not None
    print(f"{len(images)} images, {len(images) - asked.total()} of them too flat to have keys")
    for change in CHANGES:
        print(f"| {change} |", *(f"{found[change, g]} of {asked[g]} |" for g in groups))
    print(f"told as mirrored: {mirrored}")
    print(f"two crops of one photograph, 30 % apart: {halves} of {asked['photographs']} merged")
    return images


def different(name: str, images: Sequence[Known]) -> tuple[int, int]:
    """Print the pairs of different pictures that are merged; how many, and of how many."""
    wrong = [*pairs(images)]
    for a, b in wrong:
        print(f"  {name}: {a.name} ~ {b.name}")
    return len(wrong), len(images) * (len(images) - 1) // 2


def told(name: str, counts: Iterable[tuple[int, int]]) -> None:
    some = [*counts]
    print(f"| {name} | {sum(n for n, _ in some)} of {sum(of for _, of in some)} |")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cache", type=Path)
    parser.add_argument("--tuned", action="store_true", help="judge what thresholds were chosen on")
    parser.add_argument("--most", type=int, default=60, help="images of each group")
    options = parser.parse_args()
    labelled_images.fetch(options.cache)
    images = copies(options.cache, tuned=options.tuned, most=options.most)
    shown = [one for one in images if one.group == "photographs"]
    told("different photographs", [different("photographs", shown)])
    told("different images of all kinds", [different("all", images)])
    for kind in KINDS:
        some = []
        for _, layout in (one for one in layouts(tuned=options.tuned) if one[0] == kind):
            filled = enumerate(pages(kind, layout, PAGES))
            some.append(different(kind, [known(f"{layout}/{n}", kind, page) for n, page in filled]))
        told(f"pages of one layout: {kind}", some)
    opencv = options.cache / "opencv-doc"
    for pattern in BURSTS:
        frames = {path.name: path for path in sorted(opencv.rglob(pattern))}
        burst = [known(name, "photographs", opened(path)) for name, path in frames.items()]
        told(f"frames {pattern}", [different(pattern, burst)])
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
