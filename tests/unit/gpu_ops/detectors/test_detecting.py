"""Detectors beside an engine: one body per image, one identity, and no failure of another's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from gpu_ops import engines
from gpu_ops.detectors import NAMES, named
from gpu_ops.detectors.detecting import beside
from gpu_ops.interface import Identity, InvalidImage, Prepares, SomeFailed

DARK, LIGHT = np.zeros((8, 8, 3), np.uint8), np.full((8, 8, 3), 200, np.uint8)


class Brightness:
    """A detector that stands in for those with models."""

    name, model = "brightness", "mean"

    def __init__(self, revision: str = "brightness@1") -> None:
        self.revision = revision

    def check(self) -> None:
        raise ImportError("it needs what is not installed")

    def warm(self) -> None: ...

    def see(self, image: Any) -> float:
        return float(image.mean())

    def tell(self, seen: Any, body: Mapping[str, Any]) -> dict[str, Any]:
        return {"mean": seen, "of": body["category"]}


class Engine:
    """Says "dark" or "light"; of an image that is all 1 it knows nothing."""

    def __init__(self, prompt: str = "") -> None:
        self.prompt = prompt

    @property
    def identity(self) -> Identity:
        return Identity("stub", "stub@1", "sha256:0", self.prompt, "exact")

    def asking(self, prompt: str) -> Engine:
        return type(self)(prompt)

    def check(self) -> None: ...

    def warm(self) -> None: ...

    def describe(self, images: Any, hints: Any = None) -> list[dict[str, Any]]:
        errors = {i: ValueError("odd") for i, one in enumerate(images) if (one == 1).all()}
        bodies = [{"category": "light" if one.mean() > 99 else "dark"} for one in images]
        if errors:
            raise SomeFailed([None if i in errors else b for i, b in enumerate(bodies)], errors)
        return bodies


class EngineAhead(Engine):
    ahead = 3

    def prepare(self, image: Any) -> Any:
        return image + 0


@pytest.mark.parametrize("engine", [Engine(), EngineAhead()])
def test_each_body_gets_what_was_found_in_its_own_image(engine: Any) -> None:
    detecting = beside(engine, [Brightness()])
    given: list[Any] = [DARK, LIGHT]
    if isinstance(detecting, Prepares):
        assert detecting.ahead == 3
        given = [detecting.prepare(DARK), LIGHT]  # one of them was prepared ahead
    assert detecting.describe(given) == [
        {"category": "dark", "brightness": {"mean": 0.0, "of": "dark"}},
        {"category": "light", "brightness": {"mean": 200.0, "of": "light"}},
    ]
    assert isinstance(detecting, Prepares) == isinstance(engine, Prepares)


def test_of_an_image_that_the_engine_cannot_answer_nothing_is_told() -> None:
    odd = np.ones((8, 8, 3), np.uint8)
    with pytest.raises(SomeFailed) as failed:
        beside(Engine(), [Brightness()]).describe([odd, LIGHT])
    assert failed.value.bodies[0] is None
    assert failed.value.bodies[1]["brightness"]["mean"] == 200.0
    assert list(failed.value.errors) == [0]


def test_what_is_no_image_is_refused() -> None:
    for engine in (Engine(), EngineAhead()):
        with pytest.raises(InvalidImage):
            beside(engine, [Brightness()]).describe([np.zeros((4, 4), np.uint8)])


def test_the_identity_changes_with_the_detectors_and_with_what_they_run() -> None:
    alone = Engine()
    assert beside(alone, []) is alone
    one, other = (beside(alone, [Brightness(name)]).identity for name in ("a", "b"))
    assert len({alone.identity.revision, one.revision, other.revision}) == 3
    assert one.model == "stub@1; mean"
    assert one.determinism == "numerical"
    asked = beside(alone, [Brightness("a")]).asking("describe@1").identity
    assert (asked.prompt, asked.model) == ("describe@1", "stub@1; mean")


def test_a_check_tells_what_a_detector_lacks() -> None:
    with pytest.raises(ImportError, match="not installed"):
        beside(Engine(), [Brightness()]).check()


def test_detectors_are_chosen_by_name_and_built_without_loading_anything() -> None:
    assert [detector.name for detector in named([*NAMES, "language"])] == list(NAMES)
    with pytest.raises(ValueError, match=r"no detector 'dogs'; choose from faces, language"):
        named(["dogs"])
    plain, more = engines.enricher(), engines.enricher(detectors=("language",))
    assert more is engines.enricher(detectors=("language",))
    assert more.identity.revision != plain.identity.revision
