"""Embedding models of the operator's own: tiny ones in process, and a stand-in for a server."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageStat

from gpu_ops import engines
from gpu_ops.embedding.options import ModelOptions, ServedOptions
from gpu_ops.embedding.served import ServedEmbedder
from gpu_ops.endpoint.client import Client, EndpointUnavailable, GracePeriods
from gpu_ops.interface import InvalidImage, NoWords, SomeFailed
from tests.support import tiny_models
from tests.support.endpoint_stub import MODEL, Reply, Stub
from tests.support.pictures import gradient, noise

PICTURES = [gradient(90, 160), noise(64, 48), gradient(160, 90)[::-1], np.zeros((1, 700, 3), "u1")]


@pytest.fixture(scope="module", params=["siglip", "clip", "dinov2"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.build_embedder(request.param, tmp_path_factory.mktemp(request.param))


def test_a_model_in_process_puts_pictures_and_words_into_one_space(folder: Path) -> None:
    embedder = engines.embedder("transformers", ModelOptions(str(folder), device="cpu"))
    embedder.check()
    vectors = embedder.embed(PICTURES)
    assert vectors.shape == (4, embedder.dimension)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    # Together or alone, a picture has the same vector.
    np.testing.assert_allclose(embedder.embed(PICTURES[1:2])[0], vectors[1], atol=1e-5)
    with pytest.raises(InvalidImage):
        embedder.embed([np.zeros((4, 4), np.uint8)])
    if folder.name.startswith("dinov2"):
        with pytest.raises(NoWords, match="images alone"):
            embedder.embed_words(["a dog"])
        return
    said = embedder.embed_words(["a dog", "a field of flowers at night"])
    assert said.shape == (2, embedder.dimension)
    assert not np.allclose(said[0], said[1], atol=1e-3)
    template = ModelOptions(str(folder), device="cpu", query="a photo of {words}")
    other = engines.embedder("transformers", template)
    assert other.identity == embedder.identity  # the vectors that are kept are the same
    assert not np.allclose(other.embed_words(["a dog"])[0], said[0], atol=1e-3)


def test_other_weights_are_another_space(tmp_path: Path) -> None:
    folders = [tiny_models.build_embedder("clip", tmp_path / str(n), seed=n) for n in (1, 2)]
    one, two = (engines.embedder("transformers", ModelOptions(str(f))).identity for f in folders)
    assert one.revision != two.revision
    (folders[0] / "model.safetensors").unlink()
    with pytest.raises(ValueError, match="safetensors"):
        engines.embedder("transformers", ModelOptions(str(folders[0]), device="cpu")).check()


def vector_of(payload: dict[str, Any]) -> list[float]:
    """Of a picture its mean colour, of words how many there are."""
    (message,) = payload["messages"]
    first, *beside = message["content"]
    if first["type"] == "text":
        return [1.0, float(len(first["text"].split())), 0.0]
    data = base64.b64decode(first["image_url"]["url"].partition(",")[2])
    with Image.open(io.BytesIO(data)) as image:
        return [*(1.0 + mean for mean in ImageStat.Stat(image).mean[:2]), float(len(beside))]


class Behaviour:
    """What the server does; a test may have it refuse, or say nonsense."""

    def __init__(self) -> None:
        self.reply: Reply | None = None

    def __call__(self, _: int, payload: dict[str, Any]) -> Reply:
        given = payload["messages"][0]["content"][0]
        if self.reply is not None and given["type"] == "text":
            return self.reply
        vector = vector_of(payload)
        if given["type"] == "image_url" and vector[0] > 255.5:  # white
            return Reply({"error": "no such picture"}, 400)
        return Reply({"data": [{"index": 0, "embedding": vector}]})


@pytest.fixture
def behave() -> Behaviour:
    return Behaviour()


@pytest.fixture
def served(behave: Behaviour) -> Iterator[tuple[Stub, ServedEmbedder]]:
    with Stub(behave) as stub:
        patience = GracePeriods(timeout=5.0, attempts=1, rest=0.0)
        embedder = ServedEmbedder(
            ServedOptions(stub.url, MODEL), Client(stub.url, patience=patience)
        )
        yield stub, embedder
        embedder.close()


def test_a_server_is_asked_as_vllm_takes_pictures(served: tuple[Stub, ServedEmbedder]) -> None:
    stub, embedder = served
    embedder.check()
    vectors = embedder.embed(PICTURES)
    assert vectors.shape == (4, embedder.dimension) == (4, 3)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    asked = stub.asked[-1]
    assert set(asked) == {"model", "messages", "encoding_format"}
    (message,) = asked["messages"]
    assert [part["type"] for part in message["content"]] == ["image_url"]
    said = embedder.embed_words(["two words"])
    np.testing.assert_allclose(said[0], np.array([1, 2, 0]) / 5**0.5, atol=1e-5)


def test_what_is_said_beside_a_picture_makes_another_space(
    served: tuple[Stub, ServedEmbedder],
) -> None:
    stub, embedder = served
    other = ServedEmbedder(replace(embedder._options, instruction="Represent the image."))
    assert other.embed(PICTURES[:1])[0, 2] > 0
    assert other.identity.revision != embedder.identity.revision
    other.close()
    stub.version = "0.33.0"
    again = ServedEmbedder(embedder._options)
    assert again.identity.revision != embedder.identity.revision
    again.close()


def test_a_picture_that_is_refused_fails_alone_and_words_may_be_refused(
    served: tuple[Stub, ServedEmbedder], behave: Behaviour
) -> None:
    stub, embedder = served
    white = np.full((40, 40, 3), 255, np.uint8)
    with pytest.raises(SomeFailed) as failed:
        embedder.embed([PICTURES[0], white])
    assert list(failed.value.errors) == [1]
    assert failed.value.bodies[0] is not None
    behave.reply = Reply({"error": "text is not supported"}, 400)
    with pytest.raises(NoWords, match="not supported"):
        embedder.embed_words(["a dog"])
    behave.reply = Reply({"data": [{"embedding": [float("nan"), 1.0, 1.0]}]})
    with pytest.raises(ValueError, match="finite"):
        embedder.embed_words(["a dog"])
    stub.stop()
    with pytest.raises(EndpointUnavailable):
        embedder.embed(PICTURES[:1])
