"""Whether photographs are recognised under logos no threshold was chosen on: `docs/duplicates.md`.

`python -m bench.logos CACHE` takes photographs of `bench.foreign_images` (CACHE is its cache).
`bench.resemblance` does not use those. It puts a mark on each, of which kind, size, corner and
strength are drawn at random, and compresses the copy. It prints how many copies are found, by kind
and by size, and how many pairs of different photographs are merged.
"""

from __future__ import annotations

import argparse
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from PIL import Image, ImageDraw

from bench import foreign_images
from bench.changes import recompressed
from bench.resemblance import Known, different, known, merged, opened, told

Logo = Callable[[ImageDraw.ImageDraw, tuple[int, int], random.Random], None]
#: Of the whole picture, what the box around a mark covers.
SIZES = ((0.003, 0.01), (0.01, 0.02), (0.02, 0.03))
INKS = ("#ffffff", "#101010", "#e0b020", "#1f5fbf", "#2f9f5f", "#d9482b")


def roundel(draw: ImageDraw.ImageDraw, size: tuple[int, int], rng: random.Random) -> None:
    """A disc with a ring and a letter."""
    width, _ = size
    side = min(size) - 1
    left = (width - side) // 2
    ground, ink = rng.sample(INKS, 2)
    draw.ellipse((left, 0, left + side, side), fill=ground, outline=ink, width=max(1, side // 10))
    draw.text((width / 2, side / 2), "Q", fill=ink, font_size=max(6, side // 2), anchor="mm")


def plate(draw: ImageDraw.ImageDraw, size: tuple[int, int], rng: random.Random) -> None:
    """A name on a plate of two colours."""
    width, height = size
    ground, second, ink = rng.sample(INKS, 3)
    draw.rounded_rectangle((0, 0, width - 1, height - 1), height // 4, fill=ground)
    draw.rectangle((0, height * 2 // 3, width - 1, height - 1), fill=second)
    draw.text((width / 2, height / 3), "NORTHERN", fill=ink, font_size=_fits(width), anchor="mm")


def name(draw: ImageDraw.ImageDraw, size: tuple[int, int], rng: random.Random) -> None:
    """Letters alone, with an outline, as agencies and cameras write them."""
    width, height = size
    draw.text(
        (width / 2, height / 2),
        rng.choice(("kestrel photo", "12 08 2019", "© M. Ortega")),
        fill=rng.choice(INKS[:3]),
        font_size=_fits(width),
        stroke_width=max(1, width // 90),
        stroke_fill="#101010",
        anchor="mm",
    )


def bars(draw: ImageDraw.ImageDraw, size: tuple[int, int], rng: random.Random) -> None:
    """Stripes of several colours, with nothing between them."""
    width, height = size
    for number, ink in enumerate(rng.sample(INKS, 4)):
        draw.rectangle(
            (number * width // 4, 0, (number + 1) * width // 4 - width // 16, height), ink
        )


KINDS: dict[str, Logo] = {"roundel": roundel, "plate": plate, "name": name, "bars": bars}
#: Width by height.
SHAPES = {"roundel": 1.0, "plate": 2.2, "name": 4.5, "bars": 1.6}


def _fits(width: int) -> int:
    return max(6, round(width / 7))


def marked(picture: Image.Image, kind: str, share: float, rng: random.Random) -> Image.Image:
    """With a mark of this kind in a corner, on a box of this share of the area."""
    area = share * picture.width * picture.height
    height = (area / SHAPES[kind]) ** 0.5
    size = max(8, round(height * SHAPES[kind])), max(8, round(height))
    logo = Image.new("RGBA", size)
    KINDS[kind](ImageDraw.Draw(logo), size, rng)
    strength = rng.choice((1.0, 1.0, 0.7))
    logo.putalpha(logo.getchannel("A").point(lambda level: round(level * strength)))
    free = picture.width - size[0], picture.height - size[1]
    margin = rng.uniform(0.01, 0.05)
    gap = round(margin * min(picture.size))
    at = tuple(max(0, min(gap if rng.random() < 0.5 else side - gap, side)) for side in free)
    copy = picture.copy()
    copy.paste(logo, at, logo)
    return copy


def photographs(cache: Path) -> list[Path]:
    """In an order of their own, so that no source is asked alone."""
    paths = [one.path for one in foreign_images.images(cache) if one.label == "photo"]
    random.Random(3).shuffle(paths)
    return [path for path in paths if path.suffix.lower() in (".jpg", ".jpeg", ".png", ".webp")]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cache", type=Path)
    parser.add_argument("--most", type=int, default=120, help="photographs")
    options = parser.parse_args()
    rng = random.Random(8)
    found: Counter[tuple[str, str]] = Counter()
    asked: Counter[tuple[str, str]] = Counter()
    originals: list[Known] = []
    for path in photographs(options.cache)[: options.most]:
        picture = opened(path)
        original = known(path.name, "photographs", picture)
        originals.append(original)
        if not original.filed:
            continue  # too flat to be recognised
        for low, high in SIZES:
            kind, share = rng.choice(sorted(KINDS)), rng.uniform(low, high)
            copy = known("", "photographs", recompressed(marked(picture, kind, share, rng), 85))
            size = f"{low:.1%} to {high:.1%}"
            asked[kind, size] += 1
            found[kind, size] += merged(original, copy) is not None
    sizes = [f"{low:.1%} to {high:.1%}" for low, high in SIZES]
    print("| mark in a corner |", *(f"{size} of the area |" for size in sizes))
    for kind in KINDS:
        print(f"| {kind} |", *(f"{found[kind, s]} of {asked[kind, s]} |" for s in sizes))
    totals = [[sum(count[kind, s] for kind in KINDS) for count in (found, asked)] for s in sizes]
    print("| all |", *(f"{some} of {of} |" for some, of in totals))
    told("different photographs", [different("photographs", originals)])
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
