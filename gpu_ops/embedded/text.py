"""Finds and reads text with RapidOCR, whose weights lie inside its package (Apache-2.0).

Detection runs on a shrunk copy, because its cost grows with the area. Recognition runs on a few
lines only, cut from the full preview, because it costs about as much per line as a detection.
So the evidence says what was looked at, and absent text is no proof that there is none.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gpu_ops.embedded import overlay
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
            "examined": "recognised" if self.read else "detected",
            "side": max(self.width, self.height),
            "lines_examined": self.read,
        }


class TextReader:
    """RapidOCR's detector and recogniser, one thread each. Safe to call from many threads.

    `overlays`: whether each box is also judged, if it was laid over the picture.
    """

    def __init__(self, overlays: bool = False) -> None:
        self._overlays = overlays
        self._lock = threading.Lock()
        self._models: tuple[Any, Any] | None = None

    def warm(self) -> None:
        self._load()

    def _load(self) -> tuple[Any, Any]:
        with self._lock:
            if self._models is None:
                folder = weights_folder()
                detector = _detector((folder / DETECTOR).read_bytes())
                recogniser = _recogniser((folder / RECOGNISER).read_bytes())
                self._models = detector, recogniser
            return self._models

    def read(self, image: Image) -> Reading:
        """Detect text in an RGB image (h, w, 3) and read its largest lines."""
        import cv2
        import numpy as np

        detector, recogniser = self._load()
        height, width = image.shape[:2]
        scale = min(1.0, DETECTION_SIDE / max(height, width))
        size = (max(32, round(width * scale)), max(32, round(height * scale)))
        copy = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        found, _ = detector(cv2.cvtColor(copy, cv2.COLOR_RGB2BGR))
        quads = np.asarray([] if found is None else found, dtype=np.float32).reshape(-1, 4, 2)
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
            overlay=overlay.look(image, list(quads)) if self._overlays else None,
            places=tuple(place_of(quads[i].tolist(), width, height) for i in order[:MAX_PLACES]),
        )


def _detector(data: bytes) -> Any:
    """RapidOCR's detector, but for the session that its constructor would make: that one gives its
    memory back to the system after every layer."""
    from rapidocr_onnxruntime.ch_ppocr_det import TextDetector
    from rapidocr_onnxruntime.ch_ppocr_det.utils import DBPostProcess

    session = one_thread(folded(data))
    detector = TextDetector.__new__(TextDetector)
    detector.get_preprocess = lambda _: for_detector
    detector.infer = lambda pixels: session.run(None, {session.get_inputs()[0].name: pixels})
    detector.postprocess_op = DBPostProcess(
        thresh=0.3,
        box_thresh=0.5,
        max_candidates=1000,
        unclip_ratio=1.6,
        score_mode="fast",
        use_dilation=True,
    )
    return detector


def for_detector(image: Image) -> NDArray[np.float32]:
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
