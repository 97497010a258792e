"""How NIQE and BRISQUE answer to damage, on photographs that are damaged on purpose.

    python -m bench.natural_scenes_by_damage --cache DIR [--figure FILE]

Each photograph is cut to the centre of 480 pixels of its preview, damaged at four levels of five
kinds, and packed as a preview again. Nothing is fitted: `quality` does not use these metrics.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from itertools import pairwise
from pathlib import Path

import numpy as np

from bench import labelled_images
from gpu_ops.embedded import natural_scenes, workers
from tools.fit_embedded_enricher import preview
from tools.fit_embedded_quality import LEVELS, SOURCES, damaged

CROP = 480
NAMES = ("niqe", "brisque")
Scores = dict[tuple[str, float], np.ndarray]  # (kind, level) -> (photographs, metrics)


def measured(item: labelled_images.Labelled) -> list[tuple[str, float, float, float]]:
    image = preview(item.path)
    top, left = (max(0, side - CROP) // 2 for side in image.shape[:2])
    image = image[top : top + CROP, left : left + CROP]
    rows = []
    for kind, levels in {"none": (0.0,), **LEVELS}.items():
        for level in levels:
            stack = damaged(image, kind, level)[None].copy()
            found = natural_scenes.niqe(stack)[0], natural_scenes.brisque(stack)[0]
            rows.append((kind, level, *(float("nan") if s is None else s for s in found)))
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--every", type=int, default=6, help="take one photograph of so many")
    parser.add_argument("--figure", type=Path, help="draw the curves as SVG")
    options = parser.parse_args()
    labelled_images.fetch(options.cache)
    photographs = [
        item
        for item in labelled_images.images(options.cache)
        if item.label == "photo" and item.source in SOURCES
    ][:: options.every]
    found = workers.each(measured, photographs)
    collected = defaultdict(list)
    for rows in found:
        for kind, level, *values in rows:
            collected[kind, level].append(values)
    scores = {step: np.array(values) for step, values in collected.items()}
    report(scores)
    if options.figure:
        draw(scores, options.figure)
    return 0


def steps_of(scores: Scores, kind: str) -> list[np.ndarray]:
    return [scores["none", 0.0], *(scores[kind, level] for level in LEVELS[kind])]


def report(scores: Scores) -> None:
    """Median at each level, and the share that grows with the level, at the worst step."""
    print(f"n = {len(scores['none', 0.0])}")
    for kind in LEVELS:
        steps = steps_of(scores, kind)
        for column, name in enumerate(NAMES):
            medians = [round(float(np.nanmedian(step[:, column])), 1) for step in steps]
            grows = [
                float(np.mean(now[:, column] > before[:, column]))
                for before, now in pairwise(steps)
            ]
            undefined = sum(int(np.isnan(step[:, column]).sum()) for step in steps)
            print(f"{kind} {name} {medians} grows in {min(grows):.2f}, undefined {undefined}")


def draw(scores: Scores, target: Path) -> None:
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(len(NAMES), len(LEVELS), figsize=(13, 5.4), sharey="row")
    for column, kind in enumerate(LEVELS):
        steps = steps_of(scores, kind)
        for row, name in enumerate(NAMES):
            axis, places = axes[row, column], range(len(steps))
            low, middle, high = zip(
                *(np.nanpercentile(step[:, row], [25, 50, 75]) for step in steps), strict=True
            )
            axis.fill_between(places, low, high, alpha=0.3)
            axis.plot(places, middle, marker="o")
            axis.set_xticks(list(places), ["none", *(f"{level:g}" for level in LEVELS[kind])])
            axis.set_ylabel(f"{name}, n = {len(steps[0])}" if column == 0 else "")
            axis.set_title(kind if row == 0 else "")
    figure.tight_layout()
    figure.savefig(target, metadata={"Date": None})


if __name__ == "__main__":
    sys.exit(main())
