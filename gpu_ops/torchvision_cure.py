"""Lets torchvision be imported beside a CPU build of torch.

torchvision's wheel carries kernels built for CUDA. Beside a CPU torch they do not load, and
`import torchvision` then dies with "operator torchvision::nms does not exist". pyiqa and the
image processors of transformers import torchvision, though neither needs those kernels here.
The cure declares the two missing operators, with a plain kernel, before that import.
It does nothing where the kernels load.
"""

from __future__ import annotations

import importlib.util
import threading
from pathlib import Path
from typing import Any

_lock = threading.Lock()
_libraries: list[Any] = []  # a torch Library undoes its definitions when it is collected
_done = False


def cure() -> bool:
    """Make `import torchvision` safe. Return whether the stand-ins were needed."""
    global _done
    with _lock:
        if _done:
            return bool(_libraries)
        import torch

        if not _kernels_load(torch):
            declare: Any = torch.library.Library  # torch leaves it without types
            library = declare("torchvision", "DEF")
            library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
            library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
            library.impl("nms", _nms, "CPU")
            library.impl("qnms", _nms, "CPU")
            _libraries.append(library)
        _done = True
        return bool(_libraries)


def _kernels_load(torch: Any) -> bool:
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        raise ImportError("torchvision is not installed: pip install torchvision")
    for kernels in Path(spec.origin).parent.glob("_C.*"):
        try:
            torch.ops.load_library(str(kernels))
        except (OSError, RuntimeError):
            return False
    return hasattr(torch.ops.torchvision, "nms")


def _nms(dets: Any, scores: Any, iou_threshold: float) -> Any:
    """Non-maximum suppression over boxes (n, 4) as x1, y1, x2, y2. Returns kept indices."""
    import torch

    x1, y1, x2, y2 = dets.unbind(1)
    areas = (x2 - x1) * (y2 - y1)
    order = scores.argsort(descending=True, stable=True)
    keep = []
    while order.numel():
        best, rest = order[0], order[1:]
        keep.append(best)
        width = (torch.minimum(x2[best], x2[rest]) - torch.maximum(x1[best], x1[rest])).clamp(0)
        height = (torch.minimum(y2[best], y2[rest]) - torch.maximum(y1[best], y1[rest])).clamp(0)
        overlap = width * height
        order = rest[overlap / (areas[best] + areas[rest] - overlap) <= iou_threshold]
    return torch.stack(keep) if keep else torch.empty(0, dtype=torch.long)
