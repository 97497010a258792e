"""The engine `openai`: an enricher whose model is served elsewhere."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import math
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from gpu_ops.endpoint import questions
from gpu_ops.endpoint.client import Client, GracePeriods
from gpu_ops.endpoint.looks import Look, look
from gpu_ops.endpoint.options import VISUAL_TOKENS, Options
from gpu_ops.endpoint.served import Server, stated_revision
from gpu_ops.interface import Identity, SomeFailed, require_images
from gpu_ops.vlm import categories, evidence, prompts
from gpu_ops.vlm.calibration import UNCALIBRATED, Calibration
from gpu_ops.vlm.pictures import stripe

if TYPE_CHECKING:
    from gpu_ops.interface import Image

VERSION = "endpoint-enricher@4"
JPEG_QUALITY = 95
TOKEN_SIDE = 28
"""Pixels along a token's side, as Qwen2.5-VL cuts pictures. Qwen3-VL has 32, so it gets fewer."""
VOTES = "votes"
"""`calibration` of the evidence where the probabilities are shares of bare answers."""


class Asked:
    """A picture about which the server is being asked. Forgotten, it is not asked any more."""

    def __init__(self, look: Future[Look]) -> None:
        self.look = look

    def __del__(self) -> None:
        self.look.cancel()


class EndpointEnricher:
    """Asks an OpenAI-compatible server about each image: one question, whose answer is JSON by a
    schema, the kind first. Where that leaves doubt, the kind again in other orders.

    `model` and `revision` are what the operator says is served. What the server says of itself is
    asked once, and is part of the identity: another version or other files may answer otherwise.
    `ahead` images are held ready. They are asked about as soon as they are prepared, so a batch
    need not end before the next begins.
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
        calibration: Calibration = UNCALIBRATED,
        visual_tokens: int = VISUAL_TOKENS,
        folder: str = "",
        server: Server | None = None,
    ) -> None:
        self._client, self._model, self._revision = client, model, revision
        self._server = server or Server(client, model)
        self._prompt, self._describe = prompts.load(prompt, folder), describe
        self._folder = folder
        self._least_mass, self._calibration = answer_mass, calibration
        self._visual_tokens = visual_tokens
        self._orders = categories.orders(self.labels, self._prompt.category.orders)

    @property
    def labels(self) -> tuple[str, ...]:
        """The kinds that it tells apart."""
        return self._prompt.labels

    def asking(self, prompt: str) -> EndpointEnricher:
        """The same engine with another prompt, which has no calibration.

        Raises ValueError where there is no such prompt.
        """
        if prompt == self._prompt.id:
            return self
        return EndpointEnricher(
            self._client,
            self._model,
            self._revision,
            prompt,
            self._describe,
            self._least_mass,
            visual_tokens=self._visual_tokens,
            folder=self._folder,
            server=self._server,
        )

    @property
    def identity(self) -> Identity:
        """Asks the server what it is, unless that is known. Raises EndpointError, and ValueError
        where it does not serve the model, serves other files of it than were stated, or the
        calibration was fitted for something else."""
        self._calibration.require(**self.calibrated_for())
        server, stated = self._server.facts(), self._stated()
        parts = [
            VERSION,
            stated,
            server.identity,
            f"jpeg {JPEG_QUALITY}, visual_tokens {self._visual_tokens} of {TOKEN_SIDE}",
            f"top {questions.TOP}",
            json.dumps(questions.GREEDY),
            f"answer_mass {self._least_mass}",
            f"sure {categories.SURE}, sample {categories.SAMPLE}",
            self._calibration.identity,
        ]
        if self._describe:
            schema = questions.json_schema(len(self.labels))
            parts += [questions.BEGIN, json.dumps(schema)]  # unsorted: the kind must come first
            parts.append(f"cap {self._prompt.description.cap}")
        return Identity(
            engine="openai",
            model=self._model,
            revision=f"{stated}+sha256:{hashlib.sha256(chr(10).join(parts).encode()).hexdigest()}",
            prompt=self._prompt.identity,
            determinism="numerical",
        )

    def calibrated_for(self) -> dict[str, str]:
        """The model, as the operator states it, and the prompt, as a calibration names them."""
        return {"model": f"{self._model}@{self._stated()}", "prompt": self._prompt.identity}

    def _stated(self) -> str:
        """Which files of the model: as the operator says, else as the server does."""
        facts = self._server.facts()
        return stated_revision(facts, self._model, self._revision, "PARJANYA_VLM__REVISION")

    def warm(self) -> None:
        """Loads nothing: the server keeps the model warm."""

    def check(self) -> None:
        """Ask the server whether it serves the model, and the model whether it answers with a
        letter where no schema forces it to. Raises EndpointError, ValueError."""
        self._server.ask()
        self._stated()
        mass = self._look(self._url(plain()), describe=False).mass
        if mass is not None and mass < self._least_mass:
            raise ValueError(evidence.no_letter(mass))

    def prepare(self, image: Image) -> Asked:
        """Begin to ask about an image, for threads that run ahead. Raises InvalidImage."""
        require_images([image])
        return Asked(self._client.submit(self._look, self._url(image), self._describe))

    def describe(
        self,
        images: Sequence[Image | Asked],
        hints: Sequence[Mapping[str, Any] | None] | None = None,
    ) -> list[dict[str, Any]]:
        """Return one `enriched` evidence body per image, in order. `hints` are not used.

        Images may have been prepared already.
        Raises `SomeFailed` where images have no answer; the others are not asked again.
        """
        looks = self._looks(images)
        errors = {i: look for i, look in enumerate(looks) if isinstance(look, Exception)}
        bodies = [None if isinstance(look, Exception) else self._body(look) for look in looks]
        if errors:
            raise SomeFailed(bodies, errors)
        return [body for body in bodies if body is not None]

    def by_order(self, images: Sequence[Image]) -> list[list[dict[str, float]]]:
        """Label -> log-likelihood of each image, in each order of the labels; the first order is
        asked as always. To calibrate with. Raises the first error that an image meets, and
        ValueError without likelihoods.
        """
        require_images(images)
        every = [
            self._client.submit(self._look, self._url(image), self._describe, every=True)
            for image in images
        ]
        found = [one.result().by_order() for one in every]
        if not all(found):
            raise ValueError("the server gives no log-probabilities: nothing can be fitted")
        return found

    def pooled(self, answers: Sequence[Mapping[str, float]]) -> dict[str, float]:
        """Label -> mean log-likelihood, over as many orders as would be asked."""
        return categories.pooled(answers)

    def _url(self, image: Image) -> str:
        return data_url(image, self._visual_tokens)

    def _looks(self, images: Sequence[Image | Asked]) -> list[Look | Exception]:
        require_images([image for image in images if not isinstance(image, Asked)])
        asked = [i if isinstance(i, Asked) else self.prepare(i) for i in images]
        looks: list[Look | Exception] = []
        for one in asked:
            try:
                looks.append(one.look.result())
            except Exception as error:
                looks.append(error)
        return looks

    def _look(self, url: str, describe: bool, *, every: bool = False) -> Look:
        sampled = every or categories.sampled(url.encode())
        return look(
            self._client.chat,
            self._model,
            self._prompt,
            self._orders,
            url,
            describe=describe,
            doubtful=lambda seen: (
                sampled or max(self._category(seen)[0].values()) < categories.SURE
            ),
            longest=self._server.longest if describe else None,
        )

    def _category(self, seen: Look) -> tuple[dict[str, float], str]:
        """Label -> probability, and which method made the probabilities."""
        means = seen.scores()
        if means is None:
            return seen.votes(), VOTES
        temperature = self._calibration.temperature
        return categories.probabilities(means, temperature), self._calibration.identity

    def _body(self, seen: Look) -> dict[str, Any]:
        probabilities, calibration = self._category(seen)
        body = evidence.body(
            engine="openai",
            prompt=self._prompt.id,
            labels=self.labels,
            probabilities=probabilities,
            calibration=calibration,
            answer_mass=seen.mass,
            least_mass=self._least_mass,
            raw=seen.words,
        )
        served = {
            "model": seen.first.get("model"),
            "fingerprint": seen.first.get("system_fingerprint"),
            "orders": len(seen.kinds),
        }
        if self._describe:  # "length": cut off; "content_filter": withheld
            served["finish_reason"] = seen.first["choices"][0].get("finish_reason")
        return {**body, "served": served}

    def close(self) -> None:
        """Close connections and end threads. The next call opens others."""
        self._client.close()


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
        Calibration.read(options.calibration) if options.calibration else UNCALIBRATED,
        options.visual_tokens,
        options.prompts,
    )


def data_url(image: Image, visual_tokens: int = VISUAL_TOKENS) -> str:
    """An image as a data URL, JPEG, of so many tokens at most."""
    from PIL import Image as Pillow

    image = stripe(image)
    height, width = image.shape[:2]
    size = shrunk(width, height, visual_tokens)
    picture = Pillow.fromarray(image)
    if size != (width, height):
        picture = picture.resize(size, Pillow.Resampling.BICUBIC, reducing_gap=3.0)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=JPEG_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def shrunk(width: int, height: int, visual_tokens: int) -> tuple[int, int]:
    """Width and height of an image that is shrunk to so many tokens at most. Whole tokens along
    each side, so that the server need not scale it once more. As it is where it is small enough.
    """
    tokens_wide, tokens_high = width / TOKEN_SIDE, height / TOKEN_SIDE
    if math.ceil(tokens_wide) * math.ceil(tokens_high) <= visual_tokens:
        return width, height
    scale = math.sqrt(visual_tokens / (tokens_wide * tokens_high))
    wide, high = max(1, int(tokens_wide * scale)), max(1, int(tokens_high * scale))
    # A strip whose short side is held at one token could have too many along the other.
    return min(wide, visual_tokens) * TOKEN_SIDE, min(high, visual_tokens) * TOKEN_SIDE


def plain() -> Image:
    """A grey picture: any model can look at it."""
    import numpy as np

    return np.full((224, 224, 3), 128, np.uint8)
