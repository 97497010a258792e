"""How many faces a picture shows, by MediaPipe's BlazeFace. It knows nobody: no face is told apart.

The network sees the whole picture, and squares of it, because it finds no face that is small in
what it sees. `weights/NOTICE` says where its weights come from (Apache-2.0), docs/detectors.md with
numbers how often it is right.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from gpu_ops.embedded import weights
from gpu_ops.onnx_session import one_thread

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from gpu_ops.interface import Image

    Boxes = NDArray[np.float32]

VERSION = "faces@1"
FILE = "blazeface_back.onnx"
SIDE = 256  # pixels of what the network sees
#: Cells along a side, and guesses in each of them, of its two layers.
LAYERS = ((16, 2), (8, 6))
TILE = 512  # pixels of a square; each overlaps the next by half
SURE = 0.8  # a face
DOUBTFUL = 0.65  # may be one
SAME = 0.3  # boxes that share so much of both are one face
INSIDE = 0.6  # and so does one that lies so far inside a larger one
RIM = 4  # pixels of what the network sees: a face at a square's rim is whole in the next square


class Faces:
    """A handful of small passes per image, on one thread of the CPU."""

    name = "faces"
    model = "blazeface-back"

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._session: Any = None

    @property
    def revision(self) -> str:
        thresholds = (SIDE, TILE, SURE, DOUBTFUL, SAME, INSIDE, RIM)
        return repr((VERSION, weights.identifier("faces"), thresholds))

    def check(self) -> None:
        """Raises `BadWeights` where the weights are missing or altered."""
        weights.read("faces")

    def warm(self) -> None:
        self._load()

    def see(self, image: Image) -> tuple[Boxes, tuple[int, int]]:
        """Boxes (n, 5) of left, top, right, bottom in pixels, and how sure; the surest first.

        And the image's height and width.
        """
        import numpy as np

        height, width = image.shape[:2]
        found = [self._in_square(image, *square) for square in squares(height, width)]
        return apart(np.concatenate(found)), (height, width)

    def tell(self, seen: Any, body: Mapping[str, Any]) -> dict[str, Any]:
        """`count`, how many more are `doubtful`, and the `largest` one's share of the picture."""
        boxes, (height, width) = seen
        sure = boxes[boxes[:, 4] >= SURE]
        areas = (sure[:, 2] - sure[:, 0]) * (sure[:, 3] - sure[:, 1])
        return {
            "count": len(sure),
            "doubtful": len(boxes) - len(sure),
            "largest": round(float(areas.max()) / (height * width), 4) if len(sure) else 0.0,
        }

    def _in_square(self, image: Image, left: int, top: int, side: int) -> Boxes:
        """Faces in a square of the image, which may reach beyond it."""
        import cv2
        import numpy as np

        height, width = image.shape[:2]
        part = image[top : top + side, left : left + side]
        scale = SIDE / side
        size = max(1, round(part.shape[1] * scale)), max(1, round(part.shape[0] * scale))
        way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        shown = np.zeros((SIDE, SIDE, 3), np.float32)
        shown[: size[1], : size[0]] = cv2.resize(part, size, interpolation=way)
        boxes = self._look(shown)
        inner = np.ones(len(boxes), bool)
        for edge, beyond in ((0, left > 0), (1, top > 0)):
            inner &= ~((boxes[:, edge] < RIM) & beyond)
        for edge, beyond in ((2, left + side < width), (3, top + side < height)):
            inner &= ~((boxes[:, edge] > SIDE - RIM) & beyond)
        boxes = boxes[inner]
        boxes[:, :4] /= scale
        boxes[:, :4] += (left, top, left, top)
        boxes[:, 0:4:2] = boxes[:, 0:4:2].clip(0, width)
        boxes[:, 1:4:2] = boxes[:, 1:4:2].clip(0, height)
        return boxes

    def _look(self, shown: Any) -> Boxes:
        """One pass over (256, 256, 3). Boxes (n, 5) in its pixels, of what may be a face."""
        import numpy as np

        session = self._load()
        (given,) = session.get_inputs()
        first, second, near, far = session.run(None, {given.name: shown[None] / 127.5 - 1.0})
        logits = np.concatenate((first[0, :, 0], second[0, :, 0]))
        chances = 1.0 / (1.0 + np.exp(-logits.clip(-50, 50)))
        chosen = chances >= DOUBTFUL
        guesses = np.concatenate((near[0], far[0]))[chosen, :4]
        middles = guesses[:, :2] + centres()[chosen]
        halves = guesses[:, 2:] / 2
        return np.concatenate(
            (middles - halves, middles + halves, chances[chosen, None]), axis=1
        ).astype(np.float32)

    def _load(self) -> Any:
        with self._lock:
            if self._session is None:
                self._session = one_thread(weights.read("faces")[FILE])
            return self._session


def squares(height: int, width: int) -> Iterator[tuple[int, int, int]]:
    """Left, top and side of what the network sees: the whole picture, then squares of it."""
    yield 0, 0, max(height, width)
    if max(height, width) > TILE:
        for top in _starts(height):
            for left in _starts(width):
                yield left, top, TILE


def _starts(length: int) -> list[int]:
    """Where squares begin along a side: they overlap by half, and the last one ends with it."""
    last = max(0, length - TILE)
    steps = -(-last // (TILE // 2))
    return [round(last * step / steps) for step in range(steps + 1)] if steps else [0]


@cache
def centres() -> Any:
    """What each guess is relative to: (896, 2), in pixels of what the network sees."""
    import numpy as np

    rows = []
    for cells, guesses in LAYERS:
        along = (np.arange(cells) + 0.5) * (SIDE / cells)
        across, down = np.meshgrid(along, along)
        rows.append(np.repeat(np.stack((across.ravel(), down.ravel()), axis=1), guesses, axis=0))
    return np.concatenate(rows).astype(np.float32)


def apart(boxes: Boxes) -> Boxes:
    """One box per face, the surest first."""
    import numpy as np

    kept: list[Any] = []
    for box in boxes[boxes[:, 4].argsort(kind="stable")[::-1]]:
        if not any(_same(box, other) for other in kept):
            kept.append(box)
    return np.stack(kept) if kept else boxes


def _same(one: Any, other: Any) -> bool:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return False
    shared = float(width * height)
    areas = [float((box[2] - box[0]) * (box[3] - box[1])) for box in (one, other)]
    return shared / (sum(areas) - shared) >= SAME or shared / max(1.0, min(areas)) >= INSIDE
