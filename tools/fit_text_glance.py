"""Fit what says at a glance whether there may be text, and report how much it misses and saves.

    python -m tools.fit_text_glance --cache DIR [--write]

It learns from the whole detector: a cell of the maps has text where the detector's probability is
over its threshold, in a picture in which boxes were found. Every image becomes a preview first. A
quarter of the sources is set aside: the model and its threshold come from the others, and the
figures from those. The committed model is then fitted on all sources.

The threshold lies under the lowest score of a picture with boxes, each judged by a model that saw
no picture of its source.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import json
import random
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pillow_heif
from PIL import Image

from bench import foreign_images, labelled_images
from gpu_ops.embedded import text, text_detector, workers
from tools.fit_embedded_enricher import preview
from tools.fit_embedded_photograph import limited, wilson

CELL = 16  # pixels
TEXT, NOTHING = 0.3, 0.1  # probabilities: a box begins, a cell that is surely none
DRAWN, HARDEST = 50, 15  # cells without text that are taken from a picture
MARGIN = 0.5  # of the score, under the lowest of a picture with boxes
FOLDS = 5
STRENGTH = 0.1  # the inverse of the regularisation


@dataclass(frozen=True)
class Picture:
    name: str
    source: str
    photo: bool
    cells: Any  # of its maps, in half precision
    likely: Any  # the detector's largest probability in each cell
    boxes: bool
    line: bool  # one was read


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, required=True, help="where packages are unpacked")
    parser.add_argument("--write", action="store_true", help="replace the committed model")
    options = parser.parse_args()
    warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # wallpapers are large
    pillow_heif.register_heif_opener()
    labelled_images.fetch(options.cache)
    foreign_images.fetch(options.cache)
    known = [*labelled_images.images(options.cache), *foreign_images.images(options.cache)]
    random.Random(1).shuffle(known)
    pictures = seen(limited(known), options.cache)
    apart = set(sorted({picture.source for picture in pictures})[::4])
    aside = [picture for picture in pictures if picture.source in apart]

    scores = judged(aside, *fitted([p for p in pictures if p.source not in apart]))
    report = {
        "sources": len({picture.source for picture in pictures}),
        "pictures": len(pictures),
        "set_aside": {"sources": len(apart), **figures(aside, scores)},
        "missed": [f"{p.source}/{p.name}" for p, s in zip(aside, scores, strict=True)
                   if p.boxes and s < 0],
    }  # fmt: skip
    print(json.dumps(report, indent=1))
    if options.write:
        weights, bias = fitted(pictures)
        data = (text.weights_folder() / text.DETECTOR).read_bytes()
        model = {
            "id": "text-glance@1",
            "fitted": {
                "on": datetime.date.today().isoformat(),
                "by": "python -m tools.fit_text_glance",
                "report": report,
            },
            "detector": hashlib.sha256(data).hexdigest(),
            "bias": round(bias, 6),
            "weights": np.round(weights.astype(float), 6).tolist(),
        }
        target = Path(text_detector.__file__).with_name(text_detector.MODEL_FILE)
        target.write_text(json.dumps(model, indent=1) + "\n")
        print(f"wrote {target.name}", file=sys.stderr)
    return 0


def seen(images: Sequence[labelled_images.Labelled], cache: Path) -> list[Picture]:
    """What the whole detector and the reader find in every image that decodes, kept one by one."""
    code = b"".join(Path(module.__file__).read_bytes() for module in (text, text_detector))
    folder = cache / f"glanced-{hashlib.sha256(code).hexdigest()[:12]}"
    folder.mkdir(exist_ok=True)
    reader = text.TextReader(glance=False)
    reader.warm()

    def one(item: labelled_images.Labelled) -> Picture | None:
        kept = folder / f"{hashlib.sha1(str(item.path).encode()).hexdigest()}.npz"
        if not kept.exists():
            try:
                image = preview(item.path)
            except (OSError, ValueError):
                return None  # some are damaged on purpose
            reading = reader.read(image)
            maps = reader.detector.maps(cv2.cvtColor(text.shrunk(image), cv2.COLOR_RGB2BGR))
            likely = reader.detector.likely(maps)
            down, across = (side // CELL for side in likely.shape)
            likely = likely.reshape(down, CELL, across, CELL).max(axis=(1, 3)).ravel()
            cells = text_detector.cells(maps).astype(np.float16)
            np.savez(kept, cells=cells, likely=likely, found=[reading.boxes, len(reading.lines)])
        with np.load(kept) as held:
            boxes, line = (bool(count) for count in held["found"])
            photo = item.label == "photo"
            cells, likely = held["cells"], held["likely"]
            return Picture(item.path.name, item.source, photo, cells, likely, boxes, line)

    return [picture for picture in workers.each(one, images) if picture is not None]


def fitted(pictures: Sequence[Picture]) -> tuple[Any, float]:
    """Weights and bias, so that every picture with boxes is looked at further."""
    from sklearn.model_selection import GroupKFold

    scores = np.zeros(len(pictures))
    sources = [picture.source for picture in pictures]
    for learned, rest in GroupKFold(FOLDS).split(sources, sources, sources):
        weights, bias = regression([pictures[i] for i in learned])
        scores[rest] = judged([pictures[i] for i in rest], weights, bias)
    weights, bias = regression(pictures)
    lowest = scores[np.array([picture.boxes for picture in pictures])].min()
    return weights, float(bias - lowest + MARGIN)


def judged(pictures: Sequence[Picture], weights: Any, bias: float) -> Any:
    found = [(picture.cells.astype(np.float32) @ weights).max() for picture in pictures]
    return np.array(found) + bias


def regression(pictures: Sequence[Picture]) -> tuple[Any, float]:
    """Weights and bias over cells. A second round takes in what the first took for text."""
    from sklearn.linear_model import LogisticRegression

    weights: Any = None
    for _ in range(2):
        draw = np.random.default_rng(0)
        taken = [_taken(picture, weights, draw) for picture in pictures]
        x = np.concatenate([cells for cells, _, _ in taken]).astype(np.float32)
        with_text = np.concatenate([is_text for _, is_text, _ in taken])
        weight = np.concatenate([weight for _, _, weight in taken])
        centre, spread = x.mean(axis=0), x.std(axis=0) + 1e-3
        model = LogisticRegression(C=STRENGTH, max_iter=200)
        model.fit((x - centre) / spread, with_text, sample_weight=weight)
        weights = (model.coef_[0] / spread).astype(np.float32)
    return weights, float(model.intercept_[0] - weights @ centre)


def _taken(picture: Picture, weights: Any, draw: Any) -> tuple[Any, Any, Any]:
    """Cells of a picture, which of them have text, and what each weighs: a picture of much text
    weighs little more than one of a word."""
    is_text = (picture.likely > TEXT) & picture.boxes
    with_text, without = np.flatnonzero(is_text), np.flatnonzero(picture.likely < NOTHING)
    some = draw.choice(without, min(DRAWN, len(without)), replace=False)
    if weights is not None:
        scores = picture.cells[without].astype(np.float32) @ weights
        some = np.union1d(some, without[np.argsort(-scores)[:HARDEST]])
    weight = np.concatenate(
        [np.full(len(with_text), 6 / max(1, len(with_text)) ** 0.7),
         np.full(len(some), 6 / max(1, len(some)))]
    )  # fmt: skip
    at = np.concatenate([with_text, some])
    return picture.cells[at], is_text[at], weight


def figures(pictures: Sequence[Picture], scores: Any) -> dict[str, Any]:
    """How many pictures are looked at further: shares with the 95 % interval after Wilson."""
    boxes, line, photo = (
        np.array([getattr(picture, name) for picture in pictures])
        for name in ("boxes", "line", "photo")
    )
    kinds = {
        "with boxes": boxes,
        "with a line read": line,
        "photographs with a line read": line & photo,
        "without boxes": ~boxes,
        "photographs without boxes": ~boxes & photo,
    }
    return {
        kind: {"n": int(here.sum()), "further": wilson(int((scores[here] >= 0).sum()), here.sum())}
        for kind, here in kinds.items()
    }


if __name__ == "__main__":
    sys.exit(main())
