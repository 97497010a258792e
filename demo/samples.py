"""Assemble the sample set: `python -m demo.samples DIR`.

Writes `DIR/acme/…`, `DIR/globex/…` and `DIR/expected.json`: for every file what it is, where it
comes from, under which licence, and what it must become, as far as that is certain. Files are
listed in the order in which they should arrive: a duplicate comes after its original.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image

from demo import variants
from demo.broken import flaws
from demo.drawings import drawings
from demo.photographs import Photograph, debian_photographs, packaged_photographs
from demo.typesetting import rendered_pages

TENANTS = ("acme", "globex")
_OWN = "Apache-2.0 (rendered by the demo)"


@dataclass(frozen=True)
class Sample:
    """One file of the set. `path` is relative to the set and begins with the tenant."""

    path: str
    kind: str
    data: bytes
    source: str
    licence: str
    # `status`, and where certain: `category`, `failure_class`, the upright `width` and `height`,
    # `duplicate` (exact or near) with `duplicate_of`.
    expect: dict[str, Any] = field(default_factory=lambda: {"status": "curated"})


@dataclass(frozen=True)
class _Made:
    """A file derived from one photograph."""

    kind: str
    suffix: str
    make: Callable[[Image.Image], bytes]


# Names as people give them: spaces, umlauts, plus signs and brackets must survive the journey.
_RENAMED = {
    "china": "Peking, Sommerpalast (2)",
    "flower": "Blüte & Blatt",
    "hopper": "portrait+hopper",
    "kiwi": "キウイ",
}

# One derived file per packaged photograph. It goes to the other tenant, where it has no twin.
_DERIVED = (
    *(_Made(f"{name} photograph", ".jpg", make) for name, make in variants.WORSE.items()),
    *(
        _Made(f"EXIF orientation {n}", ".jpg", partial(variants.rotated, orientation=n))
        for n in range(2, 9)
    ),
    _Made("HEIC", ".heic", variants.heic),
    _Made("DNG without preview", ".dng", variants.dng),
    _Made("AVIF", ".avif", lambda im: variants.encoded(im, "AVIF", quality=80)),
    _Made("16-bit TIFF", ".tif", lambda im: variants.sixteen_bit(im, "TIFF")),
    _Made("16-bit PNG", ".png", lambda im: variants.sixteen_bit(im, "PNG")),
    _Made("CMYK JPEG", ".jpg", lambda im: variants.encoded(im.convert("CMYK"), "JPEG", quality=92)),
    _Made("animated GIF", ".gif", variants.animated),
    _Made("WebP", ".webp", lambda im: variants.encoded(im, "WEBP", quality=88)),
    _Made("BMP", ".bmp", lambda im: variants.encoded(im, "BMP")),
)  # fmt: skip

_TWICE = ("astronaut", "abbey", "poster-jazz", "chat-dark")
_NEARLY = ("astronaut", "china", "rocket", "abbey")


def assemble(seed: int = 7, debian_cache: Path | None = None) -> Iterator[Sample]:
    """Every sample, originals before their duplicates.

    With `debian_cache`, photographs of Debian packages are added where apt can give them.
    """
    photographs = packaged_photographs()
    originals: dict[str, Sample] = {}
    for sample in _originals(photographs, seed):
        originals[Path(sample.path).stem] = sample
        yield sample
    for photograph, made in zip(photographs, _DERIVED, strict=True):
        yield _derived(photograph, made, originals[_file_name(photograph)])
    for name in _TWICE:
        yield _again(originals[_RENAMED.get(name, name)])
    for name in _NEARLY:
        yield from _nearly(originals[_RENAMED.get(name, name)])
    yield from _broken(originals)
    if debian_cache is not None:
        for i, photograph in enumerate(debian_photographs(debian_cache)):
            yield _photograph(photograph, TENANTS[i % 2], "camera")


def _originals(photographs: Sequence[Photograph], seed: int) -> Iterator[Sample]:
    for i, photograph in enumerate(photographs):
        yield _photograph(photograph, TENANTS[i % 2], "photos")
    by_name = {photograph.name: photograph for photograph in photographs}
    with tempfile.TemporaryDirectory() as work:
        for page in rendered_pages(by_name, Path(work), seed):
            yield _own(f"{page.tenant}/pages/{page.name}.png", page.kind, page.data, "demo/pages")
    for drawing in drawings(seed):
        path = f"{drawing.tenant}/artwork/{drawing.name}.png"
        yield _own(path, "illustration", drawing.data, "demo/drawings.py")


def _file_name(photograph: Photograph) -> str:
    return _RENAMED.get(photograph.name, photograph.name)


def _photograph(photograph: Photograph, tenant: str, folder: str) -> Sample:
    path = f"{tenant}/{folder}/{_file_name(photograph)}{photograph.suffix}"
    return Sample(path, "photo", photograph.data, photograph.source, photograph.licence,
                  {"status": "curated", "category": "photo"})  # fmt: skip


def _own(path: str, category: str, data: bytes, source: str) -> Sample:
    return Sample(path, category, data, source, _OWN, {"status": "curated", "category": category})


def _derived(photograph: Photograph, made: _Made, original: Sample) -> Sample:
    tenant = TENANTS[1 - TENANTS.index(original.path.split("/")[0])]
    image = variants.opened(photograph.data)
    slug = made.kind.lower().replace(" ", "-")
    expect: dict[str, Any] = {"status": "curated"}
    if made.kind.startswith("EXIF"):
        expect |= {"width": image.width, "height": image.height}
    return Sample(f"{tenant}/mixed/{photograph.name}-{slug}{made.suffix}", made.kind,
                  made.make(image), f"made from {original.path}", original.licence,
                  expect)  # fmt: skip


def _again(original: Sample) -> Sample:
    path = Path(original.path)
    copy = f"{path.parts[0]}/inbox/Copy of {path.name}"
    return Sample(copy, "exact duplicate", original.data, f"copy of {original.path}",
                  original.licence, _twin(original, "exact"))  # fmt: skip


def _nearly(original: Sample) -> Iterator[Sample]:
    image = variants.opened(original.data)
    path = Path(original.path)
    for change, make in variants.NEAR.items():
        yield Sample(f"{path.parts[0]}/inbox/{path.stem}-{change}.jpg", f"near duplicate, {change}",
                     make(image), f"made from {original.path}", original.licence,
                     _twin(original, "near"))  # fmt: skip


def _twin(original: Sample, how: str) -> dict[str, Any]:
    return {"status": "curated", "duplicate": how, "duplicate_of": original.path}


def _broken(originals: dict[str, Sample]) -> Iterator[Sample]:
    jpeg, png = originals["mug"], originals["chelsea"]
    # A PNG that the tenant has under no other name, so that it is valid and nobody's duplicate.
    other = variants.encoded(
        variants.opened(originals["rocket"].data).crop((300, 60, 620, 420)), "PNG"
    )
    for i, flaw in enumerate(flaws(jpeg.data, png.data, other)):
        expect: dict[str, Any] = {"status": "curated"}
        if flaw.failure_class is not None:
            expect = {"status": "failed", "failure_class": flaw.failure_class}
        path = f"{TENANTS[i % 2]}/inbox/{flaw.name}"
        yield Sample(path, flaw.kind, flaw.data, "demo/broken.py", _OWN, expect)


def write(samples: Iterator[Sample], folder: Path) -> list[Sample]:
    """Write the samples and `expected.json` under `folder` and return them.

    A set that is already there is replaced. Raises FileExistsError when the folder holds anything
    else, so that a mistyped path loses nothing.
    """
    if folder.is_dir() and any(folder.iterdir()):
        if not (folder / "expected.json").is_file():
            raise FileExistsError(
                f"{folder} is not empty and holds no sample set: name an empty or a new folder"
            )
        for tenant in TENANTS:
            shutil.rmtree(folder / tenant, ignore_errors=True)
    written = []
    for sample in samples:
        path = folder / sample.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(sample.data)
        written.append(sample)
    entries = [{k: v for k, v in asdict(s).items() if k != "data"} for s in written]
    (folder / "expected.json").write_text(json.dumps(entries, indent=1, ensure_ascii=False))
    return written


def main(argv: Sequence[str] | None = None) -> int:
    """Assemble the set named on the command line and say what it holds."""
    parser = argparse.ArgumentParser(prog="python -m demo.samples", description=__doc__)
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument(
        "--no-debian", action="store_true", help="only what Python packages ship; fetch nothing"
    )
    parser.add_argument(
        "--cache", type=Path, default=Path.home() / ".cache" / "parjanya" / "debian",
        help="where photographs of Debian packages are kept (default: %(default)s)",
    )  # fmt: skip
    options = parser.parse_args(argv)
    cache = None if options.no_debian else options.cache
    try:
        written = write(assemble(options.seed, cache), options.folder)
    except (FileExistsError, FileNotFoundError, ModuleNotFoundError) as error:
        print(f"demo.samples: {error}", file=sys.stderr)
        return 2
    for tenant in TENANTS:
        kinds = Counter(s.kind for s in written if s.path.startswith(f"{tenant}/"))
        listing = ", ".join(f"{n} {kind}" for kind, n in kinds.most_common())
        print(f"{tenant}: {kinds.total()} files ({listing})")
    size = sum(len(s.data) for s in written) / 1e6
    print(f"{len(written)} files, {size:.0f} MB, in {options.folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
