"""What can be chosen about the engine `pyiqa`. Plain data: importing it loads nothing."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """Hashable, so that a process builds one engine per choice. Raises ValueError where wrong."""

    weights: str  # a folder with weights and their SHA256SUMS
    metrics: tuple[str, ...] = ()  # measured of every image; policies may add to them
    device: str = "auto"  # "auto" is CUDA where there is one; or "cpu", "cuda", "cuda:1"

    def __post_init__(self) -> None:
        if not self.weights:
            raise ValueError("the engine `pyiqa` needs a folder of weights")
