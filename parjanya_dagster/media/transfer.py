"""How a file's samples stand for light: sRGB's curve, a power, PQ or HLG.

Sources: IEC 61966-2-1 (sRGB), SMPTE ST 2084 (PQ), ITU-R BT.2100 (HLG), BT.2408 (203 nits is the
white of a page in HDR), ITU-T H.273 (the numbers).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from .errors import Rejected
from .primaries import BY_CODE, SRGB, Chromaticities

if TYPE_CHECKING:
    import numpy as np

Curve = Literal["srgb", "gamma", "pq", "hlg"]

# Nits of the white of a page, and of the brightest light that is still told from white.
PAPER_WHITE: Final = 203.0
PEAK: Final = 1000.0


@dataclass(frozen=True, kw_only=True)
class Encoding:
    """What the samples of a picture mean, where its file says so without an ICC profile."""

    primaries: Chromaticities = SRGB
    curve: Curve = "srgb"
    gamma: float = 1.0  # exponent from samples to light, for the curve "gamma"

    @property
    def is_srgb(self) -> bool:
        """True where samples can be taken for sRGB: within what PNG's rounding makes of it."""
        near = all(abs(a - b) < 0.002 for a, b in zip(self.primaries, SRGB, strict=True))
        return near and (
            self.curve == "srgb" or (self.curve == "gamma" and abs(self.gamma - 2.2) < 0.03)
        )

    @property
    def is_hdr(self) -> bool:
        return self.curve in ("pq", "hlg")


def encoding_of_codes(primaries: int, transfer: int, fmt: str) -> Encoding:
    """The encoding by the numbers of H.273. Raises Rejected for curves that no picture uses.

    The camera curves of BT.709, BT.601 and BT.2020 count as sRGB's: pictures marked so are made
    for screens, and every common viewer shows them so.
    """
    if primaries not in BY_CODE:
        raise Rejected(
            "unsupported_format",
            f"The {fmt.upper()} file has colours of kind {primaries} (H.273), "
            "which are not read here.",
        )
    chosen = BY_CODE[primaries]
    match transfer:
        case 1 | 2 | 6 | 13 | 14 | 15:
            return Encoding(primaries=chosen)
        case 4:
            return Encoding(primaries=chosen, curve="gamma", gamma=2.2)
        case 5:
            return Encoding(primaries=chosen, curve="gamma", gamma=2.8)
        case 8:
            return Encoding(primaries=chosen, curve="gamma", gamma=1.0)
        case 16:
            return Encoding(primaries=chosen, curve="pq")
        case 18:
            return Encoding(primaries=chosen, curve="hlg")
    raise Rejected(
        "unsupported_format",
        f"The {fmt.upper()} file has a transfer curve of kind {transfer} (H.273), "
        "which is not read here.",
    )


def light(encoding: Encoding, samples: np.ndarray) -> np.ndarray:
    """Light of samples from 0 to 1, where 1 is the white of a page. HLG: light of the scene."""
    import numpy as np

    match encoding.curve:
        case "gamma":
            return samples**encoding.gamma
        case "pq":
            root = np.power(samples, 1 / 78.84375)
            top = np.maximum(root - 0.8359375, 0.0)
            nits: np.ndarray = 10_000 * np.power(
                top / (18.8515625 - 18.6875 * root), 1 / 0.1593017578125
            )
            return nits / PAPER_WHITE
        case "hlg":
            a, b, c = 0.17883277, 0.28466892, 0.55991073
            return np.where(samples <= 0.5, samples**2 / 3, (np.exp((samples - c) / a) + b) / 12)
    return np.where(samples <= 0.04045, samples / 12.92, ((samples + 0.055) / 1.055) ** 2.4)
