"""Blocking artefacts: how far the edges of a coder's blocks stand out. Rows in, two numbers out.

A picture that was compressed too much shows the grid of its blocks. It is 8 pixels wide in a JPEG.
After a crop it starts anywhere, and after resizing it has another width, seldom a whole number. So
the grid is looked for as a comb: steps that are larger at every so many columns. Nothing here
knows how a file was coded.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import numpy as np

JPEG_BLOCK: Final = 8.0
# In grey levels on middle grey. Smaller steps are not seen, so a grid is compared with no less:
# else the largest step of a calm sea, of fog or of a dark picture would be one that nobody sees.
VISIBLE: Final = 1.0
# In grey levels. The edge of a block is no larger; what is, was drawn, or is in the scene.
EDGE: Final = 32
# In pixels. Narrower blocks are not seen as such; wider ones were made more than twice as large.
NARROWEST, WIDEST = 4.0, 16.0
# Parts of the picture that are asked: what stands in one place only is no grid.
PARTS: Final = 4
FEWEST_COLUMNS: Final = 64
_UNIT: Final = 64  # weights are whole numbers, so that sums are the same on every processor


def blocking(rows: np.ndarray) -> tuple[float, float]:
    """Return (blockiness, width of a block in pixels) of rows (n, width) uint8 at full size.

    Blockiness is by how much the steps on the grid exceed the steps elsewhere, in shares of those,
    or in levels of middle grey where those are under one. 0 without blocks; from about 1 on they
    are noticed. The width is 0 where no grid was found.
    """
    import numpy as np

    count, width = rows.shape
    if width <= FEWEST_COLUMNS or not count:
        return 0.0, 0.0
    lighter = np.maximum(rows[:, :-1], rows[:, 1:])
    steps = np.minimum(lighter - np.minimum(rows[:, :-1], rows[:, 1:]), EDGE)
    profile = (steps * _weights()[lighter]).sum(axis=0, dtype=np.int64) / (_UNIT * count)
    value, size = max((_excess(profile, size), size) for size in (JPEG_BLOCK, _period(profile)))
    return (round(value, 5), round(size, 2)) if value > 0 else (0.0, 0.0)


@cache
def _weights() -> Any:
    """How well a step is seen on each of 256 levels: best on middle grey, badly in the dark.

    The visibility threshold of Chou and Li, "A perceptually tuned subband image coder" (1995).
    """
    import numpy as np

    level = np.arange(256.0)
    dark = 17 * (1 - np.sqrt(np.minimum(level, 127) / 127)) + 3
    light = 3 / 128 * (level - 127) + 3
    return np.rint(_UNIT * 3 / np.where(level <= 127, dark, light)).astype(np.int16)


def _excess(profile: Any, size: float) -> float:
    """By how much the largest phase of a grid of this width exceeds the middle one, where it does
    so across the picture: the median of its parts."""
    import numpy as np

    phases = round(size)
    which = ((np.arange(len(profile)) % size) * (phases / size)).astype(np.intp) % phases

    def means(part: slice) -> Any:
        place, steps = which[part], profile[part]
        counts = np.maximum(np.bincount(place, minlength=phases), 1)
        return np.bincount(place, steps, phases) / counts

    grid = int(means(slice(None)).argmax())
    length = len(profile) // PARTS
    found = []
    for number in range(PARTS):
        part = means(slice(number * length, (number + 1) * length))
        beside = float(np.median(part))
        found.append((float(part[grid]) - beside) / max(beside, VISIBLE))
    return float(np.median(found))


def _period(profile: Any) -> float:
    """The width of the blocks that make the strongest comb: two harmonics of it are strong."""
    import numpy as np

    fine = np.clip(profile - np.convolve(profile, np.ones(33) / 33, mode="same"), -8, 8)
    count = 8 * -(-len(fine) // 2)  # four times as fine as the columns tell, and 8 divides it
    strength = np.abs(np.fft.rfft(fine * np.hanning(len(fine)), count))
    first = np.arange(int(np.ceil(count / WIDEST)), int(count / NARROWEST) + 1)
    comb = np.minimum(strength[first], strength[2 * first]) / first
    return float(count / first[int(np.round(comb, 6).argmax())])  # rounding decides no tie
