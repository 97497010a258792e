"""Seconds from file landed to curated, through a real instance, and where they go.

A fresh instance per size: `parjanya up` over a home of its own, idle before the files land. The
images are real photographs and pages at up to 1600 px, saved as JPEG, each different.
"""

from __future__ import annotations

import io
import random
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.instance import running, until
from parjanya_dagster.ingest.copy_files import Upload, upload
from parjanya_dagster.platform import Platform
from parjanya_dagster.settings import load
from parjanya_dagster.truth.store.paging import present_rows

if TYPE_CHECKING:
    from dagster import DagsterInstance

SIDE = 1600  # px


@dataclass(frozen=True)
class Journey:
    """Where the seconds of one burst of images went."""

    images: int
    total: float  # last file landed -> last image terminal
    tick: float  # last file landed -> the last needed run was asked for
    queue: float  # asked for -> its process was started
    process: float  # process started -> Dagster began the run in it
    loading: float  # imports and models, as far as work waited for them
    work: float  # looking at images
    truth: float  # the database, claims and commits
    rest: float  # Dagster's events, metadata, manifests, whatever else
    runs: int

    @property
    def overhead_ms(self) -> float:
        """Per image: the run's process from its start to its end, less images and models."""
        return 1000.0 * (self.process + self.truth + self.rest) / self.images


def images(count: int, seed: int = 7) -> Iterator[bytes]:
    """`count` different JPEGs: crops of the demo's photographs and pages."""
    from PIL import Image

    from demo.samples import assemble

    rng = random.Random(seed)
    originals = []
    for sample in assemble(seed, None):
        if sample.kind in ("photo", "screenshot", "slide", "poster", "infographic"):
            originals.append(Image.open(io.BytesIO(sample.data)).convert("RGB"))
    for index in range(count):
        picture = originals[index % len(originals)]
        share = rng.uniform(0.8, 1.0)
        width, height = int(picture.width * share), int(picture.height * share)
        left, top = rng.randint(0, picture.width - width), rng.randint(0, picture.height - height)
        crop = picture.crop((left, top, left + width, top + height))
        scale = SIDE / max(crop.size)
        crop = crop.resize((max(1, int(crop.width * scale)), max(1, int(crop.height * scale))))
        buffer = io.BytesIO()
        crop.save(buffer, "JPEG", quality=90)
        yield buffer.getvalue()


def files_of(count: int, folder: Path) -> list[Upload]:
    """The pictures as files in a folder, to be copied into a bucket."""
    files = []
    for index, data in enumerate(images(count)):
        path = folder / f"{index:04d}.jpg"
        path.write_bytes(data)
        files.append(Upload(path, f"incoming/{path.name}"))
    return files


def measure(count: int) -> Journey:
    """Land `count` images in an idle instance and follow them to the end."""
    with tempfile.TemporaryDirectory(prefix="parjanya-bench-") as folder:
        files = files_of(count, Path(folder))
        settings = load(Path(folder) / "home")
        with running(settings) as platform:
            tenant = platform.sweeper.add_tenant("bench")
            for _ in upload(platform.objects, tenant, files):
                pass
            landed = time.time()
            until(lambda: terminal(platform) == count)
            ended = _last_event(platform)
            until(lambda: not live_runs(settings.home))
            return _journey(count, settings.home, landed, ended)


def terminal(platform: Platform) -> int:
    return sum(
        counts.by_status.get("curated", 0) + counts.by_status.get("failed", 0)
        for counts in platform.store.counts()
    )


def _last_event(platform: Platform) -> float:
    return max((row.updated_at for row in present_rows(platform.store, "bench")), default=0.0)


def live_runs(home: Path) -> list[Any]:
    from dagster import DagsterInstance, DagsterRunStatus, RunsFilter

    with DagsterInstance.from_config(str(home / "dagster")) as instance:
        unfinished = [
            DagsterRunStatus.QUEUED,
            DagsterRunStatus.NOT_STARTED,
            DagsterRunStatus.STARTING,
            DagsterRunStatus.STARTED,
        ]
        return list(instance.get_runs(RunsFilter(statuses=unfinished), limit=1))


def seconds_spent(instance: DagsterInstance, run_id: str) -> dict[str, float]:
    """What the stages of a run over one partition say: seconds loading, working and in Truth."""
    from dagster import DagsterEventType

    spent = {"loading": 0.0, "working": 0.0, "in_truth": 0.0}
    for record in instance.get_records_for_run(
        run_id, of_type=DagsterEventType.ASSET_MATERIALIZATION
    ).records:
        event = record.event_log_entry.dagster_event
        assert event is not None
        metadata = event.step_materialization_data.materialization.metadata
        for name in spent:
            value = metadata.get(f"run/seconds_{name}")
            spent[name] += float(value.value) if value is not None else 0.0  # type: ignore[arg-type]
    return spent


def _journey(count: int, home: Path, landed: float, ended: float) -> Journey:
    from dagster import DagsterEventType, DagsterInstance

    with DagsterInstance.from_config(str(home / "dagster")) as instance:
        records = instance.get_run_records()
        last = max(records, key=lambda record: record.end_time or 0.0)
        run_id = last.dagster_run.run_id
        events = {
            kind: [
                record.timestamp
                for record in instance.get_records_for_run(run_id, of_type=kind).records
            ]
            for kind in (DagsterEventType.RUN_STARTING, DagsterEventType.RUN_START)
        }
        spent = seconds_spent(instance, run_id)
        created = last.create_timestamp.timestamp()
        launched = events[DagsterEventType.RUN_STARTING][0]
        began = events[DagsterEventType.RUN_START][0]
        finished = last.end_time or ended
        return Journey(
            count,
            ended - landed,
            created - landed,
            launched - created,
            began - launched,
            spent["loading"],
            spent["working"],
            spent["in_truth"],
            finished - began - sum(spent.values()),
            len(records),
        )
