"""Learned metrics from a folder of weights. The weights here are random: networks, files, hashes
and the way through them are real, and what a score says is asserted nowhere.
"""

from __future__ import annotations

import json
import re
import shutil
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gpu_ops import engines
from gpu_ops.embedded.scorer import EmbeddedScorer
from gpu_ops.iqa.networks import NETWORKS
from gpu_ops.iqa.options import Options
from gpu_ops.iqa.scorer import LICENCE, PyiqaScorer, UnknownMetric, normalized
from gpu_ops.offline import WouldDownload, offline
from gpu_ops.weight_folder import MANIFEST, BadWeights, WeightFolder
from tests.support.iqa_weights import write_manifest, write_weights

SMALL = ("clipiqa+", "cnniqa")  # 17 MB on disk; the others together have 290
LEARNED = "CLIP-IQA+_learned_prompts-603f3273.pth"


def noise(height: int, width: int, seed: int = 7) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_weights(tmp_path_factory.mktemp("weights"), SMALL)


@pytest.fixture
def folder(weights: Path, tmp_path: Path) -> Path:
    """A copy of its own, to be damaged."""
    return Path(shutil.copytree(weights, tmp_path / "weights"))


@pytest.fixture(autouse=True)
def nothing_is_downloaded(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def refuse(*arguments: object) -> None:
        raise AssertionError(f"a connection was opened: {arguments}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    return


def scorer(folder: Path, *metrics: str) -> PyiqaScorer:
    return PyiqaScorer(folder, metrics or SMALL, device="cpu")


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_every_metric_loads_from_its_files_and_scores(name: str, tmp_path: Path) -> None:
    folder = write_weights(tmp_path, (name,))
    (body,) = scorer(folder, name).score([noise(64, 96)])
    json.dumps(body, allow_nan=False)
    entry = body["metrics"][name]
    assert entry["value"] is not None
    assert 0.0 <= entry["normalized"] <= 1.0
    hashes = WeightFolder.open(folder)
    assert entry["weights"] == hashes.identifier(NETWORKS[name].files)


def test_a_batch_says_of_each_picture_what_it_says_of_it_alone(weights: Path) -> None:
    engine = scorer(weights)
    pictures = [noise(64, 96), noise(40, 200, 3), noise(64, 96, 5), noise(32, 32, 2)]
    for together, picture in zip(engine.score(pictures), pictures, strict=True):
        (alone,) = engine.score([picture])
        for name in SMALL:
            assert together["metrics"][name]["value"] == pytest.approx(
                alone["metrics"][name]["value"], abs=2e-3
            )


def test_loading_it_says_what_its_licence_forbids(
    weights: Path, caplog: pytest.LogCaptureFixture
) -> None:
    engine = scorer(weights, "cnniqa")
    engine.warm()
    engine.warm()
    assert [record.message for record in caplog.records].count(LICENCE) == 1


def test_only_pictures_of_one_shape_go_together(weights: Path) -> None:
    engine, shapes = scorer(weights, "cnniqa"), []
    engine.warm()
    network = engine._held["cnniqa"]

    def watched(tensor: Any) -> Any:
        shapes.append(tuple(tensor.shape))
        return network(tensor)

    engine._held["cnniqa"] = watched
    engine.score([noise(64, 96), noise(40, 48), noise(64, 96, 5)])
    assert sorted(shapes) == [(1, 3, 40, 48), (2, 3, 64, 96)]


def test_what_does_not_fit_in_memory_is_halved_and_one_picture_alone_says_so(weights: Path) -> None:
    import torch

    engine = scorer(weights, "cnniqa")
    pictures = [noise(64, 96, seed) for seed in range(5)]
    before = engine.score(pictures)
    network, most = engine._held["cnniqa"], 2

    def small(tensor: Any) -> Any:
        if len(tensor) > most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return network(tensor)

    engine._held["cnniqa"] = small
    after = engine.score(pictures)
    for one, other in zip(before, after, strict=True):
        value = pytest.approx(one["metrics"]["cnniqa"]["value"], abs=1e-3)
        assert other["metrics"]["cnniqa"]["value"] == value
    most = 0
    with pytest.raises(MemoryError, match="one image of 96 x 64 pixels"):
        engine.score(pictures[:1])


def test_the_embedded_figures_stay_what_they_are(weights: Path) -> None:
    pictures = [noise(64, 96), noise(20, 300)]
    for mine, embedded in zip(
        scorer(weights).score(pictures), EmbeddedScorer().score(pictures), strict=True
    ):
        assert mine["quality"] == embedded["quality"]
        assert mine["metrics"]["piqe"] == embedded["metrics"]["piqe"]
    (_, thin) = scorer(weights).score(pictures)
    assert all(thin["metrics"][name]["value"] is None for name in SMALL)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_score_that_is_no_number_is_none(weights: Path, value: float) -> None:
    import torch

    engine = scorer(weights, "cnniqa")
    engine.warm()
    engine._held["cnniqa"] = lambda tensor: torch.full((len(tensor), 1), value)
    entry = engine.score([noise(64, 96)])[0]["metrics"]["cnniqa"]
    assert (entry["value"], entry["normalized"]) == (None, None)


def test_normalized_is_one_for_the_best_and_stays_within_its_range() -> None:
    assert normalized("musiq", 100.0) == normalized("topiq_nr", 1.0) == 1.0
    assert normalized("musiq", 25.0) == 0.25
    assert (normalized("cnniqa", -3.0), normalized("cnniqa", 3.0)) == (0.0, 1.0)


def test_asked_for_more_metrics_an_engine_shares_what_it_loaded(weights: Path) -> None:
    engine = scorer(weights, "cnniqa")
    engine.warm()
    more = engine.measuring(["clipiqa+"])
    assert more.identity.revision != engine.identity.revision
    (body,) = more.score([noise(64, 96)])
    assert set(body["metrics"]) == {"piqe", "cnniqa", "clipiqa+"}
    assert more._held is engine._held
    assert engine.measuring(["piqe", "cnniqa"]) is engine
    with pytest.raises(UnknownMetric, match="no metric 'beauty'; choose from piqe"):
        engine.measuring(["beauty"])


# --- fail closed ---


def test_without_a_manifest_nothing_is_loaded(folder: Path) -> None:
    (folder / MANIFEST).unlink()
    with pytest.raises(BadWeights, match=r"sha256sum \*\.pth \*\.pt > SHA256SUMS"):
        scorer(folder)


def test_a_missing_file_is_named(folder: Path) -> None:
    (folder / LEARNED).unlink()
    with pytest.raises(BadWeights, match=re.escape(LEARNED) + " cannot be read"):
        scorer(folder).warm()


def test_an_altered_file_is_named_with_both_hashes(folder: Path) -> None:
    data = bytearray((folder / LEARNED).read_bytes())
    data[-1] ^= 1
    (folder / LEARNED).write_bytes(data)
    with pytest.raises(BadWeights, match=re.escape(LEARNED) + " are altered: .* SHA256SUMS says"):
        scorer(folder).warm()


def test_a_file_that_the_manifest_does_not_name_is_not_loaded(folder: Path) -> None:
    lines = (folder / MANIFEST).read_text().splitlines()
    (folder / MANIFEST).write_text("\n".join(line for line in lines if LEARNED not in line))
    with pytest.raises(BadWeights, match="does not name " + re.escape(LEARNED)):
        scorer(folder).warm()


@pytest.mark.parametrize("line", ["hello", "abc  file.pth", "0" * 64 + " file.pth"])
def test_a_manifest_that_is_none_is_refused(folder: Path, line: str) -> None:
    (folder / MANIFEST).write_text(line)
    with pytest.raises(BadWeights, match="line 1 of"):
        scorer(folder)


def test_a_truncated_checkpoint_is_refused_even_where_its_hash_was_recorded(folder: Path) -> None:
    for name in (NETWORKS["cnniqa"].files[0], "RN50.pt"):
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[: len(data) // 2])
    write_manifest(folder)
    for metric in SMALL:
        with pytest.raises(BadWeights, match="cannot be loaded"):
            scorer(folder, metric).warm()


def test_a_checkpoint_that_lacks_tensors_is_refused_and_not_filled_at_random(folder: Path) -> None:
    import torch

    path = folder / NETWORKS["cnniqa"].files[0]
    state = torch.load(path, weights_only=True)
    del state["params"]["fc2.weight"]
    torch.save(state, path)
    write_manifest(folder)
    with pytest.raises(BadWeights, match=r"lacks 1 tensors of its network, fc2\.weight"):
        scorer(folder, "cnniqa").warm()


def test_a_checkpoint_that_holds_code_is_not_run(folder: Path, tmp_path: Path) -> None:
    import torch

    ran = tmp_path / "ran"
    torch.save({"params": Touches(ran)}, folder / NETWORKS["cnniqa"].files[0])
    write_manifest(folder)
    with pytest.raises(BadWeights, match="cannot be loaded"):
        scorer(folder, "cnniqa").warm()
    assert not ran.exists()


class Touches:
    """Its unpickling would create a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_a_download_is_refused_and_other_threads_may_talk(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()

    def reaches_out(*_: object) -> None:
        socket.create_connection(("127.0.0.1", server.getsockname()[1])).close()

    with socket.create_server(("127.0.0.1", 0)) as server:
        reaches_out()
        engine = PyiqaScorer(folder, ["cnniqa"], device="cpu", load=reaches_out)
        with pytest.raises(WouldDownload, match=r"cnniqa loads from .* alone"):
            engine.warm()
        with offline("not here"):
            other = threading.Thread(target=reaches_out)
            other.start()
            other.join()
        reaches_out()  # and afterwards this one too
        server.settimeout(60)
        for _ in range(3):
            server.accept()[0].close()


def test_the_engine_is_chosen_by_name_and_needs_its_folder(weights: Path) -> None:
    options = Options(str(weights), ("cnniqa",), "cpu")
    engine = engines.scorer("pyiqa", options)
    assert engine is engines.scorer("pyiqa", Options(str(weights), ("cnniqa",), "cpu"))
    assert engine.identity.engine == "pyiqa"
    with pytest.raises(ValueError, match="where are its weights"):
        engines.scorer("pyiqa")
    with pytest.raises(ValueError, match="needs a folder of weights"):
        Options("")


def test_the_embedded_scorer_measures_what_a_policy_needs_too() -> None:
    engine = EmbeddedScorer()
    assert engine.measuring(["piqe", "topiq_nr"]) is engine  # it does not have the other
    more = engine.measuring(["niqe"])
    assert more.identity.engine == "embedded"
    assert more.identity.revision != engine.identity.revision
    assert set(more.score([noise(64, 96)])[0]["metrics"]) == {"piqe", "niqe"}
