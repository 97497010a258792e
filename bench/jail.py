"""What the jail of decoder processes costs: `python -m bench.jail`.

The same pictures go through decoder processes that are shut in and that are not, in turn. What is
told is the processor time of the children, which a busy machine disturbs less than the clock.
"""

from __future__ import annotations

import io
import resource
import statistics

import numpy
from PIL import Image

from parjanya_dagster.media import DecoderPool
from parjanya_dagster.media.jail import offered

PICTURES = {"640 x 480": ((640, 480), 100), "4000 x 3000": ((4000, 3000), 15)}  # size, images
ROUNDS = 4


def photograph(size: tuple[int, int]) -> bytes:
    """A JPEG of smooth shapes and grain, as a camera's."""
    noise = numpy.random.default_rng(7)
    coarse = Image.fromarray(noise.integers(0, 255, (12, 16, 3), dtype=numpy.uint8))
    smooth = numpy.asarray(coarse.resize(size, Image.Resampling.BICUBIC), numpy.float32)
    grain = noise.normal(0.0, 4.0, smooth.shape[:2])[..., None]
    out = io.BytesIO()
    Image.fromarray(numpy.clip(smooth + grain, 0, 255).astype(numpy.uint8)).save(out, "JPEG")
    return out.getvalue()


def spent(data: bytes, images: int, jailed: bool) -> float:
    """Seconds of processor time of a child, from its start to its end after so many images."""
    before = _of_children()
    with DecoderPool(1, jailed=jailed) as pool:
        for _ in range(images):
            pool.validate(data)
    return _of_children() - before


def _of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> int:
    print(f"jail: {offered()}")
    for name, (size, images) in PICTURES.items():
        data = photograph(size)
        start: dict[bool, list[float]] = {True: [], False: []}
        each: dict[bool, list[float]] = {True: [], False: []}
        for number in range(ROUNDS):
            for jailed in (True, False) if number % 2 else (False, True):
                first = spent(data, 1, jailed)
                start[jailed].append(first)
                each[jailed].append((spent(data, images + 1, jailed) - first) / images * 1000)
        for jailed, word in ((True, "jailed"), (False, "free")):
            first, further = statistics.median(start[jailed]), each[jailed]
            print(
                f"{name}, {word}: start and first image {first:.2f} s, each further "
                f"{statistics.median(further):.1f} ms ({min(further):.1f} to {max(further):.1f})"
            )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
