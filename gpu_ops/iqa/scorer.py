"""The engine `pyiqa`: the embedded scorer, and learned metrics beside it.

`quality` stays the embedded one, so it means the same whatever else is measured. Each learned
metric is recorded as its authors define it, and normalized: 0 is worst and 1 is best.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpu_ops.embedded import windows
from gpu_ops.embedded.scorer import FULL, EmbeddedScorer
from gpu_ops.faults import lost, too_much
from gpu_ops.interface import EngineLost, Identity, require_images
from gpu_ops.iqa.networks import NETWORKS, build
from gpu_ops.offline import offline
from gpu_ops.weight_folder import WeightFolder

if TYPE_CHECKING:
    from gpu_ops.interface import Image

VERSION = "pyiqa-scorer@1"
LICENCE = "pyiqa is under PolyForm Noncommercial 1.0.0: commercial use needs leave from its author"

log = logging.getLogger(__name__)
SMALLEST_SIDE = 32  # under this the networks have nothing to look at
STACK_PIXELS = 8_000_000  # of one stack; halved where memory does not suffice


class UnknownMetric(ValueError):
    """There is no such metric. Choose from those of the embedded scorer and of pyiqa."""


class PyiqaScorer:
    """The embedded metrics and learned ones, from a folder of weights with its manifest.

    `device` is a torch device, or "auto": the first GPU where there is one.
    Raises `UnknownMetric`, and `BadWeights` where the manifest is missing.
    """

    def __init__(
        self,
        folder: Path,
        metrics: Sequence[str],
        *,
        device: str = "auto",
        load: Callable[[str, Path, str], Any] = build,
        held: dict[str, Any] | None = None,
    ) -> None:
        if unknown := [name for name in metrics if name not in NETWORKS and name not in FULL]:
            raise UnknownMetric(
                f"there is no metric {unknown[0]!r}; choose from {', '.join([*FULL, *NETWORKS])}"
            )
        self._folder = WeightFolder.open(folder)
        self._learned = tuple(name for name in NETWORKS if name in metrics)
        self._embedded = EmbeddedScorer(
            [name for name in FULL if name in metrics or name == FULL[0]], "pyiqa"
        )
        self._metrics = tuple(dict.fromkeys(metrics))
        self._device, self._load = device, load
        self._held = {} if held is None else held  # networks, shared by the variants of an engine
        self._lock = threading.Lock()

    def has(self, metric: str) -> bool:
        """Whether there is such a metric at all, with or without its weights."""
        return metric in NETWORKS or metric in FULL

    def measuring(self, metrics: Sequence[str]) -> PyiqaScorer:
        """The same engine with these metrics too; networks are shared. Raises `UnknownMetric`."""
        if set(metrics) <= {*self._metrics, FULL[0]}:
            return self
        return PyiqaScorer(
            self._folder.path,
            [*self._metrics, *metrics],
            device=self._device,
            load=self._load,
            held=self._held,
        )

    @cached_property
    def identity(self) -> Identity:
        """Raises `BadWeights` where the manifest does not name a file that is needed."""
        library = f"pyiqa {metadata.version('pyiqa')}"
        inner = self._embedded.identity
        weights = [f"{name} {self._weights(name)}" for name in self._learned]
        parts = [VERSION, library, inner.revision, *weights]
        return Identity(
            engine="pyiqa",
            model=f"{', '.join(self._learned) or 'no learned metric'} ({library}); {inner.model}",
            revision="sha256:" + hashlib.sha256("\n".join(parts).encode()).hexdigest(),
            prompt="",
            determinism="numerical",
        )

    def check(self) -> None:
        """Hash every file that is needed. Raises `BadWeights`."""
        files = [file for name in self._learned for file in NETWORKS[name].files]
        self._folder.check(tuple(dict.fromkeys(files)))

    def warm(self) -> None:
        """Raises `BadWeights` where a file is missing, altered or does not fit."""
        self._embedded.warm()
        with self._lock:
            wanted = [name for name in self._learned if name not in self._held]
            if not wanted:
                return
            log.warning(LICENCE)
            self._folder.check(
                tuple(dict.fromkeys(file for name in wanted for file in NETWORKS[name].files))
            )
            for name in wanted:
                with offline(f"The metric {name} loads from {self._folder.path} alone."):
                    self._held[name] = self._load(name, self._folder.path, self._placed())

    def score(
        self, images: Sequence[Image], hints: Sequence[Mapping[str, Any] | None] | None = None
    ) -> list[dict[str, Any]]:
        """Return one `scored` evidence body per image, in order. `hints` are for quality.

        A learned metric is None on an image whose shorter side is under `SMALLEST_SIDE`.
        """
        require_images(images)
        if not images:
            return []
        self.warm()
        bodies = self._embedded.score(images, hints)
        for name in self._learned:
            values: list[float | None] = [None] * len(images)
            for positions, stack in _stacks(images):
                for position, value in zip(positions, self._measured(name, stack), strict=True):
                    values[position] = value
            for body, value in zip(bodies, values, strict=True):
                body["metrics"][name] = self._entry(name, value)
        return bodies

    def _measured(self, name: str, stack: Any) -> list[float | None]:
        """One value per image of (n, h, w, 3). A stack that does not fit in memory is halved."""
        import torch

        try:
            with torch.inference_mode():
                tensor = torch.from_numpy(stack).to(self._placed(), non_blocking=True)
                tensor = tensor.permute(0, 3, 1, 2).float().div_(255)
                values = self._held[name](tensor).float().reshape(-1).cpu().tolist()
        except RuntimeError as error:
            if lost(error):
                raise EngineLost(f"the device failed: {error}") from error
            if not too_much(error):
                raise
            if len(stack) == 1:
                raise MemoryError(
                    f"{name} does not fit in memory with one image of {stack.shape[2]} x "
                    f"{stack.shape[1]} pixels"
                ) from None
            torch.cuda.empty_cache()
            half = len(stack) // 2
            return self._measured(name, stack[:half]) + self._measured(name, stack[half:])
        return [
            value if value == value and abs(value) != float("inf") else None for value in values
        ]

    def _entry(self, name: str, value: float | None) -> dict[str, Any]:
        return {
            "value": None if value is None else round(value, 4),
            "lower_better": NETWORKS[name].lower_better,
            "normalized": None if value is None else round(normalized(name, value), 4),
            "weights": self._weights(name),
        }

    def _weights(self, name: str) -> str:
        return self._folder.identifier(NETWORKS[name].files)

    def _placed(self) -> str:
        return placed(self._device)


def normalized(name: str, value: float) -> float:
    """0 worst, 1 best: linear over the range that a metric's authors state, and clipped to it."""
    network = NETWORKS[name]
    share = min(1.0, max(0.0, (value - network.low) / (network.high - network.low)))
    return 1.0 - share if network.lower_better else share


def placed(device: str) -> str:
    """The torch device that a setting means."""
    if device != "auto":
        return device
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _stacks(images: Sequence[Image]) -> Iterator[tuple[list[int], Any]]:
    large = [i for i, image in enumerate(images) if min(image.shape[:2]) >= SMALLEST_SIDE]
    for positions, stack in windows.stacks([images[i] for i in large], STACK_PIXELS):
        yield [large[position] for position in positions], stack
