"""Finds where text is, with RapidOCR's detector in two halves and a glance between them.

The first half sees: it makes maps of what could be text, for two fifths of the time. A linear model
looks at each cell of the maps. Only if there may be text in one of them does the second half say
where it is. Most pictures have none.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

from gpu_ops.onnx_folding import folded
from gpu_ops.onnx_graph import Graph
from gpu_ops.onnx_session import one_thread

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from gpu_ops.interface import Image

    Maps = Sequence[NDArray[np.float32]]

MODEL_FILE = "text_glance.json"
MAPS = tuple(f"conv2d_{number}.tmp_0" for number in (469, 470, 471, 472))
"""What the first half makes, of 12, 18, 42 and 360 channels, at 1/4 to 1/32 of the size."""


@dataclass(frozen=True)
class Glance:
    """Whether there may be text in a cell of the maps: where its weighted sum is 0 or more."""

    identifier: str  # name@version, and the hash of the file
    detector: str  # sha256 of the weights whose maps it knows
    weights: tuple[float, ...]  # per number of a cell
    bias: float

    def may_be_text(self, maps: Maps) -> bool:
        return self.score(maps) >= 0.0

    def score(self, maps: Maps) -> float:
        """The sum of the cell that looks most like text."""
        import numpy as np

        *parts, coarser = _in_cells(maps)
        channels = np.cumsum([len(part) for part in parts])
        weights = np.split(np.array(self.weights, dtype=np.float32), channels)
        sums = weights.pop() @ coarser.reshape(len(coarser), -1)
        whole = sums.reshape(coarser.shape[1:]).repeat(2, axis=0).repeat(2, axis=1)
        for part, each in zip(parts, weights, strict=True):
            whole += (each @ part.reshape(len(part), -1)).reshape(part.shape[1:])
        return float(whole.max()) + self.bias


def load() -> Glance:
    """Read the committed model."""
    raw = resources.files(__package__).joinpath(MODEL_FILE).read_bytes()
    body: Mapping[str, Any] = json.loads(raw)
    return Glance(
        identifier=f"{body['id']}+{hashlib.sha256(raw).hexdigest()[:12]}",
        detector=body["detector"],
        weights=tuple(body["weights"]),
        bias=body["bias"],
    )


def cells(maps: Maps) -> NDArray[np.float32]:
    """What the maps say of each cell of 16 × 16 pixels: (cells, 462).

    Of the two finer maps that is the largest and the smallest answer of each channel in it.
    """
    import numpy as np

    *parts, coarser = _in_cells(maps)
    parts.append(coarser.repeat(2, axis=1).repeat(2, axis=2))
    return np.concatenate(parts).reshape(-1, parts[0][0].size).T


def _in_cells(maps: Maps) -> list[NDArray[np.float32]]:
    """The parts of `cells`, each (channels, rows, columns). The last has cells of 32 pixels."""
    import numpy as np

    finest, finer, same, coarser = (one[0] for one in maps)
    parts = []
    for fine, halvings in ((finest, 2), (finer, 1)):
        for larger in (np.maximum, np.minimum):
            part = fine
            for _ in range(halvings):
                part = larger(part[:, ::2], part[:, 1::2])
                part = larger(part[:, :, ::2], part[:, :, 1::2])
            parts.append(part)
    return [*parts, same, coarser]


class TextDetector:
    """RapidOCR's detector on one thread, from its weights. Safe to call from many threads.

    `glance`: what says whether there may be text. Raises ValueError if that knows other weights.
    """

    def __init__(self, data: bytes, glance: Glance) -> None:
        from rapidocr_onnxruntime.ch_ppocr_det import TextDetector
        from rapidocr_onnxruntime.ch_ppocr_det.utils import DBPostProcess

        known = hashlib.sha256(data).hexdigest()
        if known != glance.detector:
            raise ValueError(
                f"{MODEL_FILE} knows the detector {glance.detector[:12]}, and the package has "
                f"{known[:12]}: fit it anew with tools.fit_text_glance"
            )
        sees, places = map(one_thread, Graph(folded(data)).cut(MAPS))
        self._glance, self._sees, self._places = glance, sees, places
        self._pixels = sees.get_inputs()[0].name
        # Without its constructor: that makes a session of its own, which gives its memory back to
        # the system after every layer.
        self._whole = TextDetector.__new__(TextDetector)
        self._boxes = DBPostProcess(
            thresh=0.3,
            box_thresh=0.5,
            max_candidates=1000,
            unclip_ratio=1.6,
            score_mode="fast",
            use_dilation=True,
        )

    def maps(self, image: Image) -> Maps:
        """What the first half sees in an image (h, w, 3), its channels in BGR."""
        maps: Maps = self._sees.run(MAPS, {self._pixels: pixels_of(image)})
        return maps

    def likely(self, maps: Maps) -> NDArray[np.float32]:
        """How likely each pixel of the network's picture (h, w) is text."""
        return self._likely(maps)[0, 0]  # type: ignore[no-any-return]

    def _likely(self, maps: Maps) -> Any:
        return self._places.run(None, dict(zip(MAPS, maps, strict=True)))[0]

    def find(self, image: Image, glance: bool = True) -> NDArray[np.float32] | None:
        """The corners of each piece of text (n, 4, 2) in an image (h, w, 3), its channels in BGR.

        None: at a glance there is none, so nothing was placed.
        """
        import numpy as np

        maps = self.maps(image)
        if glance and not self._glance.may_be_text(maps):
            return None
        shape = image.shape[:2]
        found = self._whole.filter_tag_det_res(self._boxes(self._likely(maps), shape)[0], shape)
        return np.asarray(found, dtype=np.float32).reshape(-1, 4, 2)


def pixels_of(image: Image) -> NDArray[np.float32]:
    """An image (h, w, 3) with sides that are multiples of 32, as the network takes it: -1..1."""
    import cv2
    import numpy as np

    height, width = (round(side / 32) * 32 for side in image.shape[:2])
    levels = (np.arange(256, dtype=np.float32) * (1 / 255.0)).astype(np.float64)
    table = ((levels - 0.5) / 0.5).astype(np.float32)
    pixels = np.empty((1, 3, height, width), dtype=np.float32)
    for plane, values in zip(cv2.split(cv2.resize(image, (width, height))), pixels[0], strict=True):
        cv2.LUT(plane, table, dst=values)
    return pixels
