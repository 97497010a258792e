"""The embedded enricher: a category from pixels, text and a small network. Writes no captions."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from gpu_ops import onnx_folding
from gpu_ops.embedded import (
    backbone,
    category,
    overlay,
    photograph,
    statistics,
    tags,
    text,
    text_detector,
    weights,
    workers,
)
from gpu_ops.interface import Identity, require_images

if TYPE_CHECKING:
    from gpu_ops.interface import Image

VERSION = "embedded-enricher@5"


class EmbeddedEnricher:
    """A small network, statistics, RapidOCR, and linear models on them. CPU only, needs no hub.

    `tagging` adds tags to what is probably a photograph; it needs the extra `tags`. `overlays`
    adds what of the text was laid over the picture.
    """

    def __init__(
        self, tagging: bool = False, name: str = "embedded", overlays: bool = False
    ) -> None:
        self._name = name
        self._tagger = tags.Tagger() if tagging else None
        # One call at a time with tags: torch and ONNX Runtime slow each other.
        self.at_once = 1 if tagging else workers.AT_ONCE
        self._model = category.load()
        self._photograph = photograph.load()
        self._backbone = backbone.Backbone()
        self._reader = text.TextReader(overlays)
        self._overlays = overlays

    @cached_property
    def identity(self) -> Identity:
        readers = [text.weights_folder() / name for name in (text.DETECTOR, text.RECOGNISER)]
        reading = (text.DETECTION_SIDE, text.MAX_LINES, text.MAX_ASPECT, text.READABLE)
        parts = [VERSION, statistics.VERSION, self._model.identifier, repr(reading)]
        parts += [str(text.MAX_PLACES)]
        parts += [sha256_of(path) for path in readers] + [onnx_folding.VERSION]
        parts += [backbone.VERSION, str(backbone.AREA), weights.identifier("backbone")]
        parts += [self._photograph.identifier, text_detector.load().identifier]
        models = [self._photograph.identifier, self._model.identifier]
        models += [Path(backbone.FILE).stem, *(path.stem for path in readers)]
        if self._tagger:
            parts += [tags.VERSION, tags.SHA256, str(tags.THRESHOLD)]
            models.append(Path(tags.FILE).stem)
        if self._overlays:
            judged = (overlay.LEAN, overlay.CRISP, overlay.LEAST, overlay.MOST, overlay.EDGE)
            parts += [overlay.VERSION, repr(judged)]
        return Identity(
            engine=self._name,
            model="; ".join(models),
            revision="sha256:" + hashlib.sha256("\n".join(parts).encode()).hexdigest(),
            prompt="",
            determinism="numerical",
        )

    def asking(self, prompt: str) -> NoReturn:
        """Raises ValueError: there is no language model to ask."""
        raise ValueError(
            f"the engine {self._name} asks nothing: choose another engine "
            "(PARJANYA_ENGINES__ENRICHER), or another policy"
        )

    def check(self) -> None:
        """Raises ImportError or OSError where the weights of the text models are missing.

        Raises `BadWeights` where those of the backbone are missing or altered.
        """
        weights.read("backbone")
        for name in (text.DETECTOR, text.RECOGNISER):
            (text.weights_folder() / name).stat()

    def warm(self) -> None:
        """Raises ImportError if the weights of the tags are wanted but not installed."""
        self._reader.warm()
        self._backbone.warm()
        if self._tagger:
            self._tagger.warm()

    def describe(
        self, images: Sequence[Image], hints: Sequence[Mapping[str, Any] | None] | None = None
    ) -> list[dict[str, Any]]:
        """Return one `enriched` evidence body per image, in order.

        `hints` are accepted and not used by this version, because the model was fitted on previews.
        """
        require_images(images)
        self.warm()
        if hints is not None and len(hints) != len(images):
            raise ValueError(f"{len(hints)} hints for {len(images)} images: pass one per image")
        bodies = workers.each(self._describe, images)
        if self._tagger:
            # After the text of all: torch and ONNX Runtime slow each other when they alternate.
            photos = [i for i, body in enumerate(bodies) if body["category"] == "photo"]
            with tags.one_thread_each():
                found = workers.each(self._tagger.tag, (images[i] for i in photos))
            for position, names in zip(photos, found, strict=True):
                bodies[position]["tags"] = names
        return bodies

    def _describe(self, image: Image) -> dict[str, Any]:
        measures = statistics.measure(image)
        reading = self._reader.read(image)
        features = category.features(measures, reading)
        graphic = self._photograph.graphic(self._backbone.look(image), features)
        return {
            **self._model.describe(features, graphic),
            "caption": None,
            "caption_source": "none",
            "tags": [],
            "text": reading.as_dict(),
            "statistics": {name: round(value, 4) for name, value in measures.items()},
            **({"overlay": reading.overlay.as_dict()} if reading.overlay else {}),
            "engine": self._name,
        }


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
