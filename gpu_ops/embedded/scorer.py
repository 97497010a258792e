"""The embedded scorer: metrics that need no download, and direct measures of damage."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from statistics import fmean
from typing import TYPE_CHECKING, Any, Literal, get_args

from gpu_ops.embedded import damage, natural_scenes, quality, weights, windows, workers
from gpu_ops.embedded import piqe as perception
from gpu_ops.interface import Identity, require_images

if TYPE_CHECKING:
    from gpu_ops.interface import Image

VERSION = "embedded-scorer@7"

Metric = Literal["piqe", "niqe", "brisque"]
FAST: tuple[Metric, ...] = ("piqe",)
FULL: tuple[Metric, ...] = ("piqe", "niqe", "brisque")
NATURAL_SCENES = {"niqe": natural_scenes.niqe, "brisque": natural_scenes.brisque}


class EmbeddedScorer:
    """Chosen metrics, five damage measures, and a calibrated quality. CPU only.

    Quality uses PIQE and the damage measures, whatever else is chosen, so it means the same under
    every choice. Raises ValueError for a metric it does not have, or a choice without piqe.
    """

    at_once = workers.AT_ONCE

    def __init__(self, metrics: Sequence[Metric] = FAST, name: str = "embedded") -> None:
        if unknown := [metric for metric in metrics if metric not in get_args(Metric)]:
            raise ValueError(f"there is no metric {unknown[0]!r}; choose from {', '.join(FULL)}")
        if "piqe" not in metrics:
            raise ValueError("quality is calibrated on piqe: keep it among the metrics")
        self._name = name
        self._metrics = tuple(metric for metric in FULL if metric in metrics)
        self._calibration = quality.load()

    def has(self, metric: str) -> bool:
        return metric in FULL

    def check(self) -> None:
        """Raises `BadWeights` where the weights of a chosen metric are missing or altered."""
        for metric in self._metrics:
            if metric in weights.FILES:
                weights.read(metric)

    def measuring(self, metrics: Sequence[str]) -> EmbeddedScorer:
        """The same engine with those of these metrics that it has. It cannot measure others."""
        more = [metric for metric in FULL if metric in metrics or metric in self._metrics]
        if len(more) == len(self._metrics):
            return self
        return EmbeddedScorer(more, self._name)

    @cached_property
    def identity(self) -> Identity:
        parts = [VERSION, perception.VERSION, damage.VERSION, natural_scenes.VERSION]
        parts += [f"{metric} {weights.identifier(metric)}" for metric in self._metrics]
        parts += [str(windows.SIDE), str(windows.CENTRE_SIDE), self._calibration.identifier]
        return Identity(
            engine=self._name,
            model=", ".join([*self._metrics, damage.VERSION]),
            revision="sha256:" + hashlib.sha256("\n".join(parts).encode()).hexdigest(),
            prompt="",
            determinism="numerical",
        )

    def warm(self) -> None:
        """Raises `BadWeights` where the weights of a chosen metric are missing or altered."""
        if "niqe" in self._metrics:
            natural_scenes.pristine()
        if "brisque" in self._metrics:
            natural_scenes.regression()

    def score(
        self, images: Sequence[Image], hints: Sequence[Mapping[str, Any] | None] | None = None
    ) -> list[dict[str, Any]]:
        """Return one `scored` evidence body per image, in order.

        `hints` tell the blocks of the sources. Without them, those of the previews are taken.
        Raises ValueError unless there is one hint per image.

        A metric's value is None on an image where it is undefined. Quality is None where one of
        its own measures is: without light, under 32 pixels, or all of one colour there is nothing
        to judge. It is calibrated on photographs: of graphics it says little.
        """
        require_images(images)
        if hints is None:
            hints = [None] * len(images)
        if len(hints) != len(images):
            raise ValueError(f"{len(hints)} hints for {len(images)} images: pass one per image")
        if not images:
            return []
        self.warm()
        pairs = zip(images, hints, strict=True)
        bodies = workers.each(lambda pair: self._score(*pair), pairs)
        self._add_natural_scenes(images, bodies)
        return bodies

    def _score(self, image: Image, hint: Mapping[str, Any] | None) -> dict[str, Any]:
        scores = perception.piqe(windows.windows(image))
        defined = [score for score in scores if score is not None]
        piqe = round(fmean(defined), 4) if defined else None
        measures = damage.measure(image)
        measures["blockiness"] = damage.blocks(measures["blockiness"], hint)
        value, factors = self._calibration.judge({"piqe": piqe, **measures})
        return {
            "metrics": {"piqe": _entry("piqe", piqe)},
            "damage": dict(measures),
            "quality": value,
            "factors": factors,
            "calibration": self._calibration.identifier,
            "windows": {"count": len(scores), "side": windows.SIDE},
        }

    def _add_natural_scenes(self, images: Sequence[Image], bodies: list[dict[str, Any]]) -> None:
        """NIQE and BRISQUE look at whole previews, stacked where their shapes are equal."""
        chosen = [metric for metric in self._metrics if metric in NATURAL_SCENES]
        if not chosen:
            return
        stacks = windows.stacks([windows.centre(image) for image in images])
        for metric in chosen:
            measured = workers.each(NATURAL_SCENES[metric], (stack for _, stack in stacks))
            for (positions, _), values in zip(stacks, measured, strict=True):
                for position, value in zip(positions, values, strict=True):
                    rounded = None if value is None else round(value, 4)
                    bodies[position]["metrics"][metric] = _entry(metric, rounded)


def _entry(metric: str, value: float | None) -> dict[str, Any]:
    return {"value": value, "lower_better": True, "weights": weights.identifier(metric)}
