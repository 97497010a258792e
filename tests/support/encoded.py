"""One scene, encoded every way a file can: container, depth, profile, alpha, turn and curve.

Nothing here is the project's: samples are computed with NumPy from the standards' own formulas and
written by tifffile, Pillow, pillow-heif, libvips or by hand. What must come out is the scene.
"""

from __future__ import annotations

import io
import itertools
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pillow_heif
import tifffile
from PIL import Image, ImageCms

PROFILES = ("none", "srgb", "swapped", "linear")
ALPHAS = ("none", "opaque", "half")
TURNS = (1, 6)
CURVES = ("gamma 1.0", "gamma 1/1.8", "p3", "pq", "hlg", "linear")
# container: depths
CONTAINERS: dict[str, tuple[str, ...]] = {
    "jpeg": ("8",),
    "png": ("8", "16"),
    "webp": ("8",),
    "tiff": ("8", "16", "32", "float"),
    "avif": ("8", "10", "12"),
    "heic": ("8", "10"),
    "bmp": ("8",),
}


@dataclass(frozen=True, kw_only=True)
class Cell:
    container: str
    depth: str
    profile: str = "none"
    alpha: str = "none"
    turn: int = 1
    curve: str = "none"

    def __str__(self) -> str:
        return (
            f"{self.container} {self.depth} bits, profile {self.profile}, alpha {self.alpha}, "
            f"turn {self.turn}, curve {self.curve}"
        )


def cells() -> Iterator[Cell]:
    """Every combination that its container can hold and an encoder here can write."""
    for container, depths in CONTAINERS.items():
        for depth, profile, alpha, turn in itertools.product(depths, PROFILES, ALPHAS, TURNS):
            if _can_be_written(container, depth, profile, alpha, turn):
                yield Cell(
                    container=container, depth=depth, profile=profile, alpha=alpha, turn=turn
                )
    for container, depth in (("png", "8"), ("png", "16"), ("avif", "10"), ("heic", "10")):
        for curve, alpha in itertools.product(CURVES, ALPHAS):
            if curve.startswith("gamma") and container != "png":
                continue
            if container == "heic" and alpha != "none":
                continue
            if depth == "8" and curve in ("linear", "pq", "hlg", "gamma 1.0"):
                continue  # eight bits of light band, whoever reads them
            yield Cell(container=container, depth=depth, curve=curve, alpha=alpha)


def _can_be_written(container: str, depth: str, profile: str, alpha: str, turn: int) -> bool:
    if container == "jpeg":
        return alpha == "none"
    if container == "bmp":
        return profile == "none" and turn == 1 and alpha == "none"
    if container == "avif" and depth != "8":
        return turn == 1
    if container == "heic" and depth != "8":
        return turn == 1 and alpha == "none"
    # Eight bits of linear light band in the dark, whoever reads them.
    return not (profile == "linear" and depth == "8" and container in ("avif", "heic", "webp"))


def expected(scene: Image.Image, cell: Cell) -> np.ndarray:
    """What a person must see: the scene, over white where it is half transparent."""
    rgb = np.asarray(scene, np.float64)
    return rgb if cell.alpha != "half" else (rgb * 128 + 255 * 127) / 255


def encoded(scene: Image.Image, cell: Cell) -> bytes:
    stored = scene.transpose(Image.Transpose.ROTATE_90) if cell.turn == 6 else scene
    samples = _samples(np.asarray(stored, np.float64) / 255, cell)
    if cell.alpha != "none":
        level = 1.0 if cell.alpha == "opaque" else 128 / 255
        samples = np.dstack([samples, np.full(samples.shape[:2], level)])
    return WRITERS[cell.container](samples, cell)


def _samples(srgb: np.ndarray, cell: Cell) -> np.ndarray:
    """0 to 1, as the profile or the curve of the cell wants them."""
    light = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    if cell.depth == "float" and cell.profile == "none":
        return light  # floats of colours are light by convention
    match cell.profile:
        case "swapped":
            return srgb[..., ::-1]
        case "linear":
            return light
    match cell.curve:
        case "gamma 1.0" | "linear":
            return light
        case "gamma 1/1.8":
            return light ** (1 / 1.8)
        case "p3":
            return _srgb_curve(np.clip(light @ _SRGB_TO_P3.T, 0, 1))
        case "pq":
            return _pq(np.clip(light @ _SRGB_TO_2020.T, 0, None) * 203 / 10_000)
        case "hlg":
            return _hlg(np.clip(light @ _SRGB_TO_2020.T, 0, None) * 203 / 1000)
    return srgb


# ITU-R BT.2087 and the published matrix of Display P3.
_SRGB_TO_2020 = np.array(
    [[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]]
)
_SRGB_TO_P3 = np.array(
    [[0.822462, 0.177538, 0.0], [0.033194, 0.966806, 0.0], [0.017083, 0.072397, 0.910520]]
)


def _srgb_curve(light: np.ndarray) -> np.ndarray:
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)


def _pq(light: np.ndarray) -> np.ndarray:
    power = light**0.1593017578125
    return ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375


def _hlg(display: np.ndarray) -> np.ndarray:
    """BT.2100 backwards: light of a display of 1000 nits, to that of the scene, to samples."""
    luminance = display @ np.array([0.2627, 0.6780, 0.0593])
    scene = display * np.maximum(luminance, 1e-9)[..., None] ** (1 / 1.2 - 1)
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    with np.errstate(invalid="ignore"):
        return np.where(
            scene <= 1 / 12, np.sqrt(3 * scene), a * np.log(np.maximum(12 * scene - b, 1e-9)) + c
        )


SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def profile_of(name: str) -> bytes | None:
    """An ICC profile, or None. "swapped" has red and blue exchanged, "linear" no curve."""
    if name == "none":
        return None
    if name == "swapped":
        return SRGB.replace(b"rXYZ", b"tmp!").replace(b"bXYZ", b"rXYZ").replace(b"tmp!", b"bXYZ")
    if name == "linear":
        at = SRGB.index(b"para\0\0\0\0\0\x03\0\0") + 12
        straight = struct.pack(">5i", 65536, 65536, 0, 65536, 0)
        return SRGB[:at] + straight + SRGB[at + 20 :]
    return SRGB


def _whole(samples: np.ndarray, top: int) -> np.ndarray:
    return np.rint(samples * top).astype({255: np.uint8, 65535: np.uint16}.get(top, np.uint32))


def _exif(turn: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = turn
    return exif.tobytes()


def by_pillow(fmt: str, **options: Any) -> Callable[[np.ndarray, Cell], bytes]:
    def write(samples: np.ndarray, cell: Cell) -> bytes:
        out = io.BytesIO()
        more = dict(options)
        if fmt != "BMP":
            more |= {"icc_profile": profile_of(cell.profile), "exif": _exif(cell.turn)}
        Image.fromarray(_whole(samples, 255)).save(out, fmt, **more)
        return out.getvalue()

    return write


def write_png(samples: np.ndarray, cell: Cell, *chunks: bytes) -> bytes:
    top = 65535 if cell.depth == "16" else 255
    pixels = _whole(samples, top)
    height, width, bands = pixels.shape
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[bands]
    head = struct.pack(">IIBBBBB", width, height, 16 if top > 255 else 8, kind, 0, 0, 0)
    rows = pixels.astype(">u2") if top > 255 else pixels
    body = b"".join(b"\0" + row.tobytes() for row in rows)
    parts = [chunk(b"IHDR", head), *chunks]
    profile = profile_of(cell.profile)
    if profile:
        parts.append(chunk(b"iCCP", b"profile\0\0" + zlib.compress(profile)))
    match cell.curve:
        case "gamma 1.0":
            parts.append(chunk(b"gAMA", struct.pack(">I", 100_000)))
        case "gamma 1/1.8":
            parts.append(chunk(b"gAMA", struct.pack(">I", 55_556)))
        case "p3":
            # White, red, green, blue. The curve is sRGB's, which is what no gAMA means.
            places = (31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)
            parts.append(chunk(b"cHRM", struct.pack(">8I", *places)))
        case "pq" | "hlg" | "linear":
            parts.append(chunk(b"cICP", bytes((*_CODES[cell.curve], 0, 1))))
    if cell.turn != 1:
        parts.append(chunk(b"eXIf", _exif(cell.turn)[6:]))
    parts += [chunk(b"IDAT", zlib.compress(body)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def chunk(kind: bytes, body: bytes) -> bytes:
    crc = zlib.crc32(kind + body)
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", crc)


# H.273: primaries and transfer.
_CODES = {"pq": (9, 16), "hlg": (9, 18), "p3": (12, 13), "linear": (1, 8)}


def write_tiff(samples: np.ndarray, cell: Cell, **options: Any) -> bytes:
    match cell.depth:
        case "float":
            pixels = samples.astype(np.float32)
        case "32":
            pixels = _whole(samples, 2**32 - 1)
        case _:
            pixels = _whole(samples, 2 ** int(cell.depth) - 1)
    out = io.BytesIO()
    if samples.shape[2] == 4:
        options["extrasamples"] = ["unassalpha"]
    turn = [(274, "H", 1, cell.turn, True)]
    profile = profile_of(cell.profile)
    tifffile.imwrite(out, pixels, photometric="rgb", iccprofile=profile, extratags=turn, **options)
    return out.getvalue()


def write_avif(samples: np.ndarray, cell: Cell) -> bytes:
    if cell.depth == "8":
        return by_pillow("AVIF", quality=98, subsampling="4:4:4", speed=8)(samples, cell)
    import pyvips

    pixels = _whole(samples, 65535)
    height, width, bands = pixels.shape
    image = pyvips.Image.new_from_memory(pixels.tobytes(), width, height, bands, "ushort")
    image = image.copy(interpretation="rgb16")
    # libvips writes no codes of H.273, so they are written over a profile, in the box it came in.
    profile = profile_of(cell.profile if cell.curve == "none" else "srgb")
    if profile:
        image.set_type(pyvips.GValue.blob_type, "icc-profile-data", profile)
    data: bytes = image.heifsave_buffer(
        Q=98, compression="av1", bitdepth=int(cell.depth), effort=2, subsample_mode="off"
    )
    if cell.curve == "none":
        return data
    at = data.index(b"colrrICC") + 4
    codes = b"nclx" + struct.pack(">HHHB", *_CODES[cell.curve], 6, 0x80)
    return data[:at] + codes + data[at + len(codes) :]


def write_heic(samples: np.ndarray, cell: Cell) -> bytes:
    out = io.BytesIO()
    options: dict[str, Any] = {"quality": 98, "chroma": 444}
    profile = profile_of(cell.profile)
    if profile:
        options["icc_profile"] = profile
    if cell.depth == "8":
        image = pillow_heif.from_pillow(Image.fromarray(_whole(samples, 255)))
        image.save(out, format="HEIF", exif=_exif(cell.turn), **options)
        return out.getvalue()
    if cell.curve != "none":
        primaries, transfer = _CODES[cell.curve]
        options |= {"color_primaries": primaries, "transfer_characteristics": transfer}
        options["matrix_coefficients"] = 9 if primaries == 9 else 1
    pillow_heif.options.SAVE_HDR_TO_12_BIT = False
    pixels = _whole(samples, 65535)
    size = (pixels.shape[1], pixels.shape[0])
    mode = "RGBA;16" if pixels.shape[2] == 4 else "RGB;16"
    pillow_heif.encode(mode, size, pixels.tobytes(), out, format="HEIF", **options)
    return out.getvalue()


WRITERS: dict[str, Callable[[np.ndarray, Cell], bytes]] = {
    "jpeg": by_pillow("JPEG", quality=97, subsampling=0),
    "png": write_png,
    "webp": by_pillow("WEBP", lossless=True, exact=True),
    "tiff": write_tiff,
    "avif": write_avif,
    "heic": write_heic,
    "bmp": by_pillow("BMP"),
}
