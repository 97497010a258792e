"""What aligned comparison costs beside another commit, and whether both give the same answers.

`python -m bench.alignment CACHE --before COMMIT [--images N]` changes labelled images of packages
(CACHE is that of `bench.labelled_images`) as `bench.changes` does, adds pages of one layout and
pairs of different images, and compares what would be candidates, in turn by the code of this tree
and by that of COMMIT. It prints milliseconds of processor time per pair and every answer that
differs. The exit code is 1 if any does.
"""

from __future__ import annotations

import argparse
import importlib
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from types import ModuleType
from typing import Any

from bench import labelled_images
from bench.changes import CHANGES
from bench.resemblance import DISTANCE, KINDS, Known, known, opened
from bench.templates import pages
from parjanya_dagster.media import resemblance
from parjanya_dagster.media.likeness import apart

MEDIA = "parjanya_dagster/media"


def at_commit(commit: str, folder: Path) -> ModuleType:
    """The module `resemblance` as it was, under another name."""
    command = ["git", "archive", commit, MEDIA]
    packed = subprocess.run(command, capture_output=True, check=True).stdout
    subprocess.run(["tar", "-x", "-C", folder], input=packed, check=True)
    package = ModuleType("media_before")
    package.__path__ = [str(folder / MEDIA)]
    sys.modules[package.__name__] = package
    return importlib.import_module("media_before.resemblance")


def pairs(cache: Path, most: int) -> Iterator[tuple[str, Known, Known]]:
    images = list(labelled_images.images(cache))
    random.Random(3).shuffle(images)
    originals = []
    for image in images[:most]:
        picture = opened(image.path)
        original = known(image.path.name, image.label, picture)
        originals.append(original)
        for change, make in CHANGES.items():
            yield change, original, known("", image.label, make(picture))
    for kind in KINDS:
        drawn = [known(kind, kind, page) for page in pages(kind, 0, 5)]
        yield from ((f"pages: {kind}", a, b) for a, b in combinations(drawn, 2))
    yield from (("different", a, b) for a, b in combinations(originals, 2))


def candidates(one: Known, other: Known) -> bool:
    shared = one.filed.keys() & other.filed.keys()
    return any(apart(one.filed[key], other.filed[key]) <= DISTANCE for key in shared)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cache", type=Path)
    parser.add_argument("--before", required=True, help="a commit")
    parser.add_argument("--images", type=int, default=30)
    options = parser.parse_args()
    labelled_images.fetch(options.cache)
    chosen = [each for each in pairs(options.cache, options.images) if candidates(*each[1:])]
    with tempfile.TemporaryDirectory() as folder:
        before = at_commit(options.before, Path(folder))
    spent: dict[Any, float] = {before: 0.0, resemblance: 0.0}
    differ = 0
    for number, (name, one, other) in enumerate(chosen):
        answers = {}
        for module in sorted(spent, key=lambda each: (each is before) == bool(number % 2)):
            start = time.process_time()
            match = module.alike(one.seen, other.seen)
            spent[module] += time.process_time() - start
            answers[module] = match.same, match.mirrored, match.page
        if answers[before] != answers[resemblance]:
            differ += 1
            print(f"{name}: {one.name}: {answers[before]} before, {answers[resemblance]} now")
    was, now = (1000 * spent[each] / len(chosen) for each in (before, resemblance))
    load = os.getloadavg()[0]
    print(f"{len(chosen)} pairs, ms each: {was:.1f} before, {now:.1f} now ({was / now:.2f} times)")
    print(f"{differ} answers differ; load {load:.1f}")
    return int(differ > 0)


if __name__ == "__main__":
    sys.exit(main())
