"""Does the evidence hang on the processor? The same pixels, measured under other kernels.

    python -m tools.kernels [--only NAME]

Numerical libraries choose their kernels by the processor. Environment variables make them choose
otherwise, but only where a library is loaded. So each choice runs in a process of its own, on
pixels that were made once. The table says how far each number of the evidence moved from what the
machine's own choice gives. ONNX Runtime has no such variable: its kernels are not compared.

A processor of another maker rounds in ways that no variable brings about here. The last variant
stands for it: every filter and transform answers with its last bits changed at random.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

OWN = "the machine's own"
FOREIGN = "other last bits"
Numbers = dict[str, Any]  # path of a number, such as "scored.metrics.niqe.value" -> value
Found = dict[str, Numbers]  # by image


def variants() -> dict[str, dict[str, str]]:
    """Name -> environment. One choice of one library each, and at last the plainest of all."""
    from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__

    numpy_kernels = " ".join(f for f in __cpu_dispatch__ if __cpu_features__.get(f))
    plain = {
        "OPENBLAS_CORETYPE": "Prescott",
        "NPY_DISABLE_CPU_FEATURES": numpy_kernels,
        "ATEN_CPU_CAPABILITY": "default",
        "MKL_CBWR": "COMPATIBLE",
        "DNNL_MAX_CPU_ISA": "SSE41",
        "OPENCV_CPU_DISABLE": "SSE4_1,SSE4_2,AVX,AVX2",
        "OPENCV_IPP": "disabled",
        "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-FMA4,-AVX",
        "JSIMD_FORCENONE": "1",
        "VIPS_NOVECTOR": "1",
    }
    threads = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "VIPS_CONCURRENCY")
    found = {OWN: {}, "1 thread": dict.fromkeys((*threads, "OPENCV_FOR_THREADS_NUM"), "1")}
    found["2 threads"] = dict.fromkeys((*threads, "OPENCV_FOR_THREADS_NUM"), "2")
    for core in ("Nehalem", "Haswell", "Zen", "SkylakeX"):
        found[f"OpenBLAS {core}"] = {"OPENBLAS_CORETYPE": core}
    for capability in ("avx2", "avx512"):
        found[f"torch {capability}"] = {"ATEN_CPU_CAPABILITY": capability}
    for branch in ("SSE4_2", "AVX2", "AVX512"):
        found[f"MKL {branch}"] = {"MKL_CBWR": branch}
    found |= {f"{name}={value}": {name: value} for name, value in plain.items()}
    return found | {"all of the plainest": plain, FOREIGN: {}}


def pictures() -> dict[str, np.ndarray]:
    """Photographs of scikit-image, whole, blurred and badly packed; and drawings full of ties."""
    from skimage import data

    found = {}
    for name in ("coffee", "astronaut", "chelsea", "rocket"):
        photograph = Image.fromarray(np.ascontiguousarray(getattr(data, name)()[..., :3]))
        found[name] = photograph
        found[f"{name} blurred"] = photograph.filter(ImageFilter.GaussianBlur(2))
        packed = io.BytesIO()
        photograph.save(packed, "JPEG", quality=15)
        found[f"{name} packed"] = Image.open(packed)
        found[f"{name} grey"] = photograph.convert("L").convert("RGB")
    return {name: np.asarray(image) for name, image in (found | drawings()).items()}


def drawings() -> dict[str, Image.Image]:
    """Exact flatness, exact symmetry, and greys that lie between two levels after scaling."""
    flat = Image.new("RGB", (480, 360), "#336699")
    page = Image.new("RGB", (800, 600), (254, 254, 254))
    draw = ImageDraw.Draw(page)
    for line in range(12):
        draw.text((60, 40 + 44 * line), "Rain gauges of the valley", "#7f7f7f", font_size=28)
    card = Image.new("RGB", (640, 640), "#eeeeee")
    draw = ImageDraw.Draw(card)
    for inset in range(40, 320, 40):
        shade = 254 - inset // 2
        draw.rectangle((inset, inset, 639 - inset, 639 - inset), (shade, shade, shade))
    halves = Image.new("RGB", (512, 384), "#808080")
    halves.paste("#8c8c8c", (256, 0, 512, 384))
    ramp = Image.linear_gradient("L").resize((512, 512)).convert("RGB")
    grain = np.random.default_rng(7).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    return {
        "flat": flat,
        "page": page,
        "card": card,
        "halves": halves,
        "ramp": ramp,
        "grain": Image.fromarray(grain),
    }


def measured(image: np.ndarray) -> Numbers:
    """All evidence of one image, by path."""
    from gpu_ops import engines
    from gpu_ops.embedded import tags
    from parjanya_dagster.media import validate

    tagging = importlib.util.find_spec(tags.PACKAGE) is not None
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    body = {
        "validated": validate(file.getvalue()).body,
        "enriched": engines.enricher("embedded-tags" if tagging else "embedded").describe([image]),
        "scored": engines.scorer("embedded-full").score([image]),
    }
    return dict(flat(body))


def change_last_bits(seed: int = 0) -> None:
    """Make filters and transforms of this process round otherwise, by up to two last bits."""
    import cv2
    import scipy.fft

    random = np.random.default_rng(seed)

    def changed(function: Any) -> Any:
        def call(*arguments: Any, **options: Any) -> Any:
            answer = function(*arguments, **options)
            noise = random.uniform(-2, 2, answer.shape)
            return answer * (1 + noise * np.finfo(answer.dtype).eps)

        return call

    scipy.fft.dct = changed(scipy.fft.dct)
    cv2.sepFilter2D = changed(cv2.sepFilter2D)


def flat(body: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """(path, value) of every leaf. Items of a list share their path but for a number."""
    if isinstance(body, Mapping):
        for key, value in body.items():
            yield from flat(value, f"{path}.{key}" if path else key)
    elif isinstance(body, list | tuple):
        for number, value in enumerate(body):
            yield from flat(value, f"{path}#{number}")
    else:
        yield path, body


@dataclass
class Move:
    """How far one number of the evidence moved, over all images and variants."""

    images: set[str] = field(default_factory=set)  # on which it moved
    largest: float = 0.0
    otherwise: int = 0  # how often a value that is no number, or its presence, changed
    under: str = ""  # the variant of the largest difference


def moves(own: Found, others: Mapping[str, Found]) -> dict[str, Move]:
    """Path without the numbers of items -> how it moved. Every path that was measured is there."""
    result: dict[str, Move] = {}
    for image, numbers in own.items():
        for variant, found in others.items():
            for path in numbers.keys() | found[image].keys():
                move = result.setdefault(re.sub(r"#\d+", "", path), Move())
                one, other = numbers.get(path), found[image].get(path)
                if one == other:
                    continue
                move.images.add(image)
                if not (_number(one) and _number(other)):
                    move.otherwise += 1
                    move.under = move.under or variant
                elif abs(one - other) > move.largest:
                    move.largest, move.under = abs(one - other), variant
    return result


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def table(found: Mapping[str, Move], images: int) -> str:
    """Markdown: a row for each number that moved, and how many did not."""
    rows = [
        "| number | largest difference | other changes | images | under |",
        "|---|---|---|---|---|",
    ]
    for path, move in sorted(found.items()):
        if move.images:
            rows.append(
                f"| `{path}` | {move.largest:.2g} | {move.otherwise or ''} "
                f"| {len(move.images)} of {images} | {move.under} |"
            )
    still = sum(not move.images for move in found.values())
    return "\n".join([*rows, "", f"{still} of {len(found)} numbers moved nowhere."])


def run(pixels: Path, environment: Mapping[str, str], foreign: bool) -> Found | str:
    """Measure in a process of its own. A text where it cannot run: the processor lacks it."""
    command = [sys.executable, "-m", "tools.kernels", "--measure", str(pixels)]
    command += ["--foreign"] if foreign else []
    done = subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or [f"signal {-done.returncode}"]
        return last[0][:120]
    found: Found = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--foreign", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--only", action="append", help="variants to compare, by name")
    options = parser.parse_args()
    if options.foreign:
        change_last_bits()
    if options.measure:
        with np.load(options.measure) as arrays:
            print(json.dumps({name: measured(arrays[name]) for name in arrays.files}))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        pixels = Path(folder) / "pixels.npz"
        images = pictures()
        np.savez(pixels, **images)
        found: dict[str, Found] = {}
        for name, environment in variants().items():
            if name != OWN and options.only and name not in options.only:
                continue
            answer = run(pixels, environment, name == FOREIGN)
            print(f"{name}: {answer if isinstance(answer, str) else 'measured'}", file=sys.stderr)
            if not isinstance(answer, str):
                found[name] = answer
    own = found.pop(OWN)
    print(f"{platform.machine()}, {_processor()}; {len(images)} images; {len(found)} variants\n")
    print(table(moves(own, found), len(images)))
    return 0


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


if __name__ == "__main__":
    sys.exit(main())
