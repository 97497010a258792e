"""Fit what tells photographs from graphics, whole sources held out, and report its figures.

    python -m tools.fit_embedded_photograph --cache DIR [--write]

Every image becomes a preview first, as in `tools.fit_embedded_enricher`. Figures are out of fold:
an image is judged by a model that saw no image of its source. The verdicts are those of the rule
`not_a_photograph` of the newest policy. Of a source, at most 240 photographs and 32 of each kind of
graphic are taken. The committed model is then fitted on all sources.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import io
import json
import math
import random
import sys
import warnings
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
from PIL import Image

from bench import foreign_images, labelled_images, rendered_pages
from gpu_ops.embedded import (
    backbone,
    category,
    photograph,
    statistics,
    text,
    weights,
    workers,
)
from parjanya_dagster.policy import newest
from tools.fit_embedded_enricher import preview, weights_of

MOST = {"photo": 240}
MOST_GRAPHICS = 32
LIMIT = 3.0
DIRECTIONS = 16  # parabolas of each view: with 8 to 64 of them the figures are the same
WIDTH = 0.3  # squared length of a usual picture in every view, where a bell's width is 1
COMMON = 0.1  # how alike any two pictures are, beside what their views say: the bias


def chosen(cache: Path) -> list[labelled_images.Labelled]:
    """The labelled images, as many of each source and label as are taken."""
    images = [*labelled_images.images(cache), *foreign_images.images(cache)]
    random.Random(1).shuffle(images)
    grounds = [i.path for i in images if i.label == "photo" and i.source in ("mate", "lomiri")]
    images += rendered_pages.kept(cache) or rendered_pages.images(cache, grounds)
    return limited(images)


def limited(images: Iterable[labelled_images.Labelled]) -> list[labelled_images.Labelled]:
    """The first of each source and label."""
    taken: Counter[tuple[str, str]] = Counter()
    result = []
    for image in images:
        taken[image.source, image.label] += 1
        if taken[image.source, image.label] <= MOST.get(image.label, MOST_GRAPHICS):
            result.append(image)
    return result


Seen = tuple[list[labelled_images.Labelled], Any, Any, list[str]]


def measured(images: list[labelled_images.Labelled], cache: Path) -> Seen:
    """The backbone's numbers and the features of every image that decodes, kept one by one."""
    code = b"".join(Path(m.__file__).read_bytes() for m in (statistics, text, backbone))
    folder = cache / f"seen-{hashlib.sha256(code).hexdigest()[:12]}"
    folder.mkdir(exist_ok=True)
    reader, network = text.TextReader(), backbone.Backbone()

    def one(item: labelled_images.Labelled) -> tuple[Any, dict[str, float]] | None:
        kept = folder / f"{hashlib.sha1(str(item.path).encode()).hexdigest()}.npz"
        if not kept.exists():
            try:
                image = preview(item.path)
            except (OSError, ValueError):
                return None  # some are damaged on purpose
            features = category.features(statistics.measure(image), reader.read(image))
            np.savez(kept, numbers=network.look(image), features=json.dumps(features))
        with np.load(kept) as seen:
            return seen["numbers"], json.loads(str(seen["features"]))

    found = [pair for pair in zip(images, workers.each(one, images), strict=True) if pair[1]]
    names = list(found[0][1][1])
    rows = np.array([[seen[1][name] for name in names] for _, seen in found])
    numbers = np.array([seen[0] for _, seen in found], dtype=np.float64)
    return [image for image, _ in found], numbers, rows, names


class Views:
    """The labelled pictures as each view sees them, and how alike that makes each two (n, n).

    `numbers` (n, of the backbone), `rows` (n, features). Two pictures are as alike as their views
    are on average: a bell's first three terms, which a line and parabolas can say as well.
    """

    def __init__(self, numbers: Any, rows: Any) -> None:
        measured = np.hstack([numbers, rows])
        least = np.r_[np.full(numbers.shape[1], 1e-2), np.full(rows.shape[1], 1e-3)]
        self.centre = measured.mean(axis=0).astype(np.float32)
        self.spread = (measured.std(axis=0) + least).astype(np.float32)
        scale = self.centre.astype(np.float64), self.spread.astype(np.float64)
        standard = photograph.standard(measured, *scale, LIMIT)
        self.seen, self.scales, self.bells = {}, {}, {}
        self.alike = np.full((len(rows), len(rows)), COMMON)
        for name, (start, end) in photograph.VIEWS.items():
            squares = (standard[:, start:end] ** 2).sum(axis=1)
            self.scales[name] = math.sqrt(WIDTH / np.median(squares))
            seen = self.seen[name] = self.scales[name] * standard[:, start:end]
            bell = self.bells[name] = np.exp(-(seen**2).sum(axis=1))
            like = seen @ seen.T
            views = len(photograph.VIEWS)
            self.alike += bell[:, None] * bell * (1 + 2 * like + 2 * like**2) / views

    def packed(self, dual: Any) -> dict[str, Any]:
        """The regression without its pictures: of each view a level, a line and parabolas."""
        arrays = {"centre": self.centre, "spread": self.spread}
        for name, seen in self.seen.items():
            share = dual * self.bells[name] / len(self.seen)
            directions, curves = bent(seen, 2 * share)
            arrays |= {
                f"{name}_scale": np.float64(self.scales[name]),
                f"{name}_level": share.sum(),
                f"{name}_line": (2 * share @ seen).astype(np.float32),
                f"{name}_directions": directions.astype(np.float16),
                f"{name}_curves": curves,
            }
        return arrays


def bent(seen: Any, share: Any) -> tuple[Any, Any]:
    """The largest of the parabolas that pictures (n, numbers) add up to, each with its share.

    Directions (numbers, at most `DIRECTIONS`) and how much each bends: the eigenvectors of largest
    eigenvalue, by iterating on a subspace. Always begun alike.
    """
    most = min(DIRECTIONS, seen.shape[1])
    wide = min(4 * most, seen.shape[1])
    space = np.random.RandomState(0).standard_normal((seen.shape[1], wide))
    for _ in range(8):
        space, _ = np.linalg.qr(seen.T @ (share[:, None] * (seen @ space)))
    values, vectors = np.linalg.eigh(space.T @ (seen.T @ (share[:, None] * (seen @ space))))
    largest = np.argsort(-np.abs(values))[:most]
    return space @ vectors[:, largest], values[largest]


def regression(alike: Any, weight: Any, strength: float) -> Any:
    """The inverse whose product with -1 and 1 is a ridge regression's dual."""
    return np.linalg.inv(alike + np.diag(strength * weight.mean() / weight))


def out_of_fold(graphic: Any, sources: Any, inverse: Any) -> Any:
    """Scores of every image by a regression on all other sources.

    An image that is left out says its target less its residual: no regression is run again. The
    scale of the numbers and the weights of images are those of the whole set.
    """
    target = np.where(graphic, 1.0, -1.0)
    dual = inverse @ target
    scores = np.zeros(len(target))
    for source in np.unique(sources):
        here = np.flatnonzero(sources == source)
        residual = np.linalg.solve(inverse[np.ix_(here, here)], dual[here])
        scores[here] = target[here] - residual
    return scores


def calibrated(scores: Any, graphic: Any, weight: Any) -> tuple[float, float]:
    """Slope and offset that make of a score a probability, by Platt's logistic."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=1e3).fit(scores[:, None], graphic, sample_weight=weight)
    return float(model.coef_[0, 0]), float(model.intercept_[0])


def wilson(hits: int, n: int) -> list[float]:
    """The share, and its 95 % interval after Wilson."""
    share, z = hits / n, 1.96
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return [round(each, 4) for each in (share, max(0.0, middle - half), middle + half)]


def figures(probability: Any, images: list[labelled_images.Labelled]) -> dict[str, Any]:
    """Verdicts of the policy's rule, by label and by source of photographs."""
    (rule,) = [r for r in newest().document.rules if r.id == "not_a_photograph"]
    reject, review = rule.when.at_least, rule.when.review_from
    labels = np.array([image.label for image in images])
    sources = np.array([image.source for image in images])

    def told(here: Any) -> dict[str, Any]:
        p = probability[here]
        counts = [int(n) for n in ((p < review).sum(), ((p >= review) & (p < reject)).sum())]
        names = ("accepted", "reviewed", "rejected")
        shares = zip(names, [*counts, len(p) - sum(counts)], strict=True)
        verdicts = {name: {"n": n, "share": wilson(n, len(p))} for name, n in shares}
        return {"n": len(p), "sources": len(set(sources[here])), **verdicts}

    photo = labels == "photo"
    wrong = np.flatnonzero(photo & (probability >= reject))
    passed = np.flatnonzero(~photo & (probability < review))
    return {
        "policy": newest().ref,
        "photographs": told(photo),
        "graphics": told(~photo),
        "by_label": {label: told(labels == label) for label in sorted(set(labels))},
        "photographs_by_source": {
            source: told(photo & (sources == source)) for source in sorted(set(sources[photo]))
        },
        "graphics_by_source": {
            source: told(~photo & (sources == source)) for source in sorted(set(sources[~photo]))
        },
        "photographs_rejected": [f"{images[i].source}/{images[i].path.name}" for i in wrong],
        "graphics_accepted": [f"{images[i].source}/{images[i].path.name}" for i in passed],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, required=True, help="where packages are unpacked")
    parser.add_argument("--strength", type=float, default=0.05, help="of the regularisation")
    parser.add_argument("--as-it-is", action="store_true", help="fetch nothing that is missing")
    parser.add_argument("--write", action="store_true", help="replace the committed model")
    options = parser.parse_args()
    warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # wallpapers are large
    pillow_heif.register_heif_opener()

    if not options.as_it_is:
        labelled_images.fetch(options.cache)
        foreign_images.fetch(options.cache)
    images, numbers, rows, names = measured(chosen(options.cache), options.cache)
    graphic = np.array([image.label != "photo" for image in images])
    sources = np.array([image.source for image in images])
    weight = weights_of(graphic.astype(int), sources)

    views = Views(numbers, rows)
    inverse = regression(views.alike, weight, options.strength)
    scores = out_of_fold(graphic, sources, inverse)
    slope, offset = calibrated(scores, graphic, weight)
    report = figures(1 / (1 + np.exp(-slope * scores - offset)), images)
    dual = inverse @ np.where(graphic, 1.0, -1.0)
    file = io.BytesIO()
    np.savez(file, **views.packed(dual))
    model = {
        "id": "embedded-photograph@3",
        "fitted": {
            "on": datetime.date.today().isoformat(),
            "by": "python -m tools.fit_embedded_photograph",
            "strength": options.strength,
            "sources": dict(sorted(Counter(f"{i.source}/{i.label}" for i in images).items())),
            "held_out_by_source": report,
        },
        "numbers": numbers.shape[1],
        "views": hashlib.sha256(file.getvalue()).hexdigest(),
        "features": names,
        "limit": LIMIT,
        "bias": round(COMMON * float(dual.sum()), 6),
        "slope": round(slope, 6),
        "offset": round(offset, 6),
    }
    print(json.dumps(report, indent=1))
    if options.write:
        target = Path(photograph.__file__).with_name(photograph.MODEL_FILE)
        target.write_text(json.dumps(model, indent=1) + "\n")
        (weights.FOLDER / photograph.VIEWS_FILE).write_bytes(file.getvalue())
        print(f"wrote {target.name}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
