"""How long one image of a tenant takes while another tenant's first 100,000 files arrive.

`python -m bench.neighbour [FILES]`. The files of the large tenant are small and all different; what
counts is how long the neighbour's single file waits for its verdict.
"""

from __future__ import annotations

import io
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.chain import images
from bench.instance import running, until
from parjanya_dagster.objects.local import FolderObjects
from parjanya_dagster.objects.store import NewObject
from parjanya_dagster.settings import load
from parjanya_dagster.truth.store.paging import present_rows

FILES = 100_000
LOOKS = 3  # single files of the neighbour, one after another


def waits(files: int = FILES) -> Iterator[tuple[str, float]]:
    """Seconds from landing to verdict of the neighbour's files: the middle and the longest."""
    with tempfile.TemporaryDirectory(prefix="parjanya-bench-") as folder:
        settings = load(Path(folder) / "home")
        with running(settings) as platform:
            assert isinstance(platform.objects, FolderObjects)
            large = platform.sweeper.add_tenant("large")
            small = platform.sweeper.add_tenant("small")
            _fill(platform.objects.root / large.bucket / "incoming", files)
            seconds = []
            for n, data in enumerate(images(LOOKS)):
                key = f"incoming/{n}.jpg"
                new = NewObject(key=key, data=data, content_type="image/jpeg")
                platform.objects.put_many(small.bucket, [new])
                landed = time.time()
                until(
                    lambda done=n + 1: (
                        sum(  # type: ignore[misc]
                            row.pipeline_status == "curated"
                            for row in present_rows(platform.store, "small")
                        )
                        == done
                    )
                )
                last = max(row.updated_at for row in present_rows(platform.store, "small"))
                seconds.append(last - landed)
            known = sum(1 for _ in present_rows(platform.store, "large"))
    yield f"neighbour.{files}.seconds", sorted(seconds)[len(seconds) // 2]
    yield f"neighbour.{files}.longest", max(seconds)
    yield f"neighbour.{files}.registered", float(known)


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
