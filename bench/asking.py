"""How busy a stage keeps an engine of two cores: `python -m bench.asking [IMAGES]`.

The engine sleeps instead of working, in the threads of the embedded engines, so that other work on
the machine disturbs little. Three images of four take it 90 ms and the fourth, a page of text,
300 ms: about what the embedded enricher needs. Printed: the seconds that two cores need if they
never wait, and the seconds that passed, claims and commits included.
"""

from __future__ import annotations

import io
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from gpu_ops.embedded import workers
from gpu_ops.embedded.enricher import EmbeddedEnricher
from parjanya_dagster.execution.previews import Previews
from parjanya_dagster.execution.stages.build import stage_work
from parjanya_dagster.execution.stages.infer import Enrich
from parjanya_dagster.execution.worker import StageWork, work_off
from parjanya_dagster.ingest.copy_files import Upload, upload
from parjanya_dagster.platform import Platform, open_platform
from parjanya_dagster.settings import load

PHOTOGRAPH, PAGE = 0.09, 0.3  # s
CORES = 2


class Sleeping(EmbeddedEnricher):
    """Says nothing of images, in the time that it takes to say something."""

    def warm(self) -> None:
        """There is nothing to load."""

    def describe(self, images: Sequence[Any], hints: Any = None) -> list[dict[str, Any]]:
        workers.each(lambda image: time.sleep(_seconds(image.shape)), images)
        return [{"category": "photo", "probabilities": {"photo": 1.0}} for _ in images]


def _seconds(shape: tuple[int, ...]) -> float:
    return PAGE if shape[1] == 41 else PHOTOGRAPH


def arrive(platform: Platform, folder: Path, count: int) -> None:
    """Small pictures, all different. Each fourth is of another width."""
    from PIL import Image

    tenant = platform.sweeper.add_tenant("bench")
    files = []
    for index in range(count):
        colour = (index % 256, index // 256, 99)
        picture = Image.new("RGB", (41 if index % 4 == 3 else 40, 30), colour)
        buffer = io.BytesIO()
        picture.save(buffer, "PNG")
        path = folder / f"{index:04d}.png"
        path.write_bytes(buffer.getvalue())
        files.append(Upload(path, f"incoming/{path.name}"))
    for _ in upload(platform.objects, tenant, files):
        pass
    time.sleep(platform.settings.arrivals.settle)
    platform.sweeper.sweep(time.time() + 60)


def kept(count: int) -> Iterator[tuple[str, float]]:
    """Seconds at best, and seconds that passed."""
    with tempfile.TemporaryDirectory() as folder:
        platform = open_platform(load(Path(folder) / "home"), migrating=True)
        arrive(platform, Path(folder), count)
        _work(platform, stage_work(platform, "validated", "bench"))
        enrich = Enrich(
            Sleeping(),
            Previews(platform.objects),
            platform.store,
            run_id="bench",
            clock=platform.clock,
        )
        started = time.perf_counter()
        assert _work(platform, enrich) == count
        passed = time.perf_counter() - started
    pages = count // 4
    yield "asking.best_s", (pages * PAGE + (count - pages) * PHOTOGRAPH) / CORES
    yield "asking.passed_s", passed


def _work(platform: Platform, work: StageWork) -> int:
    return work_off(
        platform.store,
        work,
        platform.store.batches(),
        owner="bench",
        pace=platform.pace,
        clock=platform.clock,
    ).rows


if __name__ == "__main__":
    for name, value in kept(int(sys.argv[1]) if sys.argv[1:] else 200):
        print(f"{name:<20} {value:8.2f}")
