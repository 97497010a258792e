"""How long one image of a tenant takes while another tenant's first 100,000 files arrive.

`python -m bench.neighbour [FILES]`. The files of the large tenant are small and all different; what
counts is how long the neighbour's single file waits for its verdict, and what for.
"""

from __future__ import annotations

import io
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path

from bench.chain import images, seconds_spent
from bench.instance import running, until
from parjanya_dagster.objects.local import FolderObjects
from parjanya_dagster.objects.store import NewObject
from parjanya_dagster.platform import Platform
from parjanya_dagster.settings import load
from parjanya_dagster.truth.models import ImageRow
from parjanya_dagster.truth.store.paging import present_rows

FILES = 100_000
LOOKS = 3  # single files of the neighbour, one after another


@dataclass(frozen=True)
class Wait:
    """Where the seconds of one single file went."""

    total: float  # landed -> decided
    arrival: float  # landed -> registered
    asking: float  # registered -> its run was asked for
    queue: float  # asked for -> its process was launched
    process: float  # launched -> Dagster began it in its process
    loading: float  # imports and models, as far as work waited for them
    work: float  # looking at the image
    truth: float  # claims and commits
    rest: float  # until it was decided: imports before the first claim, Dagster's events


def waits(files: int = FILES) -> Iterator[tuple[str, float]]:
    """Seconds from landing to verdict of the neighbour's files: the middle and the longest."""
    with tempfile.TemporaryDirectory(prefix="parjanya-bench-") as folder:
        settings = load(Path(folder) / "home")
        with running(settings) as platform:
            assert isinstance(platform.objects, FolderObjects)
            large = platform.sweeper.add_tenant("large")
            small = platform.sweeper.add_tenant("small")
            _fill(platform.objects.root / large.bucket / "incoming", files)
            looks = []
            for n, data in enumerate(images(LOOKS)):
                key = f"incoming/{n}.jpg"
                new = NewObject(key=key, data=data, content_type="image/jpeg")
                platform.objects.put_many(small.bucket, [new])
                landed = time.time()
                until(partial(_is_curated, platform, key))
                looks.append(_wait(platform, key, landed))
            known = sum(1 for _ in present_rows(platform.store, "large"))
    middle = sorted(looks, key=lambda look: look.total)[len(looks) // 2]
    yield f"neighbour.{files}.seconds", middle.total
    yield f"neighbour.{files}.longest", max(look.total for look in looks)
    for part in fields(Wait)[1:]:
        for look in looks:
            yield f"neighbour.{files}.{part.name}", getattr(look, part.name)
    yield f"neighbour.{files}.registered", float(known)


def _row(platform: Platform, key: str) -> ImageRow | None:
    return next((row for row in present_rows(platform.store, "small") if row.key == key), None)


def _is_curated(platform: Platform, key: str) -> bool:
    row = _row(platform, key)
    return row is not None and row.pipeline_status == "curated"


def _wait(platform: Platform, key: str, landed: float) -> Wait:
    from dagster import DagsterEventType, DagsterInstance

    row = _row(platform, key)
    assert row is not None
    history = platform.store.history(row.image_id)
    first = next(event for event in history if event.run_id)
    with DagsterInstance.from_config(str(platform.settings.home / "dagster")) as instance:
        record = instance.get_run_record_by_id(first.run_id)
        assert record is not None
        launched, began = (
            instance.get_records_for_run(first.run_id, of_type=kind).records[0].timestamp
            for kind in (DagsterEventType.RUN_STARTING, DagsterEventType.RUN_START)
        )
        spent = seconds_spent(instance, first.run_id)
    asked = record.create_timestamp.timestamp()
    return Wait(
        total=row.updated_at - landed,
        arrival=row.arrived_at - landed,
        asking=asked - row.arrived_at,
        queue=launched - asked,
        process=began - launched,
        loading=spent["loading"],
        work=spent["working"],
        truth=spent["in_truth"],
        rest=row.updated_at - began - sum(spent.values()),
    )


def _fill(folder: Path, files: int) -> None:
    """Small pictures, each with other bytes: a JPEG's comment is its number."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", (64, 48), (90, 120, 60)).save(buffer, "JPEG")
    head, tail = buffer.getvalue()[:2], buffer.getvalue()[2:]
    folder.mkdir(parents=True, exist_ok=True)
    for n in range(files):
        number = f"{n:08d}".encode()
        comment = b"\xff\xfe" + (len(number) + 2).to_bytes(2, "big") + number
        (folder / f"{n:06d}.jpg").write_bytes(head + comment + tail)


if __name__ == "__main__":
    for name, value in waits(int(sys.argv[1]) if len(sys.argv) > 1 else FILES):
        print(f"{name:<32} {value:10.3f}")
