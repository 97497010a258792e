"""`python -m gpu_ops describe FILE…` prints the evidence of images as JSON, one per line."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from gpu_ops import engines

if TYPE_CHECKING:
    from gpu_ops.interface import Image

PREVIEW_SIDE = 1024


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m gpu_ops", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    describe = commands.add_parser("describe", help="print the evidence of images as JSON lines")
    describe.add_argument("files", nargs="+", type=Path, metavar="FILE")
    describe.add_argument("--enricher", default="embedded", choices=engines.NAMES["enricher"])
    describe.add_argument("--scorer", default="embedded", choices=engines.NAMES["scorer"])
    options = parser.parse_args(arguments)

    enricher, scorer = engines.enricher(options.enricher), engines.scorer(options.scorer)
    images, files, unreadable = [], [], 0
    for file in options.files:
        try:
            images.append(preview(file))
            files.append(file)
        except OSError as error:
            unreadable += 1
            print(f"{file}: {error}", file=sys.stderr)
    for file, enriched, scored in zip(
        files, enricher.describe(images), scorer.score(images), strict=True
    ):
        print(json.dumps({"file": str(file), "enriched": enriched, "scored": scored}))
    return 1 if unreadable else 0


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
