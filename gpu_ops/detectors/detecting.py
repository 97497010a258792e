"""An enricher and detectors as one enricher, with one identity."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from gpu_ops.embedded.workers import each
from gpu_ops.interface import Enricher, Identity, Prepares, SomeFailed, require_images

if TYPE_CHECKING:
    from gpu_ops.detectors.detector import Detector
    from gpu_ops.interface import Image


def beside(enricher: Enricher, detectors: Sequence[Detector]) -> Enricher:
    """An enricher that says what that one says, and what the detectors find."""
    if not detectors:
        return enricher
    if isinstance(enricher, Prepares):
        return DetectingAhead(enricher, detectors)
    return Detecting(enricher, detectors)


class Detecting:
    """Detectors see all images of a batch first, then the engine describes them.

    Not by turns: two libraries whose threads alternate slow each other.
    """

    def __init__(self, enricher: Enricher, detectors: Sequence[Detector]) -> None:
        self._enricher = enricher
        self._detectors = tuple(detectors)

    @property
    def identity(self) -> Identity:
        own = self._enricher.identity
        parts = [own.revision, *(f"{one.name} {one.revision}" for one in self._detectors)]
        return replace(
            own,
            model="; ".join([own.model, *(one.model for one in self._detectors)]),
            revision="sha256:" + hashlib.sha256("\n".join(parts).encode()).hexdigest(),
            determinism="numerical" if own.determinism == "exact" else own.determinism,
        )

    def asking(self, prompt: str) -> Enricher:
        return beside(self._enricher.asking(prompt), self._detectors)

    def check(self) -> None:
        for detector in self._detectors:
            detector.check()
        self._enricher.check()

    def warm(self) -> None:
        for detector in self._detectors:
            detector.warm()
        self._enricher.warm()

    def describe(
        self, images: Sequence[Any], hints: Sequence[Mapping[str, Any] | None] | None = None
    ) -> list[dict[str, Any]]:
        """One evidence body per image, with what the detectors found. Raises as the engine does."""
        require_images(images)
        return self._told(each(self._see, images), images, hints)

    def _see(self, image: Image) -> tuple[Any, ...]:
        return tuple(detector.see(image) for detector in self._detectors)

    def _told(
        self,
        seen: Sequence[tuple[Any, ...]],
        images: Sequence[Any],
        hints: Sequence[Mapping[str, Any] | None] | None,
    ) -> list[dict[str, Any]]:
        try:
            bodies: Sequence[Any] = self._enricher.describe(images, hints)
        except SomeFailed as failed:
            kept = [body and self._with(found, body) for found, body in
                    zip(seen, failed.bodies, strict=True)]  # fmt: skip
            raise SomeFailed(kept, failed.errors) from failed
        return [self._with(found, body) for found, body in zip(seen, bodies, strict=True)]

    def _with(self, seen: tuple[Any, ...], body: Mapping[str, Any]) -> dict[str, Any]:
        told = {
            detector.name: detector.tell(found, body)
            for detector, found in zip(self._detectors, seen, strict=True)
        }
        return {**body, **told}


@dataclass(frozen=True)
class _Ready:
    seen: tuple[Any, ...]
    prepared: Any


class DetectingAhead(Detecting):
    """The same for an engine that prepares images in other threads: detectors see them there."""

    def __init__(self, enricher: Any, detectors: Sequence[Detector]) -> None:
        super().__init__(enricher, detectors)
        self._preparing = enricher
        self.ahead: int = enricher.ahead

    def prepare(self, image: Image) -> _Ready:
        """What `describe` takes in place of the image. Raises `InvalidImage`."""
        require_images([image])
        seen = self._see(image)
        return _Ready(seen, self._preparing.prepare(image))

    def describe(
        self, images: Sequence[Any], hints: Sequence[Mapping[str, Any] | None] | None = None
    ) -> list[dict[str, Any]]:
        """Images may have been prepared already, each for itself. Raises as the engine does."""
        ready = [one if isinstance(one, _Ready) else self.prepare(one) for one in images]
        return self._told([one.seen for one in ready], [one.prepared for one in ready], hints)
