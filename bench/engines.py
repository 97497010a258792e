"""What the default engines cost a fresh process: to load, for each image, and in memory.

`python -m bench.engines`. Processor time, so that other work on the machine disturbs it less.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator

IMAGES = ("coffee", "astronaut", "chelsea", "rocket")  # of scikit-image
TIMES = 5


def costs() -> Iterator[tuple[str, float]]:
    began = time.process_time()
    from gpu_ops import engines

    engines.warm()
    loaded = time.process_time()
    yield "engines.load_cpu_seconds", loaded - began
    import numpy as np
    from skimage import data

    images = [np.ascontiguousarray(getattr(data, name)()[..., :3]) for name in IMAGES] * TIMES
    for name, work in (
        ("enriched", engines.enricher().describe),
        ("scored", engines.scorer().score),
    ):
        work(images[: len(IMAGES)])
        began = time.process_time()
        work(images)
        yield f"engines.{name}_cpu_ms", 1000 * (time.process_time() - began) / len(images)
    yield "engines.memory_mb", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    for name, value in costs():
        print(f"{name:<32} {value:10.2f}")
