"""Proves that an image has what its side needs: `python build_check.py cpu|gpu [--model FOLDER]`.

Runs inside the image, as its user, while it is built, and ends with 1 where something is missing.
It looks at what is there: imports, versions against the pins, files of our packages, one image
through the decoder, and what Dagster loads. With a model it reads the folder as the engine would.
"""

from __future__ import annotations

import argparse
import importlib
import io
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

HERE = Path(__file__).resolve().parent
MODULES = {
    "cpu": ("dagster_webserver", "dagster_k8s", "dagster_aws.ecs", "dagster_postgres", "boto3",
            "pyvips", "pillow_heif", "rawpy", "fastapi", "prometheus_client",
            "opentelemetry.exporter.otlp.proto.http.trace_exporter"),
    "gpu": ("torch", "torchvision", "transformers", "llguidance", "pyiqa", "rapidocr_onnxruntime",
            "dagster_k8s", "dagster_aws.ecs", "dagster_postgres", "pyvips",
            "opentelemetry.exporter.otlp.proto.http.trace_exporter"),
}  # fmt: skip
FILES = (
    "parjanya_dagster/policy/published/*.yaml",
    "parjanya_dagster/truth/sql/migrations/versions/*.py",
    "gpu_ops/embedded/weights/*",
    "gpu_ops/vlm/prompts/*",
)


def imports(side: str) -> Iterator[str]:
    if side == "gpu":  # as the engines do
        from gpu_ops import torchvision_cure

        torchvision_cure.cure()
    for name in MODULES[side]:
        try:
            importlib.import_module(name)
        except Exception as error:
            yield f"{name} cannot be imported: {type(error).__name__}: {error}"


def pins(side: str) -> Iterator[str]:
    """Every pinned package that is here is here in its pinned version; each asked for is here."""
    sys.path.insert(0, str(HERE))
    from requirements import name_of, requirements

    lines = (HERE / "constraints.txt").read_text().splitlines()
    pinned = {name_of(line): line.split("==")[1] for line in lines if "==" in line}
    # Of two the first is imported. setuptools, once it is, brings older ones of its own behind.
    found = [one for one in metadata.distributions() if one.name]
    here = {name_of(one.name): one.version for one in reversed(found)}
    for requirement in requirements(side, (HERE / "pyproject.toml").read_text()):
        if name_of(requirement) not in here:
            yield f"{requirement} is not installed"
    for name, version in sorted(here.items()):
        wanted = pinned.get(name)
        if wanted is not None and version.partition("+")[0] != wanted:
            yield f"{name} is {version}, its pin is {wanted}"


def files(side: str) -> Iterator[str]:
    root = Path(importlib.import_module("parjanya_dagster").__file__ or "").parents[1]
    for pattern in FILES:
        if not any(path.suffix != ".pyc" for path in root.glob(pattern)):
            yield f"no {pattern} was installed"


def decoding(side: str) -> Iterator[str]:
    """One image of each kind of decoder through validation, as the cpu lane does it."""
    import pillow_heif
    from PIL import Image

    from parjanya_dagster.media.validation import validate

    pillow_heif.register_heif_opener()
    picture = Image.effect_noise((320, 240), 40).convert("RGB")
    for kind in ("JPEG", "PNG", "WEBP", "TIFF", "HEIF"):
        buffer = io.BytesIO()
        picture.save(buffer, kind)
        try:
            validate(buffer.getvalue())
        except Exception as error:
            yield f"a {kind} picture is not decoded: {type(error).__name__}: {error}"


def definitions(side: str) -> Iterator[str]:
    """What the code location loads, on each platform."""
    for launcher in ("kubernetes", "ecs"):
        with tempfile.TemporaryDirectory() as home:
            environment = {
                **os.environ,
                "PARJANYA_HOME": home,
                "PARJANYA_LANES__LAYOUT": "split",
                "PARJANYA_LANES__LAUNCHER": launcher,
                # Nobody asks them while definitions load.
                "PARJANYA_TRUTH__URL": "postgresql://nobody@127.0.0.1:1/none",
                "PARJANYA_OBJECTS__URL": "s3://",
                "PARJANYA_ENGINES__ENRICHER": "transformers",
                "PARJANYA_VLM__MODEL": "/models/none",
                "PARJANYA_LANES__GPU__CAPACITY_PROVIDER": "gpu",
            }
            done = subprocess.run(
                [sys.executable, "-c", "import parjanya_dagster.definitions"],
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
        if done.returncode:
            yield f"the definitions do not load for {launcher}: {done.stderr.strip()[-300:]}"


def user(side: str) -> Iterator[str]:
    if os.geteuid() == 0:
        yield "it runs as root"


def model(folder: Path) -> Iterator[str]:
    """Weights against their index, tokenizer, processor, and the code that both ask for."""
    from gpu_ops.preflight.folder import checks

    for check in checks(folder):
        if not check.ok:
            yield f"{folder}: {check.name}: {check.detail}"


CHECKS: tuple[Callable[[str], Iterator[str]], ...] = (
    user, pins, imports, files, decoding, definitions,
)  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("side", choices=sorted(MODULES))
    parser.add_argument("--model", type=Path, help="A folder that must be a whole model.")
    parser.add_argument("--as-root", action="store_true", help="Outside an image: root is fine.")
    said = parser.parse_args()
    problems = [
        problem
        for check in CHECKS
        if not (said.as_root and check is user)
        for problem in check(said.side)
    ]
    if said.model is not None:
        problems += model(said.model)
    for problem in problems:
        print(f"missing: {problem}", file=sys.stderr)
    if not problems:
        print(f"The {said.side} side has what it needs.")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
