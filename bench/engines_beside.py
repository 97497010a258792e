"""Default engines and a decoder's measures beside another checkout's: time, and whether they agree.

`python -m bench.engines_beside CHECKOUT [FOLDER [IMAGES]]`. Both versions run in one process, in
turn image by image, on one thread, so that other work on the machine disturbs both alike. The
images are those of `bench.chain`, or of a folder. Every figure of the evidence that differs is
printed.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

from bench.chain import images
from parjanya_dagster.execution.previews import decode_jpeg
from parjanya_dagster.media import Rejected, validate

NAMES = ("enriched", "scored", "vector", "measured")
Looks = tuple[Any, Any, Any, Any]


def engines_of(checkout: Path) -> Looks:
    """What looks at one image. A second call brings the code of another checkout."""
    ours = ("gpu_ops", "parjanya_dagster")
    for name in [name for name in sys.modules if name.split(".")[0] in ours]:
        del sys.modules[name]
    sys.path.insert(0, str(checkout))
    try:
        import gpu_ops.engines
        from gpu_ops.embedded.descriptor import describe
        from parjanya_dagster.media import likeness, measures, phash

        for module in (gpu_ops, measures):
            assert Path(str(module.__file__)).is_relative_to(checkout)
        enricher: Any = gpu_ops.engines.enricher(detectors=("overlay",))
        scorer: Any = gpu_ops.engines.scorer()
        enricher.warm()
    finally:
        sys.path.pop(0)
    score = partial(scorer._score, hint=None)

    def measured(image: Any) -> dict[str, Any]:
        from PIL import Image

        luma = Image.fromarray(image).convert("L")
        found = {"phash": phash.phash(luma), "likeness": likeness.likeness(image, luma)}
        return {**found, **measures.measure(image, luma)}

    return enricher._describe, score, lambda image: describe(image).tolist(), measured


def pictures(folder: Path | None, count: int) -> Iterator[Any]:
    """Previews, as the stages see them."""
    if folder is None:
        files = images(count)
    else:
        paths = sorted(path for path in folder.rglob("*") if path.suffix in (".jpg", ".png"))
        files = (path.read_bytes() for path in random.Random(5).sample(paths, count))
    for data in files:
        try:
            yield decode_jpeg(validate(data).preview)
        except Rejected:
            continue


def differences(one: Any, other: Any, place: str = "") -> Iterator[str]:
    """Where two bodies of evidence differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted(one.keys() | other.keys()):
            yield from differences(one.get(key), other.get(key), f"{place}.{key}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for index, pair in enumerate(zip(one, other, strict=True)):
            yield from differences(*pair, f"{place}[{index}]")
    elif one != other:
        yield f"{place}: {one} and {other}"


def main(checkout: Path, folder: Path | None, count: int) -> None:
    import cv2

    cv2.setNumThreads(1)
    versions = {"here": engines_of(Path.cwd()), "there": engines_of(checkout)}
    spent: dict[tuple[str, str], list[float]] = {}
    looked = 0
    for looked, image in enumerate(pictures(folder, count), start=1):
        found: dict[str, list[Any]] = {}
        for version in sorted(versions, reverse=bool(looked % 2)):
            for name, look in zip(NAMES, versions[version], strict=True):
                began = time.thread_time()
                found.setdefault(version, []).append(look(image))
                spent.setdefault((version, name), []).append(time.thread_time() - began)
        for difference in differences(found["here"], found["there"]):
            print(f"image {looked}: {difference}")
    print(f"{looked} images; ms of processor time an image:")
    for (version, name), seconds in sorted(spent.items()):
        print(f"{name:<10} {version:<6} {1000 * fmean(seconds):8.1f}")


if __name__ == "__main__":
    other, *more = sys.argv[1:]
    main(
        Path(other).resolve(),
        Path(more[0]) if more else None,
        int(more[1]) if more[1:] else 24,
    )
