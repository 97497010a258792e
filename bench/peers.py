"""What peers cost on the same files: CleanVision and imagehash beside `validated`, in one run.

    python -m venv PEERS && PEERS/bin/pip install cleanvision imagehash
    python -m bench.peers --python PEERS/bin/python [--count 48] [FILES ...]

Processor time and time on the clock per image, on one core, libraries loaded; the median of rounds
in turn. Without FILES, photographs of 12 megapixels are made. Peers have an environment of their
own, in which this file runs as a program: it imports nothing of ours before it must.

They do not do the same. imagehash makes one perceptual hash. CleanVision looks for seven kinds of
faults and for duplicates, and writes nothing. `validated` decodes strictly, names damage, converts
colours, measures, makes the hashes of near duplicates, a preview and a thumbnail.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

PEERS = ("imagehash", "cleanvision")
ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL", "NUMEXPR")}


def imagehash_all(files: list[str]) -> None:
    import imagehash
    from PIL import Image

    for file in files:
        with Image.open(file) as image:
            imagehash.phash(image)


def cleanvision_all(files: list[str]) -> None:
    from cleanvision import Imagelab

    with open(os.devnull, "w") as nowhere:
        told, sys.stdout = sys.stdout, nowhere
        try:
            Imagelab(filepaths=files).find_issues(n_jobs=1, verbose=False)
        finally:
            sys.stdout = told


def ours_all(files: list[str]) -> None:
    from parjanya_dagster.media import validate

    for file in files:
        validate(Path(file).read_bytes(), coordinates=True)


WORK: dict[str, Callable[[list[str]], None]] = {
    "imagehash": imagehash_all,
    "cleanvision": cleanvision_all,
    "validated": ours_all,
}


def spent(what: str, files: list[str]) -> tuple[float, float]:
    """Seconds of (processor, clock) per image, once a first image has loaded the libraries."""
    WORK[what](files[:1])
    began, before = time.perf_counter(), _processor()
    WORK[what](files)
    return (_processor() - before) / len(files), (time.perf_counter() - began) / len(files)


def _processor() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def asked(python: str, what: str, files: list[str]) -> tuple[float, float]:
    """`spent`, in a process of its own."""
    command = [python, "-m", "bench.peers"] if python == sys.executable else [python, __file__]
    done = subprocess.run(
        [*command, "--spend", what, *files],
        check=True,
        stdout=subprocess.PIPE,
        env={**os.environ, **ONE_THREAD},
    )
    processor, clock = json.load(io.BytesIO(done.stdout))
    return processor, clock


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", help="of an environment with cleanvision and imagehash")
    parser.add_argument("--count", type=int, default=48, help="photographs that are made")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--spend", choices=WORK, help=argparse.SUPPRESS)
    parser.add_argument("files", nargs="*", help="images; without any, photographs are made")
    options = parser.parse_args()
    if options.spend:
        print(json.dumps(spent(options.spend, options.files)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        files = options.files
        if not files:
            from bench.stages import camera_files

            files = [str(path) for path in camera_files(Path(folder), options.count)]
        pythons = {"validated": sys.executable, **dict.fromkeys(PEERS, options.python)}
        figures: dict[str, list[tuple[float, float]]] = {}
        for _ in range(options.rounds):
            for what, python in pythons.items():
                if python:
                    figures.setdefault(what, []).append(asked(python, what, files))
    print(f"{len(files)} images, median of {options.rounds} rounds, ms per image")
    print("| | processor | clock |\n|---|---|---|")
    for what, rounds in figures.items():
        middle = [1000 * statistics.median(each) for each in zip(*rounds, strict=True)]
        print(f"| {what} | {middle[0]:.1f} | {middle[1]:.1f} |")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
