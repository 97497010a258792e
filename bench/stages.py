"""What the stages cost per image, against what they could cost at best.

`validated`: images per second on all cores, database and previews included, side by side with a
plain Pillow loop (open, transpose, hash, thumbnail) and the floor (read, sha256, one thumbnail).
`enriched` and `scored`: seconds per image of their engines on one process.
"""

from __future__ import annotations

import hashlib
import io
import os
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from parjanya_dagster.execution.previews import decode_jpeg
from parjanya_dagster.execution.stages.build import stage_work
from parjanya_dagster.execution.worker import work_off
from parjanya_dagster.platform import Platform, open_platform
from parjanya_dagster.settings import load

PIXELS = (4000, 3000)
ROUNDS = 3


def camera_files(folder: Path, count: int, seed: int = 7) -> list[Path]:
    """12-megapixel JPEGs: packaged photographs enlarged, with the grain of a sensor."""
    import numpy
    from PIL import Image

    from demo.photographs import packaged_photographs

    rng = random.Random(seed)
    noise = numpy.random.default_rng(seed)
    originals = [
        Image.open(io.BytesIO(photo.data)).convert("RGB") for photo in packaged_photographs()
    ]
    paths = []
    for index in range(count):
        large = originals[index % len(originals)].resize(PIXELS, Image.Resampling.BICUBIC)
        grain = noise.normal(0.0, 4.0, (PIXELS[1], PIXELS[0], 1)).astype("float32")
        pixels = numpy.clip(numpy.asarray(large, "float32") + grain, 0, 255).astype("uint8")
        path = folder / f"{index:03d}.jpg"
        Image.fromarray(pixels).save(path, quality=rng.choice((88, 92)))
        paths.append(path)
    return paths


def floor(path: Path) -> None:
    """The least that any validation must do."""
    import pyvips

    data = path.read_bytes()
    hashlib.sha256(data).hexdigest()
    pyvips.Image.thumbnail_buffer(data, 512).write_to_buffer(".jpg")


def plain_pillow(path: Path) -> None:
    """What most people write."""
    import imagehash
    from PIL import Image, ImageOps

    with Image.open(path) as opened:
        image = ImageOps.exif_transpose(opened)
        imagehash.phash(image)
        image.thumbnail((1024, 1024))
        image.convert("RGB").save(io.BytesIO(), "JPEG")


def rate(work: Callable[[Path], None], paths: list[Path], threads: int) -> float:
    """Images per second."""
    started = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, paths))
    return len(paths) / (time.perf_counter() - started)


def validated_rate(paths: list[Path]) -> float:
    """Images per second of the stage itself: claims, decoders, previews, commits."""
    from parjanya_dagster.ingest.copy_files import Upload, upload

    with tempfile.TemporaryDirectory() as folder:
        platform = open_platform(load(Path(folder) / "home"), migrating=True)
        tenant = platform.sweeper.add_tenant("bench")
        files = [Upload(path, f"incoming/{path.name}") for path in paths]
        for _ in upload(platform.objects, tenant, files):
            pass
        time.sleep(platform.settings.arrivals.settle)
        platform.sweeper.sweep(time.time() + 60)
        started = time.perf_counter()
        rows = _work(platform, "validated")
        assert rows == len(paths)
        return rows / (time.perf_counter() - started)


def _work(platform: Platform, stage: str) -> int:
    return work_off(
        platform.store,
        stage_work(platform, stage, "bench"),
        platform.store.batches(),
        owner="bench",
        pace=platform.pace,
        clock=platform.clock,
    ).rows


def validated() -> Iterator[tuple[str, float]]:
    """Rates side by side, the median of rounds in turn, and their ratios."""
    threads = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as folder:
        paths = camera_files(Path(folder), 48)
        validated_rate(paths[:4])  # decoders start once per run
        rounds: dict[str, list[float]] = {"floor": [], "pillow": [], "ours": []}
        for _ in range(ROUNDS):
            rounds["floor"].append(rate(floor, paths, threads))
            rounds["pillow"].append(rate(plain_pillow, paths, threads))
            rounds["ours"].append(validated_rate(paths))
    middle = {name: sorted(rates)[len(rates) // 2] for name, rates in rounds.items()}
    for name, value in middle.items():
        yield f"stages.validated.{name}", value
    yield "stages.validated.of_floor", middle["ours"] / middle["floor"]
    yield "stages.validated.of_pillow", middle["ours"] / middle["pillow"]


def inferred() -> Iterator[tuple[str, float]]:
    """Seconds per image of the embedded engines, models loaded, and where they go."""
    import gpu_ops.engines
    from bench.chain import images
    from parjanya_dagster.media import validate

    pictures: list[Any] = []
    hints: list[Any] = []
    for data in images(48):
        result = validate(data)
        pictures.append(decode_jpeg(result.preview))
        hints.append(result.body["technical"])
    enricher, scorer = gpu_ops.engines.enricher(), gpu_ops.engines.scorer()
    for name, engine in (("enriched", enricher), ("scored", scorer)):
        started = time.perf_counter()
        engine.warm()
        yield f"stages.{name}.loading", time.perf_counter() - started
    for name, look in (
        ("enriched", lambda: enricher.describe(pictures, hints)),
        ("scored", lambda: scorer.score(pictures)),
    ):
        times = []
        for _ in range(ROUNDS):
            started = time.perf_counter()
            look()
            times.append((time.perf_counter() - started) / len(pictures))
        yield f"stages.{name}.seconds", sorted(times)[ROUNDS // 2]
