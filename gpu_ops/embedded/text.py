"""Finds and reads text with RapidOCR, whose weights lie inside its package (Apache-2.0).

Detection runs on a shrunk copy, because its cost grows with the area. It ends at a glance where
there is no sign of text (`text_detector`). Recognition runs on a few lines only, cut from the full
preview, because it costs about as much per line as a detection.
So the evidence says what was looked at, and absent text is no proof that there is none.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gpu_ops.embedded import overlay, text_detector
from gpu_ops.onnx_folding import folded
from gpu_ops.onnx_session import one_thread

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from gpu_ops.interface import Image

DETECTION_SIDE = 384  # long side of the copy that detection sees, in pixels
MAX_LINES = 4  # at most so many boxes are read, the largest first
MAX_ASPECT = 8.0  # a longer line is read up to this many times its height
READABLE = 0.6  # below this confidence a reading is noise: petals and coins make some
MAX_PLACES = 32  # of so many boxes the place is told, the largest first
DETECTOR = "ch_PP-OCRv4_det_infer.onnx"
RECOGNISER = "ch_PP-OCRv4_rec_infer.onnx"


Place = tuple[float, ...]
"""x, y of four corners, clockwise from top left, in shares of the image's width and height."""


@dataclass(frozen=True)
class Line:
    text: str
    confidence: float  # 0..1
    partial: bool  # only the line's beginning was read
    place: int  # which of the reading's places it was read at


@dataclass(frozen=True)
class Reading:
    """The text of one image."""

    boxes: int  # how many boxes were detected
    area_share: float  # of the image, that the boxes cover
    lines: tuple[Line, ...]  # read with confidence, top to bottom
    read: int  # how many boxes were tried
    width: int  # of the copy that detection saw, in pixels
    height: int
    glanced: bool = False  # there was no sign of text, so it was not looked for any further
    overlay: overlay.Overlay | None = None  # where it was looked for
    places: tuple[Place, ...] = ()  # of the boxes, the largest first, at most MAX_PLACES

    @property
    def words(self) -> int:
        return sum(len(line.text.split()) for line in self.lines)

    @property
    def confirmed_share(self) -> float:
        """The boxes' area, less what turned out unreadable when it was tried."""
        return self.area_share * len(self.lines) / self.read if self.read else 0.0

    def as_dict(self) -> dict[str, Any]:
        return {
            "boxes": self.boxes,
            "area_share": round(self.area_share, 4),
            "lines": [
                {"text": line.text, "confidence": round(line.confidence, 3), "place": line.place}
                | ({"partial": True} if line.partial else {})
                for line in self.lines
            ],
            "places": [list(place) for place in self.places],
            "words": self.words,
            "examined": "recognised" if self.read else "glanced" if self.glanced else "detected",
            "side": max(self.width, self.height),
            "lines_examined": self.read,
        }


class TextReader:
    """RapidOCR's detector and recogniser, one thread each. Safe to call from many threads.

    `overlays`: whether each box is also judged, if it was laid over the picture.
    `glance`: whether a picture without a sign of text is looked at no further.
    """

    def __init__(self, overlays: bool = False, glance: bool = True) -> None:
        self._overlays, self._glance = overlays, glance
        self._lock = threading.Lock()
        self._models: tuple[text_detector.TextDetector, Any] | None = None

    def warm(self) -> None:
        self._load()

    @property
    def detector(self) -> text_detector.TextDetector:
        return self._load()[0]

    def _load(self) -> tuple[text_detector.TextDetector, Any]:
        with self._lock:
            if self._models is None:
                folder = weights_folder()
                data = (folder / DETECTOR).read_bytes()
                detector = text_detector.TextDetector(data, text_detector.load())
                recogniser = _recogniser((folder / RECOGNISER).read_bytes())
                self._models = detector, recogniser
            return self._models

    def read(self, image: Image) -> Reading:
        """Detect text in an RGB image (h, w, 3) and read its largest lines."""
        import cv2
        import numpy as np

        detector, recogniser = self._load()
        height, width = image.shape[:2]
        copy = shrunk(image)
        size = copy.shape[1], copy.shape[0]
        found = detector.find(np.ascontiguousarray(copy[:, :, ::-1]), self._glance)
        quads = np.empty((0, 4, 2), dtype=np.float32) if found is None else found
        quads *= np.array([width / size[0], height / size[1]], dtype=np.float32)
        areas = [cv2.contourArea(quad) for quad in quads]
        order = sorted(range(len(quads)), key=lambda i: -areas[i])
        largest = order[:MAX_LINES]
        lines = []
        for i in sorted(largest, key=lambda i: (quads[i][:, 1].min(), quads[i][:, 0].min())):
            crop, partial = cut(image, quads[i])
            readings, _ = recogniser([cv2.cvtColor(crop, cv2.COLOR_RGB2BGR)])
            text, confidence = readings[0][0].strip(), float(readings[0][1])
            if confidence >= READABLE and len(text) > 1:
                lines.append(Line(text, confidence, partial, order.index(i)))
        return Reading(
            boxes=len(quads),
            area_share=min(1.0, float(sum(areas)) / (height * width)),
            lines=tuple(lines),
            read=len(largest),
            width=size[0],
            height=size[1],
            glanced=found is None,
            overlay=overlay.look(image, list(quads)) if self._overlays else None,
            places=tuple(place_of(quads[i].tolist(), width, height) for i in order[:MAX_PLACES]),
        )


def shrunk(image: Image) -> Image:
    """The copy of an image (h, w, 3) that detection sees."""
    import cv2
    import numpy as np

    height, width = image.shape[:2]
    scale = min(1.0, DETECTION_SIDE / max(height, width))
    size = (max(32, round(width * scale)), max(32, round(height * scale)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _recogniser(data: bytes) -> Any:
    """RapidOCR's recogniser, with a session of ours as the detector has."""
    from rapidocr_onnxruntime.ch_ppocr_rec import TextRecognizer
    from rapidocr_onnxruntime.ch_ppocr_rec.utils import CTCLabelDecode

    session = one_thread(folded(data))
    characters = session.get_modelmeta().custom_metadata_map["character"].splitlines()
    recogniser = TextRecognizer.__new__(TextRecognizer)
    recogniser.session = lambda pixels: session.run(None, {session.get_inputs()[0].name: pixels})
    recogniser.postprocess_op = CTCLabelDecode(character=characters, character_path=None)
    recogniser.rec_batch_num = 1
    # The least width a line is padded to; a wider one keeps its own.
    recogniser.rec_image_shape = [3, 48, 96]
    return recogniser


def place_of(quad: Sequence[Sequence[float]], width: int, height: int) -> Place:
    """Where a box lies in an image of this size. What sticks out of the image is cut off."""
    return tuple(
        round(min(1.0, max(0.0, at / side)), 3)
        for corner in quad
        for at, side in zip(corner, (width, height), strict=True)
    )


def cut(image: Image, quad: NDArray[np.float32]) -> tuple[Image, bool]:
    """Cut a box (4 corners, clockwise from top left) out upright. Also: was it cut short."""
    import cv2
    import numpy as np

    def side(one: int, other: int) -> float:
        return float(np.linalg.norm(quad[one] - quad[other]))

    along = max(side(0, 1), side(3, 2), 1.0)
    across = max(side(0, 3), side(1, 2), 1.0)
    upright = across >= 1.5 * along  # a column of text is read lying on its side
    width, height = round(along), round(across)
    target = np.array([[0, 0], [width, 0], [width, height], [0, height]], dtype=np.float32)
    matrix = cv2.getPerspectiveTransform(quad.astype(np.float32), target)
    crop = cv2.warpPerspective(image, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
    if upright:
        crop = np.ascontiguousarray(np.rot90(crop))
    limit = max(1, int(crop.shape[0] * MAX_ASPECT))
    return np.ascontiguousarray(crop[:, :limit]), crop.shape[1] > limit


def weights_folder() -> Any:
    """Where RapidOCR's package keeps its models, found without importing it."""
    import importlib.util
    from pathlib import Path

    spec = importlib.util.find_spec("rapidocr_onnxruntime")
    if spec is None or spec.origin is None:
        raise ImportError("rapidocr-onnxruntime is not installed: pip install rapidocr-onnxruntime")
    return Path(spec.origin).parent / "models"
