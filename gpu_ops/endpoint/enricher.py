"""The engine `openai`: an enricher whose model is served elsewhere."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import cached_property
from typing import TYPE_CHECKING, Any

from gpu_ops.endpoint import letters
from gpu_ops.endpoint.client import Client, GracePeriods
from gpu_ops.endpoint.options import Options
from gpu_ops.interface import LABELS, Identity, SomeFailed, require_images
from gpu_ops.vlm import categories, description, evidence, prompts

if TYPE_CHECKING:
    from gpu_ops.interface import Image

VERSION = "endpoint-enricher@2"
JPEG_QUALITY = 95
TOP = 20  # tokens whose likelihood is asked for: the most that servers give
GREEDY: Mapping[str, float] = {
    "temperature": 0,
    "top_p": 1,
    "top_k": -1,
    "min_p": 0,
    "repetition_penalty": 1,
    "presence_penalty": 0,
    "frequency_penalty": 0,
    "seed": 0,
}
"""Always sent: what is not, vLLM and SGLang take from the checkpoint's generation_config.json."""
LIKELIHOOD, VOTES = "none", "votes"
"""`calibration` of the evidence: the model's own likelihoods, or shares of bare answers."""


class Sendable(str):
    """An image as a data URL."""


class EndpointEnricher:
    """Asks an OpenAI-compatible server about each image: its kind, in several orders, and a
    description as JSON by a schema.

    `model` and `revision` are what the operator says is served: the protocol tells no revision.
    `ahead` images are held ready, so that the server is never short of requests.
    """

    ahead = 64

    def __init__(
        self,
        client: Client,
        model: str,
        revision: str = "",
        prompt: str = prompts.DEFAULT,
        describe: bool = True,
        answer_mass: float = evidence.LEAST_MASS,
    ) -> None:
        self._client, self._model, self._revision = client, model, revision
        self._prompt, self._describe = prompts.load(prompt), describe
        self._least_mass = answer_mass
        self._orders = categories.orders(LABELS, self._prompt.category.orders)
        self._lock = threading.Lock()
        self._threads: ThreadPoolExecutor | None = None

    def asking(self, prompt: str) -> EndpointEnricher:
        """The same engine with another prompt. Raises ValueError where there is no such prompt."""
        if prompt == self._prompt.id:
            return self
        return EndpointEnricher(
            self._client, self._model, self._revision, prompt, self._describe, self._least_mass
        )

    @cached_property
    def identity(self) -> Identity:
        stated = self._revision or "unstated"
        parts = [
            VERSION,
            stated,
            f"jpeg {JPEG_QUALITY}",
            f"top {TOP}",
            json.dumps(GREEDY),
            f"answer_mass {self._least_mass}",
        ]
        if self._describe:
            parts.append(json.dumps(description.json_schema(), sort_keys=True))
        return Identity(
            engine="openai",
            model=self._model,
            revision=f"{stated}+sha256:{hashlib.sha256(chr(10).join(parts).encode()).hexdigest()}",
            prompt=self._prompt.identity,
            determinism="numerical",
        )

    def warm(self) -> None:
        """Loads nothing: the server keeps the model warm."""

    def check(self) -> None:
        """Ask the server whether it serves the model. Raises EndpointError, ValueError."""
        served = self._client.models()
        if self._model not in served:
            raise ValueError(
                f"{self._client.url} does not serve {self._model!r}, but {', '.join(served)}"
            )

    def prepare(self, image: Image) -> Sendable:
        """The image as it is sent, for threads that run ahead. Raises InvalidImage."""
        require_images([image])
        return Sendable(data_url(image))

    def describe(
        self,
        images: Sequence[Image | Sendable],
        hints: Sequence[Mapping[str, Any] | None] | None = None,
    ) -> list[dict[str, Any]]:
        """Return one `enriched` evidence body per image, in order. `hints` are not used.

        Images may have been prepared already.
        Raises `SomeFailed` where images have no answer; the others are not asked again.
        """
        require_images([image for image in images if not isinstance(image, Sendable)])
        urls = [i if isinstance(i, Sendable) else Sendable(data_url(i)) for i in images]
        asked = [self._ask(url) for url in urls]
        bodies: list[dict[str, Any]] = []
        errors: dict[int, Exception] = {}
        for position, futures in enumerate(asked):
            try:
                bodies.append(self._answer(futures))
            except Exception as error:
                errors[position] = error
        if errors:
            answered = iter(bodies)
            raise SomeFailed(
                [None if i in errors else next(answered) for i in range(len(images))], errors
            )
        return bodies

    def _ask(self, url: str) -> list[Future[dict[str, Any]]]:
        """All questions about one image at once: the category in each order, the description."""
        payloads = [
            {
                **self._question(url, self._prompt.category_question(order)),
                "max_tokens": 1,
                "logprobs": True,
                "top_logprobs": TOP,
            }
            for order in self._orders
        ]
        if self._describe:
            payloads.append(
                {
                    **self._question(url, self._prompt.description.question),
                    "max_tokens": self._prompt.description.max_tokens,
                    "response_format": {"type": "json_schema", "json_schema": _schema()},
                }
            )
        return [self._pool().submit(self._client.chat, payload) for payload in payloads]

    def _question(self, url: str, question: str) -> dict[str, Any]:
        # The system text and the image come first in every question, so a server with a prefix
        # cache reads them once.
        return {
            "model": self._model,
            **GREEDY,
            "messages": [
                {"role": "system", "content": self._prompt.system},
                {
                    "role": "user",
                    "content": [
                        {"type": "image_url", "image_url": {"url": url}},
                        {"type": "text", "text": question},
                    ],
                },
            ],
        }

    def _answer(self, futures: Sequence[Future[dict[str, Any]]]) -> dict[str, Any]:
        """The evidence of one image. Raises whatever its questions raised."""
        try:
            answers = [future.result() for future in futures]
        except Exception:
            for future in futures:
                future.cancel()  # the image's other questions need no answer any more
            wait(futures)  # no question is still under way when the caller gets the error
            raise
        kinds, description = answers[: len(self._orders)], answers[-1]
        choices = [answer["choices"][0] for answer in kinds]
        probabilities, calibration = self._category(choices)
        last = description["choices"][0]
        said = last["message"]
        words = str(said.get("content") or said.get("refusal") or "")
        body = evidence.body(
            engine="openai",
            prompt=self._prompt.id,
            probabilities=probabilities,
            calibration=calibration,
            answer_mass=sum(letters.mass(c, len(LABELS)) for c in choices) / len(choices),
            least_mass=self._least_mass,
            raw=words if self._describe else None,
        )
        served = {
            "model": description.get("model"),
            "fingerprint": description.get("system_fingerprint"),
        }
        if self._describe:  # "length": cut off; "content_filter": withheld
            served["finish_reason"] = last.get("finish_reason")
        return {**body, "served": served}

    def _category(self, choices: Sequence[Mapping[str, Any]]) -> tuple[dict[str, float], str]:
        """Label -> probability, and which method made the probabilities."""
        count = len(LABELS)
        likelihoods = [letters.log_likelihoods(choice, count) for choice in choices]
        known = [likelihood for likelihood in likelihoods if likelihood is not None]
        if len(known) == len(choices):
            answers = [
                categories.by_label(order, likelihood)
                for order, likelihood in zip(self._orders, known, strict=True)
            ]
            return categories.probabilities(categories.scores(answers)), LIKELIHOOD
        votes = [letters.letter(choice, count) for choice in choices]
        labels = [
            None if vote is None else order[vote]
            for order, vote in zip(self._orders, votes, strict=True)
        ]
        return letters.shares(labels, LABELS), VOTES

    def close(self) -> None:
        """Close connections and end threads. The next call opens others."""
        with self._lock:
            pool, self._threads = self._threads, None
        if pool is not None:
            pool.shutdown()
        self._client.close()

    def _pool(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._threads is None:
                self._threads = ThreadPoolExecutor(self._client.connections, "endpoint")
            return self._threads


def from_options(options: Options) -> EndpointEnricher:
    """The engine that options choose, with a client of its own."""
    client = Client(
        options.url,
        key=options.key,
        connections=options.connections,
        patience=GracePeriods(timeout=options.timeout),
    )
    return EndpointEnricher(
        client,
        options.model,
        options.revision,
        options.prompt,
        options.describe,
        options.answer_mass,
    )


def _schema() -> dict[str, Any]:
    return {"name": "description", "schema": description.json_schema(), "strict": True}


def data_url(image: Image) -> str:
    """An image as a data URL, JPEG."""
    from PIL import Image as Pillow

    buffer = io.BytesIO()
    Pillow.fromarray(image).save(buffer, "JPEG", quality=JPEG_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
