"""How well the embedded descriptor finds pictures, and how fast and how completely the index does.

    python -m bench.similar quality CACHE     # labelled images of packages, fetched into CACHE
    python -m bench.similar speed CACHE [--images N] [--rounds N]

`quality` asks three things of the descriptor. Is a cropped, reduced, recompressed copy nearer to
its original than all others are? Have the nearest images of other sources the same label? Do
diverse choices cover more than random ones? `speed` mixes the vectors of those pictures and of
crops of them into as many as wanted, and compares `Nearest` with exact search of float32, by turns.
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from bench.labelled_images import fetch, images
from gpu_ops.embedded.descriptor import DIMENSION, VERSION, describe
from parjanya_dagster.embeddings.nearest import Nearest
from parjanya_dagster.release.diverse import farthest_first

CROPS = 4  # of each picture, so that there are more vectors to mix
BLOCK = 1000


def described(cache: Path) -> dict[str, Any]:
    """Vectors of every labelled picture, of a copy and of crops. Kept in the cache."""
    kept = cache / f"vectors-{VERSION}-{CROPS}.npz"
    if kept.is_file():
        with np.load(kept) as file:
            return dict(file)
    rng, columns = np.random.default_rng(1), []
    for number, one in enumerate(images(cache)):
        picture = _opened(one.path)
        columns.append((describe(np.asarray(picture)), one.label, one.source, number, "whole"))
        columns.append((describe(_copied(picture)), one.label, one.source, number, "copy"))
        for _ in range(CROPS):
            crop = describe(_cropped(picture, rng))
            columns.append((crop, one.label, one.source, number, "crop"))
    names = ("vector", "label", "source", "number", "kind")
    table = {name: np.array(column) for name, column in zip(names, zip(*columns, strict=True),
                                                              strict=True)}  # fmt: skip
    np.savez(kept, **table)
    return table


def _opened(path: Path) -> Image.Image:
    image = Image.open(path)
    image.draft("RGB", (512, 512))
    image = image.convert("RGBA")
    white = Image.new("RGBA", image.size, "white")
    white.alpha_composite(image)
    white.thumbnail((512, 512))
    return white.convert("RGB")


def _copied(picture: Image.Image) -> np.ndarray:
    """A tenth cut off at each side, 0.6 of the size, JPEG of quality 60."""
    width, height = picture.size
    part = picture.crop((width // 10, height // 10, width - width // 10, height - height // 10))
    buffer = io.BytesIO()
    part.resize((max(8, width * 6 // 10), max(8, height * 6 // 10))).save(
        buffer, "JPEG", quality=60
    )
    return np.asarray(Image.open(buffer).convert("RGB"))


def _cropped(picture: Image.Image, rng: np.random.Generator) -> np.ndarray:
    width, height = picture.size
    share = rng.uniform(0.35, 0.8)
    left, top = rng.uniform(0, 1 - share, 2)
    box = (int(left * width), int(top * height),
           max(int((left + share) * width), int(left * width) + 4),
           max(int((top + share) * height), int(top * height) + 4))  # fmt: skip
    return np.asarray(picture.crop(box))


def quality(cache: Path) -> dict[str, float]:
    table = described(cache)
    whole, copy = table["kind"] == "whole", table["kind"] == "copy"
    vectors, label = table["vector"][whole], table["label"][whole]
    source = table["source"][whole]
    likeness = table["vector"][copy] @ vectors.T
    first = likeness.argmax(axis=1) == np.arange(len(vectors))
    among = vectors @ vectors.T
    among[source[:, None] == source[None, :]] = -np.inf
    nearest = np.argsort(-among, axis=1)[:, :5]
    other = source[:, None] != source[None, :]
    chance = [(label[at] == label[other[at]]).mean() for at in range(len(vectors))]
    figures = {
        "images": float(len(vectors)),
        "copy.first_of_all": float(first.mean()),
        "label.of_5_nearest": float((label[nearest] == label[:, None]).mean()),
        "label.by_chance": float(np.mean(chance)),
    }
    for kind in sorted(set(label)):
        of = label == kind
        figures[f"label.{kind}.n"] = float(of.sum())
        figures[f"label.{kind}.of_5_nearest"] = float((label[nearest[of]] == kind).mean())
        figures[f"label.{kind}.by_chance"] = float(np.array(chance)[of].mean())
    k = len(vectors) // 10
    figures["diverse.k"] = float(k)
    figures["diverse.farthest_image"] = _farthest(vectors, farthest_first(vectors, k))
    rng = np.random.default_rng(0)
    random = [_farthest(vectors, rng.permutation(len(vectors))[:k].tolist()) for _ in range(20)]
    figures["diverse.farthest_image.random"] = statistics.median(random)
    return figures


def _farthest(vectors: np.ndarray, chosen: list[int]) -> float:
    """How unlike its nearest chosen one the worst covered image is: 1 - cosine."""
    return float(1 - (vectors @ vectors[chosen].T).max(axis=1).min())


def mixed(known: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Made-up vectors: between two known ones, nearer to the first, and a little noise."""
    vectors = np.empty((count, DIMENSION), np.float32)
    for at in range(0, count, 50_000):
        n = min(50_000, count - at)
        first, second = (known[rng.integers(len(known), size=n)] for _ in range(2))
        part = first + rng.uniform(0, 0.5, (n, 1)) * (second - first)
        part += rng.normal(0, 0.015, (n, DIMENSION))
        vectors[at : at + n] = part / np.linalg.norm(part, axis=1, keepdims=True)
    return vectors


def speed(cache: Path, count: int, rounds: int) -> dict[str, float]:
    rng = np.random.default_rng(7)
    vectors = mixed(described(cache)["vector"], count, rng)
    index, began = Nearest(DIMENSION), time.process_time()
    for at in range(0, count, BLOCK):
        part = vectors[at : at + BLOCK]
        index.put(str(at), [f"{n:024x}" for n in range(at, at + len(part))],
                  part.astype(np.float16))  # fmt: skip
    index.near(vectors[0], 10)
    built = time.process_time() - began
    exact: list[float] = []
    coded: list[float] = []
    coded_cpu: list[float] = []
    hits = 0
    for _ in range(rounds):
        vector = vectors[rng.integers(count)] + rng.normal(0, 0.01, DIMENSION).astype(np.float32)
        vector /= np.linalg.norm(vector)
        started = time.perf_counter()
        likeness = vectors @ vector
        best = np.argpartition(-likeness, 10)[:10]
        exact.append(time.perf_counter() - started)
        started, cpu = time.perf_counter(), time.process_time()
        found = index.near(vector, 10)
        coded.append(time.perf_counter() - started)
        coded_cpu.append(time.process_time() - cpu)
        hits += len({int(name, 16) for name, _ in found} & set(best.tolist()))
    return {
        "images": float(count),
        "recall_at_10": hits / (10 * rounds),
        **_spread("near", coded),
        **_spread("near.cpu", coded_cpu),
        **_spread("exact", exact),
        "build.cpu_seconds": built,
        "memory.mb": index.nbytes / 1e6,
    }


def _spread(name: str, seconds: list[float]) -> dict[str, float]:
    p50, p95 = np.percentile(np.array(seconds) * 1000, [50, 95])
    return {f"{name}.p50_ms": float(p50), f"{name}.p95_ms": float(p95)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", choices=["quality", "speed"])
    parser.add_argument("cache", type=Path)
    parser.add_argument("--images", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=100)
    asked = parser.parse_args()
    fetch(asked.cache)
    figures = (
        quality(asked.cache)
        if asked.what == "quality"
        else speed(asked.cache, asked.images, asked.rounds)
    )
    print(json.dumps({name: round(value, 4) for name, value in figures.items()}, indent=1))


if __name__ == "__main__":
    main()
