"""Where models run."""

from __future__ import annotations


def device(wanted: str) -> str:
    """The name of a device for torch. "auto" is CUDA where there is one, else the CPU."""
    import torch

    if wanted != "auto":
        return wanted
    return "cuda" if torch.cuda.is_available() else "cpu"
