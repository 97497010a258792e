"""Fit the embedded enricher's category model, whole sources held out, and report its figures.

    python -m tools.fit_embedded_enricher --cache DIR [--write]

Every image goes through what the platform does to it first: a preview of at most 1024 pixels,
compressed as JPEG. Figures are out of fold: the images of a source are judged by a model that
never saw that source. The committed model is then fitted on all sources.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import io
import itertools
import json
import sys
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from bench import labelled_images, rendered_pages
from gpu_ops.embedded import category, statistics, text, workers

PREVIEW_SIDE = 1024
JPEG_QUALITY = 88
GROUPS = [
    ["photo"],
    ["screenshot"],
    ["slide", "infographic", "poster", "banner", "social_card"],
    ["illustration"],
]


def preview(path: Path) -> np.ndarray:
    """The platform's preview: upright, flattened on white, long side at most 1024, JPEG."""
    with Image.open(path) as opened:
        opened.draft("RGB", (2048, 2048))
        picture = ImageOps.exif_transpose(opened).convert("RGBA")
    picture.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE), Image.Resampling.LANCZOS)
    flat = Image.new("RGBA", picture.size, "white")
    flat.alpha_composite(picture)
    packed = io.BytesIO()
    flat.convert("RGB").save(packed, "JPEG", quality=JPEG_QUALITY)
    return np.asarray(Image.open(packed).convert("RGB"))


def measure(images: list[labelled_images.Labelled], cache: Path) -> list[dict[str, float]]:
    """Features of every image, kept in the cache by path and version."""
    version = f"{statistics.VERSION}/{text.DETECTION_SIDE}/{text.MAX_LINES}/{JPEG_QUALITY}"
    code = Path(statistics.__file__).read_bytes() + Path(text.__file__).read_bytes()
    store = cache / f"features-{hashlib.sha256(version.encode() + code).hexdigest()[:12]}.json"
    known = json.loads(store.read_text()) if store.exists() else {}
    reader = text.TextReader()

    def one(item: labelled_images.Labelled) -> dict[str, float]:
        if str(item.path) not in known:
            image = preview(item.path)
            known[str(item.path)] = category.features(statistics.measure(image), reader.read(image))
        return known[str(item.path)]

    result = workers.each(one, images)
    store.write_text(json.dumps(known))
    return result


class Fitted:
    """A multinomial logistic regression with the clipping that the deployed model applies."""

    LIMIT = 3.0

    def __init__(self, x: np.ndarray, y: np.ndarray, weight: np.ndarray, strength: float) -> None:
        from sklearn.linear_model import LogisticRegression

        self.centre = np.average(x, axis=0, weights=weight)
        self.spread = np.maximum(
            np.sqrt(np.average((x - self.centre) ** 2, axis=0, weights=weight)), 1e-3
        )
        self.model = LogisticRegression(C=strength, max_iter=5000)
        self.model.fit(self._standard(x), y, sample_weight=weight)

    def _standard(self, x: np.ndarray) -> np.ndarray:
        return np.clip((x - self.centre) / self.spread, -self.LIMIT, self.LIMIT)

    def logits(self, x: np.ndarray) -> np.ndarray:
        rows = self._standard(x) @ self.model.coef_.T + self.model.intercept_
        if rows.shape[1] == 1:  # two classes: sklearn keeps one row, the odds of the second
            rows = np.hstack([np.zeros_like(rows), rows])
        return rows

    def rows(self) -> tuple[np.ndarray, np.ndarray]:
        coefficients, bias = self.model.coef_, self.model.intercept_
        if len(bias) == 1:
            coefficients = np.vstack([np.zeros_like(coefficients), coefficients])
            bias = np.concatenate([[0.0], bias])
        return coefficients, bias


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def weights_of(y: np.ndarray, sources: np.ndarray) -> np.ndarray:
    """Photographs weigh as much as all graphics together, and every kind of graphic the same.

    Within a group a source weighs as the root of its size.
    """
    weight = np.zeros(len(y))
    for group in np.unique(y):
        for source in np.unique(sources[y == group]):
            here = (y == group) & (sources == source)
            weight[here] = 1 / np.sqrt(here.sum())
        share = y.max() if group == 0 else 1
        weight[y == group] *= share / weight[y == group].sum()
    return weight / weight.mean()


def out_of_fold(x: np.ndarray, y: np.ndarray, sources: np.ndarray, strength: float) -> np.ndarray:
    """Logits of every image from a model fitted without that image's source."""
    logits = np.zeros((len(y), y.max() + 1))
    for source in np.unique(sources):
        train = sources != source
        missing = set(range(y.max() + 1)) - set(y[train])
        if missing:
            raise ValueError(f"group {missing} comes from {source} alone: no source to hold out")
        fitted = Fitted(x[train], y[train], weights_of(y[train], sources[train]), strength)
        logits[~train] = fitted.logits(x[~train])
    return logits


def temperature_of(logits: np.ndarray, y: np.ndarray, weight: np.ndarray) -> float:
    """The temperature of least log loss on held-out sources; never under 1, never sharper."""
    candidates = np.linspace(1.0, 4.0, 61)
    losses = [
        -np.average(np.log(softmax(logits / t)[np.arange(len(y)), y] + 1e-12), weights=weight)
        for t in candidates
    ]
    return float(candidates[int(np.argmin(losses))])


def figures(
    probabilities: np.ndarray, y: np.ndarray, images: list[labelled_images.Labelled]
) -> dict[str, object]:
    """What the documentation states: every share with its n."""
    labels = np.array([image.label for image in images])
    sources = np.array([image.source for image in images])
    graphic = 1 - probabilities[:, 0]
    photo = labels == "photo"
    per_label = {
        label: {
            "n": int((labels == label).sum()),
            "sources": len(set(sources[labels == label])),
            "own_group": round(float((probabilities.argmax(1) == y)[labels == label].mean()), 4),
            "graphic_at_0.5": round(float((graphic >= 0.5)[labels == label].mean()), 4),
            "graphic_at_0.9": round(float((graphic >= 0.9)[labels == label].mean()), 4),
        }
        for label in sorted(set(labels))
    }
    wrong = np.flatnonzero(photo & (graphic >= 0.9))
    edges = np.linspace(0, 1, 11)
    bins = []
    for low, high in itertools.pairwise(edges):
        inside = (graphic >= low) & ((graphic < high) | (high == 1))
        if inside.any():
            bins.append(
                {
                    "from": round(float(low), 1),
                    "to": round(float(high), 1),
                    "n": int(inside.sum()),
                    "predicted": round(float(graphic[inside].mean()), 4),
                    "observed": round(float((~photo)[inside].mean()), 4),
                }
            )
    return {
        "n": len(images),
        "photographs_called_graphic_at_0.9": {
            "share": round(float((graphic[photo] >= 0.9).mean()), 4),
            "n": int(photo.sum()),
            "which": [f"{images[i].source}/{images[i].path.name}" for i in wrong],
        },
        "per_label": per_label,
        "reliability": bins,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, required=True, help="where packages are unpacked")
    parser.add_argument("--strength", type=float, default=0.07, help="inverse regularisation")
    parser.add_argument("--write", action="store_true", help="replace the committed model")
    parser.add_argument("--figure", type=Path, help="draw the reliability diagram as SVG")
    options = parser.parse_args()
    warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # wallpapers are large

    labelled_images.fetch(options.cache)
    images = list(labelled_images.images(options.cache))
    grounds = [i.path for i in images if i.label == "photo" and i.source in ("mate", "lomiri")]
    images += rendered_pages.images(options.cache, grounds)
    rows = measure(images, options.cache)
    names = list(rows[0])
    x = np.array([[row[name] for name in names] for row in rows])
    group_of = {label: i for i, group in enumerate(GROUPS) for label in group}
    y = np.array([group_of[image.label] for image in images])
    sources = np.array([image.source for image in images])

    logits = out_of_fold(x, y, sources, options.strength)
    temperature = temperature_of(logits, y, weights_of(y, sources))
    report = figures(softmax(logits / temperature), y, images)
    fitted = Fitted(x, y, weights_of(y, sources), options.strength)
    weights, bias = fitted.rows()
    model = {
        "id": "embedded-category@1",
        "fitted": {
            "on": datetime.date.today().isoformat(),
            "by": "python -m tools.fit_embedded_enricher",
            "inputs": f"previews of {PREVIEW_SIDE} px, JPEG quality {JPEG_QUALITY}",
            "sources": dict(sorted(Counter(f"{i.source}/{i.label}" for i in images).items())),
            "held_out_by_source": report,
        },
        "groups": GROUPS,
        "features": names,
        "centre": np.round(fitted.centre, 6).tolist(),
        "spread": np.round(fitted.spread, 6).tolist(),
        "limit": Fitted.LIMIT,
        "weights": np.round(weights, 6).tolist(),
        "bias": np.round(bias, 6).tolist(),
        "temperature": temperature,
    }
    print(json.dumps({"temperature": temperature, **report}, indent=1))
    if options.write:
        target = Path(category.__file__).with_name(category.MODEL_FILE)
        target.write_text(json.dumps(model, indent=1) + "\n")
        print(f"wrote {target.name}", file=sys.stderr)
    if options.figure:
        draw(report["reliability"], options.figure)
    return 0


def draw(bins: list[dict], target: Path) -> None:
    """The reliability diagram: of the images given a probability, how many are graphics."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    figure, axis = pyplot.subplots(figsize=(5, 5))
    axis.plot([0, 1], [0, 1], linestyle="--", color="grey", label="perfectly calibrated")
    predicted, observed = [b["predicted"] for b in bins], [b["observed"] for b in bins]
    axis.plot(predicted, observed, marker="o", label="held-out sources")
    for one in bins:
        axis.annotate(
            f"n={one['n']}",
            (one["predicted"], one["observed"]),
            fontsize=8,
            xytext=(5, -10),
            textcoords="offset points",
        )
    axis.set_xlabel("predicted probability of a graphic")
    axis.set_ylabel("share that are graphics")
    axis.legend(loc="upper left")
    figure.tight_layout()
    target.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(target, metadata={"Date": None})


if __name__ == "__main__":
    sys.exit(main())
