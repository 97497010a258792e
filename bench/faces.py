"""How often faces are counted right: `docs/detectors.md`.

`python -m bench.faces CACHE` counts them in 188 pictures of five sources, in the caches of
`bench.labelled_images` and `bench.foreign_images` (fetched there). `faces.tsv` says how many a
person counted in each, before the detector was run: a number, or the fewest and the most where it
is arguable (turned away, a few pixels); `lying` where the picture lies on its side. Thresholds were
chosen on every other picture, beginning with the first. The others are judged; `--tuned` judges
the first half.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from gpu_ops.detectors.faces import Faces
from parjanya_dagster.learning.intervals import wilson

LABELS = Path(__file__).with_name("faces.tsv")
SIDE = 1024  # of a preview
LYING = "lying"
Image.MAX_IMAGE_PIXELS = None  # these files are known


@dataclass(frozen=True, kw_only=True)
class Counted:
    path: str
    label: str
    count: int
    doubtful: int

    @property
    def range(self) -> tuple[int, int]:
        fewest, _, most = self.label.partition("-")
        return int(fewest), int(most or fewest)


def labels(tuned: bool) -> list[tuple[str, str]]:
    with LABELS.open() as file:
        rows = [(row["path"], row["faces"]) for row in csv.DictReader(file, delimiter="\t")]
    return rows[0 if tuned else 1 :: 2]


def counted(cache: Path, tuned: bool) -> Iterator[Counted]:
    """What the detector counts in each picture that is there."""
    detector = Faces()
    for path, label in labels(tuned):
        if not (cache / path).is_file():
            print(f"not there: {path}")
            continue
        with Image.open(cache / path) as opened:
            picture = ImageOps.exif_transpose(opened).convert("RGB")
        picture.thumbnail((SIDE, SIDE))
        told = detector.tell(detector.see(np.asarray(picture)), {})
        yield Counted(path=path, label=label, count=told["count"], doubtful=told["doubtful"])


def share(hits: int, n: int) -> str:
    low, high = wilson(hits, n)
    return f"{hits} of {n} ({low:.3f}–{high:.3f})"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.faces", description=__doc__)
    parser.add_argument("cache", type=Path)
    parser.add_argument("--tuned", action="store_true", help="judge what thresholds were chosen on")
    options = parser.parse_args()
    found = list(counted(options.cache, options.tuned))
    upright = [one for one in found if one.label != LYING]
    without = [one for one in upright if one.range == (0, 0)]
    people = [one for one in upright if one.range[0] > 0]
    least = sum(one.range[0] for one in people)
    seen = sum(min(one.range[0], one.count) for one in people)
    maybe = sum(min(one.range[0], one.count + one.doubtful) for one in people)
    right = sum(one.range[0] <= one.count <= one.range[1] for one in people)
    print(
        "nobody in it, faces counted:", share(sum(one.count > 0 for one in without), len(without))
    )
    doubted = sum(one.count == 0 and one.doubtful > 0 for one in without)
    print("nobody in it, doubtful ones:", share(doubted, len(without)))
    print("people in it, counted right:", share(right, len(people)))
    print("their faces, counted:", share(seen, least))
    print("their faces, counted or doubtful:", share(maybe, least))
    print("arguable and not judged:", len(upright) - len(without) - len(people))
    for one in [*people, *(one for one in found if one.label == LYING), *without]:
        wrong = one.label == LYING or not one.range[0] <= one.count <= one.range[1]
        if wrong:
            print(f"{one.path}: {one.label}, counted {one.count}, doubtful {one.doubtful}")


if __name__ == "__main__":
    main()
