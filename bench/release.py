"""How fast a release is written, against a plain tar of the same files; and what a kill costs.

    python -m bench.release [--images N] [--kb SIZE] [--show [--loaders PYTHON]]

The files are JPEGs of about that size, each with its own EXIF block; evidence and likeness are made
up. A release reads each file, checks it, takes EXIF out, writes, waits for the disk and reads all
of it back. The plain tar is Python's `tarfile`, which waits for the disk once, at its end.
`cpu_of_tar` compares processor time: on a machine that others use, it says what an idle one does.

`--show` makes one release of all formats, kills its process (-9) in the middle, goes on, reads it
back, and makes the same on another home. `--loaders` names an interpreter that has pandas, duckdb,
datasets, webdataset and mlcroissant: each then loads the first release, and decodes its pictures.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import io
import logging
import os
import random
import signal
import struct
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

import structlog
from PIL import Image

from parjanya_dagster.platform import Platform, open_platform
from parjanya_dagster.release.create import begin
from parjanya_dagster.release.options import FORMATS, Options
from parjanya_dagster.release.verification import verify
from parjanya_dagster.release.writing import Writer, root_of
from parjanya_dagster.settings import Settings
from parjanya_dagster.truth.models import Arrival, Evidence, Tenant
from parjanya_dagster.truth.outcomes import Claim, Completed
from parjanya_dagster.truth.requests import ClaimRequest
from parjanya_dagster.truth.stages import STAGES

IMAGES, KB = 2_000, 300
SLUG, NOW = "acme", 1_760_011_200.0


def measurements(images: int = IMAGES, kb: int = KB) -> Iterator[tuple[str, float]]:
    """Seconds, MB/s and images/s by format, and how they stand to a plain tar.

    Libraries are loaded before: a process pays that once, whatever it releases.
    """
    for library in ("pandas", "pyarrow.parquet"):  # pyarrow looks for pandas
        import_module(library)
    with tempfile.TemporaryDirectory() as folder:
        platform = filled(Path(folder) / "home", images, kb)
        incoming = platform.settings.home / "buckets" / SLUG / "incoming"
        size = sum(path.stat().st_size for path in incoming.iterdir()) / 1e6
        _tar(incoming, Path(folder) / "warm.tar")  # the files are in the cache from here on
        for formats in (("webdataset",), ("parquet",), ("imagefolder",)):
            options = Options(formats=formats)
            wall, cpu = _timed(lambda: _tar(incoming, Path(folder) / "plain.tar"))
            choosing, _ = _timed(lambda o=options: _begin(platform, o))  # type: ignore[misc]
            writing, used = _timed(lambda o=options: _write(platform, o))  # type: ignore[misc]
            name = f"release.{formats[0]}"
            yield f"{name}.tar.mb_per_s", size / wall
            yield f"{name}.choosing.seconds", choosing
            yield f"{name}.images_per_s", images / writing
            yield f"{name}.mb_per_s", size / writing
            yield f"{name}.of_tar", wall / writing
            yield f"{name}.cpu_of_tar", cpu / used
        platform.store.close()


def filled(home: Path, images: int, kb: int, seed: int = 1) -> Platform:
    """A home whose images are decided. Equal arguments give equal images, in another order."""
    platform = open_platform(Settings(home=home), migrating=True)
    store = platform.store
    store.put_tenant(Tenant(slug=SLUG, bucket=SLUG, prefix="incoming/", policy="default@2"))
    platform.objects.put(SLUG, "incoming/.keep", b"", "text/plain")  # it makes the bucket
    folder = home / "buckets" / SLUG / "incoming"
    base = _jpegs(kb)
    order = list(range(images))
    random.Random(seed).shuffle(order)
    arrivals = []
    for n in order:
        path = folder / f"{n:06}.jpg"
        path.write_bytes(_with_exif(base[n % len(base)], n))
        arrivals.append(
            Arrival(
                tenant=SLUG, bucket=SLUG, key=f"incoming/{path.name}", version=f"{seed}-{n}",
                size=path.stat().st_size, landed_at=NOW + n,
            )
        )  # fmt: skip
    store.register(arrivals, NOW)
    for stage in STAGES:
        while claims := store.claim(
            ClaimRequest(stage=stage, batches=store.batches(), limit=1000, owner="b", lease=600.0),
            NOW,
        ):
            store.commit([(one, _found(one, folder)) for one in claims], NOW, "bench")
    return platform


def _found(claim: Claim, folder: Path) -> Completed:
    number = int(claim.row.key[-10:-4])
    rng = random.Random(number)
    body, columns = _bodies(rng)[claim.stage], {}
    if claim.stage == "validated":
        columns["sha256"] = hashlib.sha256((folder / claim.row.key[9:]).read_bytes()).hexdigest()
    if claim.stage == "curated":
        columns |= {"verdict": "accept", "reasons": ["No rule objected."], "policy": "default@2"}
    record = Evidence(
        image_id=claim.image_id, stage=claim.stage, fingerprint=f"{claim.stage}-{number}",
        body=body, engine="bench", model="none", revision="1", determinism="exact",
        run_id="bench", created_at=NOW,
    )  # fmt: skip
    return Completed(record, columns)


def _bodies(rng: random.Random) -> dict[str, dict[str, object]]:
    """Evidence of the size that stages record."""
    tiny = base64.b64encode(rng.randbytes(1024 + 2 * 144)).decode()
    technical = {name: rng.random() for name in ("sharpness", "brightness", "contrast", "noise")}
    kinds = ("photo", "screenshot", "poster", "slide")
    return {
        "validated": {
            "format": "jpeg", "width": 1200, "height": 900, "orientation": 1,
            "technical": technical, "exif": {"camera_make": "Brand"},
            "likeness": {"views": [f"{rng.getrandbits(64):016x}"] * 3, "thumbnail": tiny},
        },
        "enriched": {
            "category": rng.choice(kinds), "confidence": rng.random(), "caption": "a caption",
            "probabilities": {kind: rng.random() for kind in kinds},
            "tags": [{"name": f"tag {rng.randrange(99)}", "confidence": 0.9} for _ in range(5)],
        },
        "scored": {"quality": 100 * rng.random(), "metrics": {"piqe": {"value": 9.0}}},
        "curated": {"policy_hash": "0" * 64, "reasons": [], "duplicate_of": None},
    }  # fmt: skip


def _jpegs(kb: int) -> list[bytes]:
    """Eight pictures of about that size."""
    rng, pictures = random.Random(5), []
    for _ in range(8):
        side = int((kb * 1000 * 1.35) ** 0.5)
        noise = Image.frombytes("L", (side, side), rng.randbytes(side * side)).convert("RGB")
        buffer = io.BytesIO()
        noise.save(buffer, "JPEG", quality=80)
        pictures.append(buffer.getvalue())
    return pictures


def _with_exif(data: bytes, number: int) -> bytes:
    exif = b"Exif\0\0" + f"picture {number}".encode()
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + data[2:]


def _begin(platform: Platform, options: Options) -> None:
    begin(
        platform.store, platform.objects, platform.tenant(SLUG), options.formats[0], options,
        who="bench", clock=time.time,
    )  # fmt: skip


def _write(platform: Platform, options: Options) -> None:
    (release,) = platform.store.open_releases()
    Writer(store=platform.store, objects=platform.objects, clock=time.time).write(release)


def _tar(folder: Path, to: Path) -> None:
    with tarfile.open(to, "w") as tar:
        for path in sorted(folder.iterdir()):
            tar.add(path, path.name)
    handle = os.open(to, os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)


def _timed(work: Callable[[], None]) -> tuple[float, float]:
    """Seconds, and seconds of the processor."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def show(images: int, kb: int, loaders: str) -> None:
    """Killed in the middle, resumed, read back, loaded, and made again on another home."""
    options = Options(formats=FORMATS, split=(("train", 0.8), ("val", 0.1), ("test", 0.1)))
    sums = []
    for seed in (1, 2):
        with tempfile.TemporaryDirectory() as folder:
            platform = filled(Path(folder) / "home", images, kb, seed)
            release = begin(
                platform.store, platform.objects, platform.tenant(SLUG), "shown", options,
                who="bench", clock=time.time,
            ).release  # fmt: skip
            command = [sys.executable, "-m", "parjanya_dagster.cli", "release", "resume", "shown",
                       "--tenant", SLUG, "--home", str(platform.settings.home)]  # fmt: skip
            if seed == 1:
                _killed(command)
            started = time.perf_counter()
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            last = done.stderr.splitlines()[-1]
            print(f"home {seed}: {last}; {time.perf_counter() - started:.1f} s")
            complete = platform.store.find_release(SLUG, "shown", 1)
            assert complete is not None
            found = verify(platform.objects, SLUG, complete)
            print(f"  {complete.release_id}: {found.files} files, {complete.size / 1e6:.0f} MB, "
                  f"{len(found.wrong)} wrong")  # fmt: skip
            sums.append((release.release_id, complete.sums))
            if seed == 1 and loaders:
                _load(loaders, platform.settings.home / "buckets" / SLUG / root_of(release))
            platform.store.close()
    print("the same id and the same bytes" if sums[0] == sums[1] else "NOT THE SAME")


def _load(python: str, folder: Path) -> None:
    """What each library finds in a release. It must be every image."""
    program = Path(__file__).parents[1] / "tests" / "support" / "load_release.py"
    for library in ("pandas", "duckdb", "datasets", "imagefolder", "webdataset", "mlcroissant"):
        started = time.perf_counter()
        with tempfile.TemporaryDirectory() as cache:
            done = subprocess.run(
                [python, str(program), library, str(folder)],
                env={**os.environ, "HF_HOME": cache, "HF_HUB_OFFLINE": "1", "HOME": cache},
                cwd=cache, capture_output=True, text=True, check=False,
            )  # fmt: skip
        said = (done.stdout or done.stderr).splitlines()[-1:] or ["nothing"]
        print(f"  {library}: {said[0][:200]}; {time.perf_counter() - started:.1f} s", flush=True)


def _killed(command: list[str]) -> None:
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    ) as p:
        assert p.stderr is not None
        for line in p.stderr:
            done, _, rest = line.partition(" of ")
            if done.isdigit() and int(done) * 2 >= int(rest.split()[0]):
                p.send_signal(signal.SIGKILL)
                print(f"killed (-9) after: {line.strip()}")
                break


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--images", type=int, default=IMAGES)
    parser.add_argument("--kb", type=int, default=KB)
    parser.add_argument("--show", action="store_true")
    parser.add_argument("--loaders", default="", help="an interpreter that has the libraries")
    given = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    if given.show:
        show(given.images, given.kb, given.loaders)
        return
    for figure, value in measurements(given.images, given.kb):
        print(f"{figure:<40} {value:10.3f}")


if __name__ == "__main__":
    main()
