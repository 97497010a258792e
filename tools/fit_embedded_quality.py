"""Calibrate `quality` on photographs that are damaged on purpose, and report how it falls.

    python -m tools.fit_embedded_quality --cache DIR [--write] [--figure FILE]

Photographs are halved by name. One half sets the curves: a factor is 0.95 at the value that 9 of
10 undamaged photographs stay under, and 0.1 at the median of the severest level of its damage.
The other half, never seen, gives the figures.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import io
import json
import math
import sys
import warnings
from pathlib import Path
from statistics import fmean, median

import numpy as np
from PIL import Image

from bench import labelled_images
from gpu_ops.embedded import damage, piqe, quality, windows, workers
from tools.fit_embedded_enricher import JPEG_QUALITY, preview

SOURCES = ("gcompris", "mate", "lomiri", "plasma", "scikit", "libjxl")
LEVELS = {
    "blur": (0.7, 1.2, 2.0, 4.0),  # sigma, in pixels of the preview
    "noise": (5.0, 10.0, 20.0, 40.0),  # standard deviation, of 255
    "jpeg": (60.0, 35.0, 20.0, 10.0),  # quality
    "under": (-1.0, -2.0, -3.0, -4.0),  # stops of light
    "over": (0.7, 1.4, 2.1, 3.0),
}
CAUSES = {
    "piqe": ("blur", "noise", "jpeg"),
    "blur": ("blur",),
    "noise": ("noise",),
    "blockiness": ("jpeg",),
    "darkness": ("under",),
    "highlights": ("over",),
}
GOOD, BAD = 0.95, 0.1
# A studio shot on white looks like a blown-out sky, and PIQE is 100 on an area without texture.
# So neither takes more than this from an image by itself: such an image is for a person to see.
FLOORS = {"piqe": 0.5, "highlights": 0.25}


def damaged(image: np.ndarray, kind: str, level: float) -> np.ndarray:
    """Damage an image (h, w, 3), then pack it as the platform packs previews."""
    import cv2

    if kind == "blur":
        image = cv2.GaussianBlur(image, (0, 0), level)
    elif kind == "noise":
        draw = np.random.default_rng(1).normal(0, level, image.shape)
        image = np.clip(image + draw, 0, 255).astype(np.uint8)
    elif kind == "jpeg":
        image = packed(image, int(level))
    elif kind in ("under", "over"):
        image = exposed(image, level)
    return packed(image, JPEG_QUALITY)


def packed(image: np.ndarray, jpeg_quality: int) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=jpeg_quality)
    return np.asarray(Image.open(buffer))


def exposed(image: np.ndarray, stops: float) -> np.ndarray:
    """Multiply the light by 2 ** stops, in linear sRGB, and clip as a sensor does."""
    value = image / 255
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    linear = np.clip(linear * 2**stops, 0, 1)
    back = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.round(back * 255).astype(np.uint8)


def measured(image: np.ndarray) -> dict[str, float | None]:
    scores = [s for s in piqe.piqe(windows.windows(image)) if s is not None]
    return {"piqe": round(fmean(scores), 4) if scores else None, **damage.measure(image)}


def curves(rows: list[dict], names: set[str]) -> dict[str, dict[str, float]]:
    """The logistic through the good and the bad point of every measure."""
    span = math.log(GOOD / (1 - GOOD)) + math.log((1 - BAD) / BAD)
    result = {}
    for measure, kinds in CAUSES.items():
        clean = [r[measure] for r in rows if r["kind"] == "none" and r["name"] in names]
        good = float(np.percentile([v for v in clean if v is not None], 90))
        worst = [
            median(
                r[measure]
                for r in rows
                if r["kind"] == kind and r["level"] == LEVELS[kind][-1] and r["name"] in names
            )
            for kind in kinds
        ]
        bad = max(worst)
        scale = (bad - good) / span
        if scale <= 0:
            raise ValueError(f"{measure} does not grow with {kinds}: good {good}, bad {bad}")
        result[measure] = {
            "good": round(good, 4),
            "bad": round(bad, 4),
            "middle": round(good + scale * math.log(GOOD / (1 - GOOD)), 6),
            "scale": round(scale, 6),
            "floor": FLOORS.get(measure, 0.0),
        }
    return result


def falls(rows: list[dict], calibration: quality.Calibration, names: set[str]) -> dict:
    """Quality by kind and level on unseen photographs, and how often a level is below the last."""
    score = {
        (r["name"], r["kind"], r["level"]): calibration.judge(r)[0]
        for r in rows
        if r["name"] in names
    }
    report: dict[str, object] = {"n": len(names)}
    clean = [score[name, "none", 0.0] for name in names]
    report["undamaged"] = quartiles(clean)
    for kind, levels in LEVELS.items():
        steps, previous = [], [score[name, "none", 0.0] for name in sorted(names)]
        for level in levels:
            now = [score[name, kind, level] for name in sorted(names)]
            below = fmean(a < b for a, b in zip(now, previous, strict=True))
            steps.append({"level": level, **quartiles(now), "below_previous": round(below, 3)})
            previous = now
        report[kind] = steps
    return report


def quartiles(values: list[float]) -> dict[str, float]:
    low, middle, high = np.percentile(values, [25, 50, 75])
    return {"q25": round(low, 1), "median": round(middle, 1), "q75": round(high, 1)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--every", type=int, default=2, help="take one photograph of so many")
    parser.add_argument("--write", action="store_true", help="replace the committed calibration")
    parser.add_argument("--figure", type=Path, help="draw the curves as SVG")
    options = parser.parse_args()
    warnings.simplefilter("ignore", Image.DecompressionBombWarning)

    labelled_images.fetch(options.cache)
    photographs = [
        i
        for i in labelled_images.images(options.cache)
        if i.label == "photo" and i.source in SOURCES
    ][:: options.every]
    rows = all_rows(photographs, options.cache)
    names = sorted({row["name"] for row in rows})
    half = {n for n in names if hashlib.sha256(n.encode()).digest()[0] % 2}
    body = {
        "id": "embedded-quality@1",
        "fitted": {
            "on": datetime.date.today().isoformat(),
            "by": "python -m tools.fit_embedded_quality",
            "photographs": len(half),
            "points": f"{GOOD} at the 90th percentile of undamaged, {BAD} at the severest level",
        },
        "curves": curves(rows, half),
    }
    calibration = quality.Calibration(
        body["id"],
        {n: quality.Curve(c["middle"], c["scale"], c["floor"]) for n, c in body["curves"].items()},
    )
    body["unseen"] = falls(rows, calibration, set(names) - half)
    print(json.dumps(body, indent=1))
    if options.write:
        target = Path(quality.__file__).with_name(quality.CALIBRATION_FILE)
        target.write_text(json.dumps(body, indent=1) + "\n")
        print(f"wrote {target.name}", file=sys.stderr)
    if options.figure:
        draw(body["unseen"], options.figure)
    return 0


def all_rows(photographs: list[labelled_images.Labelled], cache: Path) -> list[dict]:
    """Measures of every photograph at every level, kept in the cache by version of the code."""
    code = b"".join(Path(m.__file__).read_bytes() for m in (damage, windows, piqe))
    key = code + repr((LEVELS, [p.path.name for p in photographs])).encode()
    store = cache / f"damage-{hashlib.sha256(key).hexdigest()[:12]}.json"
    if store.exists():
        return json.loads(store.read_text())

    def one(item: labelled_images.Labelled) -> list[dict]:
        image = preview(item.path)
        levels = [("none", 0.0), *((k, level) for k, ls in LEVELS.items() for level in ls)]
        return [
            {
                "name": f"{item.source}/{item.path.name}",
                "kind": kind,
                "level": level,
                **measured(damaged(image, kind, level)),
            }
            for kind, level in levels
        ]

    rows = [row for rows in workers.each(one, photographs) for row in rows]
    store.write_text(json.dumps(rows))
    return rows


def draw(report: dict, target: Path) -> None:
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(LEVELS), figsize=(13, 3), sharey=True)
    for axis, (kind, levels) in zip(axes, LEVELS.items(), strict=True):
        steps = [report["undamaged"], *report[kind]]
        places = range(len(steps))
        axis.fill_between(places, [s["q25"] for s in steps], [s["q75"] for s in steps], alpha=0.3)
        axis.plot(places, [s["median"] for s in steps], marker="o")
        axis.set_xticks(list(places), ["none", *(f"{level:g}" for level in levels)])
        axis.set_title(kind)
        axis.set_ylim(0, 100)
    axes[0].set_ylabel(f"quality, n = {report['n']}")
    figure.tight_layout()
    target.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(target, metadata={"Date": None})


if __name__ == "__main__":
    sys.exit(main())
