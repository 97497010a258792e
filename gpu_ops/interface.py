"""What an engine is: a stated identity, and a function from a batch of images to evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Image = NDArray[np.uint8]

#: The categories an image can have, in the order evidence lists them.
LABELS = (
    "photo",
    "screenshot",
    "banner",
    "poster",
    "slide",
    "social_card",
    "infographic",
    "illustration",
)

#: exact: the same pixels give the same evidence on every machine.
#: numerical: floating point may round otherwise on another processor, and nothing else differs. The
#: embedded scorer's numbers then move by less than 0.01. A network's answer moves in its last
#: digits; what hangs on a threshold (a box of text, a tag) may come or go where it lies on it.
#: sampled: a random draw, so asking again may answer otherwise.
#: What was measured stands in docs/reproducibility.md.
Determinism = Literal["exact", "numerical", "sampled"]


@dataclass(frozen=True)
class Identity:
    """Everything that can change an engine's answer. It is hashed into the evidence fingerprint."""

    engine: str  # the implementation, such as "embedded"
    model: str  # which models it runs, by name and version
    revision: str  # hash of code version, weights and calibration together
    prompt: str  # what a language model is asked; empty where nothing is asked
    determinism: Determinism

    def as_dict(self) -> dict[str, str]:
        return asdict(self)


class Engine(Protocol):
    """What every engine answers, whatever it says of images."""

    @property
    def identity(self) -> Identity:
        """May read files to hash them, but loads no model."""

    def check(self) -> None:
        """Look for what is needed without loading it: hashes of weights, the server's models.

        Raises what is wrong, in words for the operator.
        """

    def warm(self) -> None:
        """Load every model now. Safe to call from any thread, any number of times."""


class Enricher(Engine, Protocol):
    """Says what an image shows."""

    def asking(self, prompt: str) -> Enricher:
        """The same engine with another prompt; models are shared.

        Raises ValueError where there is no such prompt, and where the engine asks nothing at all.
        """

    def describe(
        self, images: Sequence[Image], hints: Sequence[Mapping[str, Any] | None] | None = None
    ) -> list[dict[str, Any]]:
        """Return one `enriched` evidence body per image, in order.

        `hints` are the `technical` measures taken before the preview was compressed, one per
        image or None. They sharpen the answer; their absence is no error.
        Raises `InvalidImage` when an array is not an upright RGB image, `SomeFailed` where an
        engine can tell which images failed and has answers for the others, and `EngineLost`.
        """


@runtime_checkable
class Prepares(Protocol):
    """An engine that prepares images in other threads, ahead of its model."""

    ahead: int  # how many images one call should be given, so that its batches are full

    def prepare(self, image: Image) -> Any:
        """What `describe` takes in place of the image. Raises `InvalidImage`."""


@runtime_checkable
class SideBySide(Protocol):
    """An engine that may be asked by several threads at once, and then leaves no core waiting for
    the last image of a batch."""

    at_once: int  # how many calls keep it busy


class Scorer(Engine, Protocol):
    """Says how good an image is technically."""

    def has(self, metric: str) -> bool:
        """Whether the engine has a metric of this name, with or without its weights."""

    def measuring(self, metrics: Sequence[str]) -> Scorer:
        """The same engine with these metrics too, of those that it has; models are shared."""

    def score(
        self, images: Sequence[Image], hints: Sequence[Mapping[str, Any] | None] | None = None
    ) -> list[dict[str, Any]]:
        """Return one `scored` evidence body per image, in order.

        `hints` are as in `Enricher.describe`.
        Raises `InvalidImage` when an array is not an upright RGB image.
        """


class Embedder(Engine, Protocol):
    """Says where an image lies among others, by a vector.

    Vectors of one identity can be compared with one another, and with no others.
    """

    @property
    def dimension(self) -> int:
        """How many numbers a vector has."""

    def embed(self, images: Sequence[Image]) -> NDArray[np.float32]:
        """Return vectors (n, dimension) of unit length, one per image, in order.

        Raises `InvalidImage` when an array is not an upright RGB image, `SomeFailed` (its bodies
        are vectors) where an engine can tell which images failed, and what says that the engine
        cannot work now.
        """

    def embed_words(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return vectors (n, dimension) of unit length, one per text, in the space of the images.

        Raises `NoWords` where the engine has no text side.
        """


class SomeFailed(Exception):
    """Some images of a batch got no answer. Those that did are not asked again.

    `bodies` holds one evidence body per image, in order, None where it failed; `errors` says why,
    by position. An error whose attribute `transient` is true may pass by itself.
    """

    def __init__(self, bodies: Sequence[Any | None], errors: Mapping[int, Exception]) -> None:
        first = next(iter(errors.values()), None)
        super().__init__(f"{len(errors)} of {len(bodies)} images failed, the first: {first}")
        self.bodies = bodies
        self.errors = errors


class NoWords(ValueError):
    """The vectors of this engine cannot be searched by words: it has no text side."""


class EngineLost(Exception):
    """Nothing more can be had from the engine in this process: the GPU's context died, say.

    No image is at fault, and none may pay for it. A new process may do well.
    """


class InvalidImage(ValueError):
    """The array is not an upright RGB image: pass uint8 of shape (height, width, 3)."""


def require_images(images: Sequence[Image]) -> None:
    """Raise `InvalidImage`, naming the position, for the first array that is not an image."""
    for position, image in enumerate(images):
        shape = getattr(image, "shape", None)
        dtype = getattr(image, "dtype", None)
        well_formed = shape is not None and len(shape) == 3 and shape[2] == 3 and min(shape) > 0
        if not well_formed or str(dtype) != "uint8":
            raise InvalidImage(
                f"image {position} of the batch has shape {shape} and dtype {dtype}; "
                "pass an upright sRGB array of shape (height, width, 3), dtype uint8"
            )
