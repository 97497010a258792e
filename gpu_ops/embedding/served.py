"""The embedder `openai`: a model behind `/v1/embeddings`.

OpenAI's protocol has texts alone. Pictures go as vLLM takes them for pooling models: `messages` in
the place of `input`, as in a chat, with the picture as a data URL. Words go the same way, so that
both pass the server's template.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gpu_ops.embedding.options import WORDS, ServedOptions
from gpu_ops.embedding.vectors import unit
from gpu_ops.endpoint.client import Client, GracePeriods, RequestRefused
from gpu_ops.endpoint.enricher import JPEG_QUALITY, data_url, plain
from gpu_ops.endpoint.options import VISUAL_TOKENS
from gpu_ops.endpoint.served import Server, stated_revision
from gpu_ops.interface import Identity, NoWords, SomeFailed, require_images

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from gpu_ops.interface import Image

VERSION = "endpoint-embedder@1"
FRESH = 10.0
"""Seconds for which it is believed that the server is what it said: less than loading takes."""


class ServedEmbedder:
    """Asks a server for a vector of each image. Safe to use from threads.

    What the server says of itself is part of the identity: another version, or other files of the
    model, may place the same picture elsewhere.
    """

    def __init__(self, options: ServedOptions, client: Client | None = None) -> None:
        self._options = options
        self._client = client or Client(
            options.url,
            key=options.key,
            connections=options.connections,
            patience=GracePeriods(timeout=options.timeout),
        )
        self._server = Server(self._client, options.model, FRESH)
        self._measured: tuple[str, int] | None = None  # of which identity, how many numbers

    @property
    def identity(self) -> Identity:
        """Asks the server what it is, unless that is known. Raises EndpointError and ValueError."""
        facts = self._server.facts()
        stated = stated_revision(
            facts, self._options.model, self._options.revision, "PARJANYA_EMBEDDING__REVISION"
        )
        parts = (VERSION, stated, facts.identity, f"jpeg {JPEG_QUALITY}, {VISUAL_TOKENS} tokens",
                 self._options.instruction)  # fmt: skip
        return Identity(
            engine="openai",
            model=self._options.model,
            revision=f"{stated}+sha256:{hashlib.sha256(chr(10).join(parts).encode()).hexdigest()}",
            prompt=self._options.instruction,
            determinism="numerical",
        )

    @property
    def dimension(self) -> int:
        """Found by asking about a grey picture, once. Raises as `identity` does."""
        revision = self.identity.revision
        measured = self._measured
        if measured is None or measured[0] != revision:
            measured = revision, len(self._asked(self._about(plain())))
            self._measured = measured
        return measured[1]

    def check(self) -> None:
        """Ask the server whether it serves the model and takes pictures.

        Raises EndpointError, ValueError.
        """
        self._server.ask()
        if self.dimension < 1:
            raise ValueError(f"{self._options.model} gives empty vectors")

    def warm(self) -> None:
        """Loads nothing: the server keeps the model warm."""

    def embed(self, images: Sequence[Image]) -> NDArray[np.float32]:
        """Vectors (n, dimension) of unit length. Raises `InvalidImage`, `SomeFailed` where the
        server refuses some images, and EndpointError where it cannot answer now."""
        import numpy as np

        require_images(images)
        dimension = self.dimension
        futures = [self._client.submit(self._of_image, image, dimension) for image in images]
        found: list[NDArray[np.float32] | None] = []
        errors: dict[int, Exception] = {}
        try:
            for position, future in enumerate(futures):
                try:
                    found.append(future.result())
                except (RequestRefused, ValueError) as error:  # this image's alone
                    errors[position] = error
                    found.append(None)
        finally:
            for future in futures:
                future.cancel()
        if errors:
            raise SomeFailed(found, errors)
        return np.array(found, np.float32).reshape(len(images), dimension)

    def embed_words(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors (n, dimension) of unit length, in the space of the images.

        Raises `NoWords` where the server refuses words, and EndpointError.
        """
        import numpy as np

        found = []
        for text in texts:
            said = {"type": "text", "text": self._options.query.replace(WORDS, text)}
            try:
                vector = self._asked([said])
            except RequestRefused as error:
                raise NoWords(f"{self._options.model} takes no words: {error}") from error
            found.append(unit([vector], self.dimension)[0])
        return np.array(found, np.float32).reshape(len(texts), self.dimension)

    def close(self) -> None:
        """Close connections and end threads. The next call opens others."""
        self._client.close()

    def _of_image(self, image: Image, dimension: int) -> NDArray[np.float32]:
        vector: NDArray[np.float32] = unit([self._asked(self._about(image))], dimension)[0]
        return vector

    def _about(self, image: Image) -> list[dict[str, Any]]:
        shown = [{"type": "image_url", "image_url": {"url": data_url(image)}}]
        instruction = self._options.instruction
        return [*shown, {"type": "text", "text": instruction}] if instruction else [*shown]

    def _asked(self, content: list[dict[str, Any]]) -> list[float]:
        answer = self._client.embedding(
            {
                "model": self._options.model,
                "messages": [{"role": "user", "content": content}],
                "encoding_format": "float",
            }
        )
        vector: list[float] = answer["data"][0]["embedding"]
        return vector
