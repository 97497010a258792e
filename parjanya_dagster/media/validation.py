"""validate(): bytes of one upload in; the facts of the image, a preview and a thumbnail out."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from . import sidecars as beside
from .blocking import blocking
from .decode import decode
from .decoded import Decoded
from .exif import exif_facts
from .likeness import likeness
from .limits import Limits
from .measures import flat_share, measure
from .phash import phash
from .pixels import as_array
from .rendition import PREVIEW_SIDE, preview_jpeg, render, thumbnail_jpeg
from .sniff import MIME, sniff

# Part of the fingerprint of "validated" evidence: raise it when the same bytes give other facts.
VALIDATION_VERSION = 8


@dataclass(frozen=True)
class Validated:
    """One image that decoded completely."""

    body: dict[str, Any]  # the "validated" evidence: JSON types and finite numbers only
    preview: bytes  # JPEG, sRGB, upright, long side at most 1024, no metadata
    thumbnail: bytes  # JPEG, sRGB, upright, long side at most 256, no metadata


def validate(
    data: bytes,
    limits: Limits | None = None,
    *,
    coordinates: bool = False,
    sidecars: Mapping[str, bytes] | None = None,
) -> Validated:
    """Decode `data` completely and say what it is.

    With `coordinates`, the EXIF facts hold latitude and longitude where the image has them.
    `sidecars`, by name, say time and position where the image does not (see `sidecars`).
    Raises Rejected, with a class and a reason, when the image itself is at fault, and MemoryError
    when this process has too little memory for it.
    """
    from PIL import Image

    limits = limits or Limits()
    fmt = sniff(data)
    limits.check_bytes(len(data))
    decoded = decode(data, fmt, limits, PREVIEW_SIDE)
    image = render(decoded)
    rgb = as_array(image)
    picture = Image.fromarray(rgb)
    luma = picture.convert("L")
    preview = preview_jpeg(image)
    exif = exif_facts(decoded.exif, decoded.xmp, coordinates=coordinates)
    exif, used = beside.completed(exif, sidecars or {}, coordinates=coordinates)
    body: dict[str, Any] = {
        "format": fmt,
        "mime": MIME[fmt],
        "bytes": len(data),
        **_geometry(decoded),
        "frames": decoded.frames,
        "animated": decoded.animated,
        "bit_depth": decoded.bit_depth,
        "channels": decoded.channels,
        "alpha": decoded.alpha,
        "decoded_from": decoded.source,
        "sha256": hashlib.sha256(data).hexdigest(),
        "phash": phash(luma),
        "likeness": likeness(rgb, luma),
        "exif": exif,
        "technical": _technical(decoded, rgb, luma),
        "preview": {"width": image.width, "height": image.height, "bytes": len(preview)},
    }
    if used:
        body["sidecars"] = used
    return Validated(body, preview, thumbnail_jpeg(picture))


def _geometry(decoded: Decoded) -> dict[str, int]:
    sides = (decoded.width, decoded.height)
    # Orientations 5 to 8 are quarter turns.
    width, height = sides[::-1] if decoded.orientation >= 5 else sides
    return {"width": width, "height": height, "orientation": decoded.orientation}


def _technical(decoded: Decoded, rgb: Any, luma: Any) -> dict[str, float]:
    shape = _geometry(decoded)
    width, height = shape["width"], shape["height"]
    blockiness, block_size = blocking(decoded.band)
    return {
        "megapixels": round(width * height / 1e6, 4),
        "aspect": round(width / height, 4),
        "shorter_side": min(width, height),
        "longer_side": max(width, height),
        **measure(rgb, luma),
        "blockiness": blockiness,
        "block_size": block_size,
        "flat_share": flat_share(decoded.rows),
    }
