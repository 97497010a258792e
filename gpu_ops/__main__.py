"""The engines without the platform.

`python -m gpu_ops describe FILE…` prints the evidence of images as JSON, one per line.
`python -m gpu_ops calibrate --model PATH FOLDER` fits a temperature on FOLDER/LABEL/IMAGE.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpu_ops import engines
from gpu_ops.endpoint.options import Options as EndpointOptions
from gpu_ops.interface import SomeFailed
from gpu_ops.iqa.options import Options as IqaOptions
from gpu_ops.vlm.options import Options
from gpu_ops.weight_folder import BadWeights

if TYPE_CHECKING:
    from gpu_ops.interface import Enricher, Image

PREVIEW_SIDE = 1024


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m gpu_ops", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    describe = commands.add_parser("describe", help="print the evidence of images as JSON lines")
    describe.add_argument("files", nargs="+", type=Path, metavar="FILE")
    describe.add_argument(
        "--engine", "--enricher", default="embedded", choices=engines.NAMES["enricher"]
    )
    describe.add_argument("--scorer", default="embedded", choices=engines.NAMES["scorer"])
    describe.add_argument("--category-only", action="store_true", help="ask for no description")
    describe.add_argument("--calibration", default="", help="a file that `calibrate` wrote")
    calibrate = commands.add_parser("calibrate", help="fit a temperature, print it as JSON")
    calibrate.add_argument("folder", type=Path, help="holds a folder of images per label")
    calibrate.set_defaults(calibration="")  # a fit starts from none
    calibrate.add_argument("--engine", default="transformers", choices=("transformers", "openai"))
    for command in (describe, calibrate):
        endpoint = command.add_argument_group("the engine `openai`; its key is OPENAI_API_KEY")
        endpoint.add_argument(
            "--endpoint", default="", help="URL of the server, up to and with /v1"
        )
        model = command.add_argument_group("the engines `transformers` and `openai`")
        model.add_argument("--model", default="", help="a folder, or an id in the local cache")
        model.add_argument("--revision", default="", help="branch, tag or commit of an id")
        model.add_argument("--prompt", default=Options.prompt)
        model.add_argument("--prompts", default="", help="a folder of prompts of your own")
        model.add_argument("--visual-tokens", type=int, default=Options.visual_tokens)
        model.add_argument("--device", default=Options.device)
        model.add_argument(
            "--answer-mass",
            type=float,
            default=Options.answer_mass,
            help="least probability of an answer that is a kind at all; less is unknown",
        )
    iqa = describe.add_argument_group("the scorer `pyiqa`")
    iqa.add_argument("--weights", default="", help="a folder of weights and their SHA256SUMS")
    iqa.add_argument("--metrics", default="", help="comma-separated, such as topiq_nr,musiq")
    options = parser.parse_args(arguments)
    try:
        return _describe(options) if options.command == "describe" else _calibrate(options)
    except (OSError, ValueError, BadWeights) as error:
        print(error, file=sys.stderr)
        return 2


def _describe(options: argparse.Namespace) -> int:
    chosen: Options | EndpointOptions | None = None
    if options.engine == "transformers":
        chosen = _model(options)
    elif options.engine == "openai":
        chosen = _served(options)
    enricher = engines.enricher(options.engine, chosen)
    metrics = tuple(filter(None, options.metrics.split(",")))
    pyiqa = options.scorer == "pyiqa"
    iqa = IqaOptions(options.weights, metrics, options.device) if pyiqa else None
    scorer = engines.scorer(options.scorer, iqa)
    images, files, failed = _images(options.files)
    for file, enriched, scored in zip(
        files, _bodies(enricher, images), scorer.score(images), strict=True
    ):
        if isinstance(enriched, Exception):
            failed += 1
            print(f"{file}: {enriched}", file=sys.stderr)
        else:
            print(json.dumps({"file": str(file), "enriched": enriched, "scored": scored}))
    return 1 if failed else 0


def _calibrate(options: argparse.Namespace) -> int:
    from gpu_ops.endpoint.enricher import EndpointEnricher, from_options
    from gpu_ops.vlm import calibration, prompts
    from gpu_ops.vlm.enricher import TransformersEnricher

    labels = prompts.load(options.prompt, options.prompts).labels
    labelled = [
        (file, folder.name)
        for folder in sorted(options.folder.iterdir())
        if folder.name in labels
        for file in sorted(folder.iterdir())
    ]
    images, files, failed = _images([file for file, _ in labelled])
    if not images:
        raise ValueError(f"{options.folder} holds no images in folders named {', '.join(labels)}")
    truth = dict(labelled)
    engine: TransformersEnricher | EndpointEnricher
    if options.engine == "openai":
        engine = from_options(_served(options))
    else:
        engine = TransformersEnricher(_model(options))
    asked = engine.by_order(images)
    examples = [
        (engine.pooled(answers), truth[file]) for file, answers in zip(files, asked, strict=True)
    ]
    fitted = calibration.fit(examples, **engine.calibrated_for())
    print(json.dumps({**fitted, "label_order": calibration.label_order(asked)}, indent=1))
    return 1 if failed else 0


def _model(options: argparse.Namespace) -> Options:
    return Options(
        model=options.model,
        revision=options.revision,
        prompt=options.prompt,
        describe=options.command == "describe" and not options.category_only,
        visual_tokens=options.visual_tokens,
        device=options.device,
        calibration=options.calibration,
        answer_mass=options.answer_mass,
        prompts=options.prompts,
    )


def _served(options: argparse.Namespace) -> EndpointOptions:
    return EndpointOptions(
        options.endpoint,
        options.model,
        options.revision,
        options.prompt,
        options.command == "calibrate" or not options.category_only,
        os.environ.get("OPENAI_API_KEY", ""),
        answer_mass=options.answer_mass,
        calibration=options.calibration,
        visual_tokens=options.visual_tokens,
        prompts=options.prompts,
    )


def _bodies(enricher: Enricher, images: Sequence[Image]) -> list[Any]:
    """An evidence body or an error for each image."""
    try:
        return list(enricher.describe(images))
    except SomeFailed as failed:
        return [failed.errors.get(i, body) for i, body in enumerate(failed.bodies)]


def _images(files: Sequence[Path]) -> tuple[list[Image], list[Path], int]:
    """The images that can be read, their files, and how many cannot."""
    images, readable = [], []
    for file in files:
        try:
            images.append(preview(file))
            readable.append(file)
        except OSError as error:
            print(f"{file}: {error}", file=sys.stderr)
    return images, readable, len(files) - len(readable)


def preview(file: Path) -> Image:
    """Decode upright to RGB, long side at most `PREVIEW_SIDE`. A convenience of this command:
    the platform's own previews come from its media package, with colour managed."""
    import numpy as np
    from PIL import Image as Pillow
    from PIL import ImageOps

    with Pillow.open(file) as opened:
        picture = ImageOps.exif_transpose(opened).convert("RGB")
    picture.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE), Pillow.Resampling.LANCZOS)
    return np.asarray(picture)


if __name__ == "__main__":
    sys.exit(main())
