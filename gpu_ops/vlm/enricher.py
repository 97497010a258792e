"""The engine `transformers`: a vision-language model in this process."""

from __future__ import annotations

import gc
import hashlib
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, TypeVar

from gpu_ops.device import device
from gpu_ops.faults import lost, too_much
from gpu_ops.interface import EngineLost, Identity, SomeFailed, require_images
from gpu_ops.vlm import categories, checkpoint, description, evidence, libraries, prompts
from gpu_ops.vlm.batching import batches, halving
from gpu_ops.vlm.calibration import UNCALIBRATED, Calibration
from gpu_ops.vlm.options import Options

if TYPE_CHECKING:
    from gpu_ops.interface import Image
    from gpu_ops.vlm.pictures import Picture, Preparer
    from gpu_ops.vlm.reader import Answer, InDoubt, Letters, Reader

T = TypeVar("T")
R = TypeVar("R")

ENGINE = "transformers"
VERSION = "transformers-enricher@3"


class TransformersEnricher:
    """Loads a vision-language model once and keeps it. Safe to use from threads; they take turns.

    `ahead` is how many images are worth holding ready, so that batches are full.
    """

    ahead = 64

    def __init__(self, options: Options) -> None:
        self._options = options
        self._prompt = prompts.load(options.prompt, options.prompts)
        self._calibration = (
            Calibration.read(options.calibration) if options.calibration else UNCALIBRATED
        )
        self._budget = options.batch_tokens
        self._lock = threading.RLock()
        self._reader: Reader | None = None
        self._preparer: Preparer | None = None
        self._owner: TransformersEnricher | None = None  # whose model it asks

    @property
    def labels(self) -> tuple[str, ...]:
        """The kinds that it tells apart."""
        return self._prompt.labels

    def asking(self, prompt: str) -> TransformersEnricher:
        """The same model with another prompt. The model is loaded once, and both take turns.

        A calibration is fitted for one prompt, so another prompt has none. Raises ValueError if
        there is no such prompt.
        """
        if prompt == self._prompt.id:
            return self
        other = TransformersEnricher(replace(self._options, prompt=prompt, calibration=""))
        other._owner, other._lock = self, self._lock
        return other

    @cached_property
    def identity(self) -> Identity:
        """Reads the model's files to hash them. Raises ModelMissing where they are not there."""
        options = self._options
        folder = checkpoint.folder_of(options.model, options.revision)
        files = checkpoint.revision_of(folder)
        self._calibration.require(files, self._prompt.identity)
        parts = [VERSION, files, f"visual_tokens {options.visual_tokens}", *self._asked()]
        parts += [self._calibration.identity, f"answer_mass {options.answer_mass}"]
        parts.append(f"sure {categories.SURE}, sample {categories.SAMPLE}")
        parts += [f"{name} {version}" for name, version in libraries.versions().items()]
        return Identity(
            engine=ENGINE,
            model=f"{checkpoint.name_of(options.model, folder)}@{files}",
            revision="sha256:" + hashlib.sha256("\n".join(parts).encode()).hexdigest(),
            prompt=self._prompt.identity,
            determinism="numerical",
        )

    def check(self) -> None:
        """Checks nothing itself: the preflight looks into the folder of the model."""

    def calibrated_for(self) -> dict[str, str]:
        """The model's files and the prompt, as a calibration names them."""
        folder = checkpoint.folder_of(self._options.model, self._options.revision)
        return {"model": checkpoint.revision_of(folder), "prompt": self._prompt.identity}

    def _asked(self) -> list[str]:
        if not self._options.describe:
            return ["category"]
        schema = json.dumps(description.json_schema(), sort_keys=True)
        return ["category and description", schema, f"cap {self._prompt.description.cap}"]

    def warm(self) -> None:
        """Load the model. Raises OSError or ValueError where its folder does not do."""
        with self._lock:
            if self._reader is None:
                from gpu_ops.vlm.reader import Reader

                options = self._options
                if self._owner is not None:
                    self._owner.warm()
                    kept = self._owner._reader
                    assert kept
                    self.adopt(kept.asking(self._prompt, describe=options.describe))
                    return
                folder = checkpoint.folder_of(options.model, options.revision)
                self.adopt(
                    Reader(
                        folder,
                        self._prompt,
                        describe=options.describe,
                        device=device(options.device),
                    )
                )

    def adopt(self, reader: Reader) -> None:
        """Use a reader that is in memory already (random weights, for a benchmark)."""
        from gpu_ops.vlm.pictures import Preparer

        self._preparer = Preparer(
            reader.processor.image_processor,
            self._options.visual_tokens,
            reader.dtype,
            beside_gpu=reader.device.type == "cuda",
        )
        self._reader = reader

    def prepare(self, image: Image) -> Picture:
        """What `describe` does to an image before the model sees it: for threads that run ahead.

        Raises InvalidImage where the array is not an upright RGB image.
        """
        if self._preparer is None:  # never wait for the lock that the model at work holds
            self.warm()
        assert self._preparer
        return _unless_lost(self._preparer, image)

    def describe(
        self,
        images: Sequence[Image | Picture],
        hints: Sequence[Mapping[str, Any] | None] | None = None,
    ) -> list[dict[str, Any]]:
        """Return one `enriched` evidence body per image, in order.

        Images may have been prepared already. `hints` are not used: the model sees for itself.
        Raises InvalidImage, SomeFailed where some images cannot be answered, and EngineLost.
        """
        if hints is not None and len(hints) != len(images):
            raise ValueError(f"{len(hints)} hints for {len(images)} images: pass one per image")
        bodies = [self._body(answer) for answer in self._answers(images)]
        errors = {i: body for i, body in enumerate(bodies) if isinstance(body, Exception)}
        good = [None if isinstance(body, Exception) else body for body in bodies]
        if errors:
            raise SomeFailed(good, errors)
        return [body for body in good if body is not None]

    def by_order(self, images: Sequence[Image]) -> list[list[dict[str, float]]]:
        """Label -> log-likelihood of each image, in each order of the labels: all are asked. To
        calibrate with. Raises the first error that an image meets.
        """
        found = []
        for answer in self._answers(images, every=True):
            if isinstance(answer, Exception):
                raise answer
            found.append(self._by_order(answer.letters))
        return found

    def pooled(self, answers: Sequence[Mapping[str, float]]) -> dict[str, float]:
        """Label -> mean log-likelihood, over as many orders as would be asked."""
        return categories.pooled(answers)

    def _answers(
        self, images: Sequence[Image | Picture], *, every: bool = False
    ) -> list[Answer | MemoryError]:
        from gpu_ops.vlm.pictures import Picture

        if not images:
            return []
        with self._lock:
            self.warm()
            assert self._reader
            assert self._preparer
            arrays = [image for image in images if not isinstance(image, Picture)]
            require_images(arrays)
            pictures = [
                image if isinstance(image, Picture) else self._preparer(image) for image in images
            ]
            sizes = [picture.size for picture in pictures]
            by_position: dict[int, Answer | MemoryError] = {}
            besides = self._reader.tokens_besides_picture
            in_doubt: InDoubt = (lambda *_: True) if every else self._in_doubt
            ask = partial(_unless_lost, partial(self._reader.answer, in_doubt=in_doubt))
            for batch in batches(sizes, besides, self._budget):
                chosen = [pictures[position] for position in batch]
                relieve = partial(self._relieve, sizes[batch[0]] + besides)
                budget = self._budget
                answers = halving(chosen, ask, too_much, relieve)
                by_position |= dict(zip(batch, answers, strict=True))
                if self._budget == budget:  # memory sufficed: raise the budget a little again
                    self._budget = min(self._options.batch_tokens, budget + budget // 16 + 1)
        return [by_position[position] for position in range(len(images))]

    def _in_doubt(self, picture: Picture, letters: Letters) -> bool:
        try:
            means = categories.scores(self._by_order(letters))
        except ValueError:  # not finite, and no other order would be
            return False
        chances = categories.probabilities(means, self._calibration.temperature)
        return picture.sampled or max(chances.values()) < categories.SURE

    def _by_order(self, letters: Letters) -> list[dict[str, float]]:
        """Of the orders that were asked."""
        assert self._reader
        orders = self._reader.questions.orders
        return [categories.by_label(*pair) for pair in zip(orders, letters, strict=False)]

    def _body(self, answer: Answer | MemoryError) -> dict[str, Any] | Exception:
        if isinstance(answer, MemoryError):
            return answer
        try:
            means = categories.scores(self._by_order(answer.letters))
        except ValueError as error:
            return error
        body = evidence.body(
            engine=ENGINE,
            prompt=self._prompt.id,
            labels=self._prompt.labels,
            probabilities=categories.probabilities(means, self._calibration.temperature),
            calibration=self._calibration.identity,
            answer_mass=categories.mass(answer.letters),
            least_mass=self._options.answer_mass,
            raw=answer.written,
        )
        return {**body, "libraries": libraries.versions()}

    def _relieve(self, row: int, rows: int) -> None:
        """So many rows of so many tokens were too much: free what can be, halve the budget."""
        import torch

        self._budget = min(self._budget, max(1, rows // 2 * row))
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def _unless_lost(work: Callable[[T], R], given: T) -> R:
    try:
        return work(given)
    except Exception as error:
        if lost(error):
            raise EngineLost(f"the device failed: {error}") from error
        raise
