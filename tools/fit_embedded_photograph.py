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
from gpu_ops.embedded import backbone, category, photograph, statistics, text, workers
from parjanya_dagster.policy import newest
from tools.fit_embedded_enricher import preview, weights_of

MOST = {"photo": 240}
MOST_GRAPHICS = 32
LIMIT = 3.0
FEATURES_WEIGH = 3.0  # beside the backbone's numbers, of which there are eighty times as many


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
            np.savez(kept, pooled=network.look(image), features=json.dumps(features))
        with np.load(kept) as seen:
            return seen["pooled"], json.loads(str(seen["features"]))

    found = [pair for pair in zip(images, workers.each(one, images), strict=True) if pair[1]]
    names = list(found[0][1][1])
    rows = np.array([[seen[1][name] for name in names] for _, seen in found])
    pooled = np.array([seen[0] for _, seen in found], dtype=np.float64)
    return [image for image, _ in found], pooled, rows, names


class Standard:
    """How numbers are made comparable: the backbone's by their spread, features clipped too."""

    def __init__(self, pooled: Any, rows: Any) -> None:
        self.pooled_centre, self.pooled_spread = pooled.mean(axis=0), pooled.std(axis=0) + 1e-2
        self.centre, self.spread = rows.mean(axis=0), rows.std(axis=0) + 1e-3

    def __call__(self, pooled: Any, rows: Any) -> Any:
        features = np.clip((rows - self.centre) / self.spread, -LIMIT, LIMIT)
        numbers = (pooled - self.pooled_centre) / self.pooled_spread
        return np.hstack([numbers, FEATURES_WEIGH * features])


def regression(x: Any, weight: Any, strength: float) -> Any:
    """The inverse whose product with -1 and 1 is a ridge regression's dual.

    There are about as many numbers as images, and sources are left out of the dual in closed form.
    """
    kernel = x @ x.T / x.shape[1] + 1
    return np.linalg.inv(kernel + np.diag(strength * weight.mean() / weight))


def ridge(x: Any, graphic: Any, inverse: Any) -> tuple[Any, float]:
    """Weights and bias of the regression on -1 and 1."""
    dual = inverse @ np.where(graphic, 1.0, -1.0)
    return x.T @ dual / x.shape[1], float(dual.sum())


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
    parser.add_argument("--strength", type=float, default=3.0, help="of the regularisation")
    parser.add_argument("--write", action="store_true", help="replace the committed model")
    options = parser.parse_args()
    warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # wallpapers are large
    pillow_heif.register_heif_opener()

    labelled_images.fetch(options.cache)
    foreign_images.fetch(options.cache)
    images = chosen(options.cache)
    images, pooled, rows, names = measured(images, options.cache)
    graphic = np.array([image.label != "photo" for image in images])
    sources = np.array([image.source for image in images])
    weight = weights_of(graphic.astype(int), sources)

    standard = Standard(pooled, rows)
    x = standard(pooled, rows)
    inverse = regression(x, weight, options.strength)
    scores = out_of_fold(graphic, sources, inverse)
    slope, offset = calibrated(scores, graphic, weight)
    report = figures(1 / (1 + np.exp(-slope * scores - offset)), images)
    w, bias = ridge(x, graphic, inverse)
    per_number = w[: backbone.POOLED] / standard.pooled_spread
    model = {
        "id": "embedded-photograph@3",
        "fitted": {
            "on": datetime.date.today().isoformat(),
            "by": "python -m tools.fit_embedded_photograph",
            "strength": options.strength,
            "sources": dict(sorted(Counter(f"{i.source}/{i.label}" for i in images).items())),
            "held_out_by_source": report,
        },
        "features": names,
        "centre": np.round(standard.centre, 6).tolist(),
        "spread": np.round(standard.spread, 6).tolist(),
        "limit": LIMIT,
        "weights": np.round(FEATURES_WEIGH * w[backbone.POOLED :], 6).tolist(),
        "bias": round(bias - float(per_number @ standard.pooled_centre), 6),
        "slope": round(slope, 6),
        "offset": round(offset, 6),
        "pooled": np.round(per_number, 7).tolist(),
    }
    print(json.dumps(report, indent=1))
    if options.write:
        target = Path(photograph.__file__).with_name(photograph.MODEL_FILE)
        target.write_text(json.dumps(model, indent=1) + "\n")
        print(f"wrote {target.name}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
