"""The same numbers from fewer and faster kernels: small changes to a model that is loaded.

Both are exact but for rounding, and both were measured (docs/performance.md).
"""

from __future__ import annotations

from types import MethodType
from typing import Any

MULTIPLE = 8  # of 16-bit numbers: 16 bytes, the least that the fast matrix kernels load at once


def align(model: Any) -> int:
    """Pad the inner width of the vision tower's gated layers with zeros. Returns how many.

    Qwen2.5-VL's is 3420, for which only slow kernels are there. The added units are silu(0) * 0.
    """
    padded = 0
    for module in model.base_model.visual.modules():
        if not all(hasattr(module, name) for name in ("gate_proj", "up_proj", "down_proj")):
            continue
        missing = -module.gate_proj.out_features % MULTIPLE
        if missing:
            for layer in (module.gate_proj, module.up_proj):
                _pad(layer, "weight", (0, 0, 0, missing))
                _pad(layer, "bias", (0, missing))
                layer.out_features += missing
            _pad(module.down_proj, "weight", (0, missing))
            module.down_proj.in_features += missing
            padded += 1
    return padded


def fuse_norms(model: Any) -> int:
    """Have root-mean-square norms done by one kernel instead of six. Returns how many.

    It rounds once, at the end, where the library also rounds before the weight.
    """
    fused = 0
    for module in model.modules():
        if type(module).__name__.endswith("RMSNorm") and hasattr(module, "variance_epsilon"):
            module.forward = MethodType(_norm, module)
            fused += 1
    return fused


def _norm(self: Any, hidden_states: Any) -> Any:
    from torch.nn.functional import rms_norm

    return rms_norm(hidden_states, self.weight.shape, self.weight, self.variance_epsilon)


def _pad(layer: Any, name: str, widths: tuple[int, ...]) -> None:
    from torch.nn import Parameter
    from torch.nn.functional import pad

    tensor = getattr(layer, name)
    if tensor is not None:
        setattr(layer, name, Parameter(pad(tensor.data, widths), requires_grad=False))
