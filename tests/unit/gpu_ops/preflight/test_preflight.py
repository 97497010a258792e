"""The preflight of whole engines: what passes, what fails, and how far it looks."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gpu_ops.endpoint.options import Options as EndpointOptions
from gpu_ops.iqa.options import Options as IqaOptions
from gpu_ops.preflight import Report, preflight
from gpu_ops.preflight.gpu import GIB, GpuFacts
from gpu_ops.vlm.options import Options
from tests.support import tiny_models
from tests.support.endpoint_stub import MODEL, Reply, Stub, close_clients, completion
from tests.support.iqa_weights import write_weights


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.build("qwen3_vl", tmp_path_factory.mktemp("model"))


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stub]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Stub() as server:
        yield server
    close_clients()


def names(report: Report) -> list[str]:
    return [check.name for check in report.checks]


def enricher(folder: Path | str, **options: Any) -> Report:
    settings = {"visual_tokens": 64, "device": "cpu", "answer_mass": 0.0, **options}
    return preflight("enricher", "transformers", Options(str(folder), **settings))


def test_a_whole_model_passes_to_the_last_check_and_states_its_identity(model: Path) -> None:
    report = enricher(model)
    assert report.ok, report.problem
    assert names(report)[-3:] == ["gpu", "engine", "one image"]
    assert report.identity["engine"] == "transformers"
    assert report.identity["revision"].startswith("sha256:")
    json.dumps(report.as_dict())


def test_a_model_that_is_nowhere_ends_it(tmp_path: Path) -> None:
    report = enricher(tmp_path / "nowhere")
    assert names(report) == ["model"]
    assert report.problem.startswith("model: there is no model folder")


def test_an_incomplete_folder_is_not_loaded(model: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(model, tmp_path / "model"))
    (folder / "processor_config.json").unlink()
    report = enricher(folder)
    assert report.problem.startswith("processor: ")
    assert "engine" not in names(report)


def test_options_that_are_wrong_are_a_finding_and_no_exception() -> None:
    report = preflight("enricher", "transformers", ValueError("which model?"))
    assert report.problem == "options: which model?"
    assert not preflight("enricher", "no such engine").ok


def test_too_small_a_gpu_is_found_out_by_the_size_of_the_weights(model: Path) -> None:
    small = GpuFacts("13.0", 1, "", "small", (9, 0), ("sm_90",), GIB // 2, GIB)
    options = Options(str(model), device="cuda")
    report = preflight("enricher", "transformers", options, probe=lambda _: small)
    assert report.problem.startswith("gpu: small has 0.5 of 1.0 GiB free")


def test_a_health_check_hashes_nothing_and_leaves_memory_to_the_model_at_work(
    model: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(model, tmp_path / "model"))
    (folder / "SHA256SUMS").write_text(f"{'0' * 64}  config.json\n")
    full = GpuFacts("13.0", 1, "", "full", (9, 0), ("sm_90",), 0, GIB)
    options = Options(str(folder), device="cuda")
    report = preflight("enricher", "transformers", options, probe=lambda _: full, smoke=False)
    assert report.ok, report.problem
    assert "hashes" not in names(report)
    assert report.identity == {}
    whole = preflight("enricher", "transformers", options, probe=lambda _: full)
    assert {check.name for check in whole.checks if not check.ok} == {"hashes", "gpu"}


def test_a_server_that_serves_the_model_passes_with_one_image(stub: Stub) -> None:
    report = preflight("enricher", "openai", EndpointOptions(stub.url, MODEL, connections=2))
    assert report.ok, report.problem
    assert stub.asked
    stub.stop()
    quick = EndpointOptions(stub.url, MODEL, connections=3)
    assert preflight("enricher", "openai", quick, smoke=False).ok  # the server's health is its own


def test_a_server_that_serves_something_else_or_answers_nonsense_does_not(stub: Stub) -> None:
    other = preflight("enricher", "openai", EndpointOptions(stub.url, "other", connections=4))
    assert "does not serve 'other', but stub-vl" in other.problem
    stub.behave = lambda *_: Reply({"error": "this model takes no images"}, 400)
    report = preflight("enricher", "openai", EndpointOptions(stub.url, MODEL, connections=5))
    assert report.problem.startswith("engine: ")
    assert "takes no images" in report.problem
    stub.behave = lambda *_: completion("nonsense")
    report = preflight("enricher", "openai", EndpointOptions(stub.url, MODEL, connections=6))
    assert "engine: the model does not answer with a letter (probability 0)" in report.problem


def test_a_model_that_thinks_first_does_not_pass(stub: Stub, model: Path) -> None:
    stub.behave = lambda *_: completion("<think>", {"<think>": -0.0001, "A": -9.5, "B": -10.0})
    report = preflight("enricher", "openai", EndpointOptions(stub.url, MODEL, connections=7))
    assert "does it think or greet first" in report.problem
    random_weights = enricher(model, answer_mass=0.5, describe=False)  # prefer no letter either
    assert "one image: the model does not answer with a letter" in random_weights.problem


def test_weights_of_metrics_pass_and_fail_by_their_hashes(tmp_path: Path) -> None:
    folder = write_weights(tmp_path, ("cnniqa",))
    options = IqaOptions(str(folder), ("cnniqa",), "cpu")
    assert preflight("scorer", "pyiqa", options).ok
    (file,) = folder.glob("*.pth")
    file.write_bytes(file.read_bytes()[:-1])
    assert "are altered" in preflight("scorer", "pyiqa", options).problem
    file.unlink()
    assert "cannot be read" in preflight("scorer", "pyiqa", options).problem


@pytest.mark.parametrize("kind", ["enricher", "scorer"])
def test_the_embedded_engines_pass(kind: str) -> None:
    report = preflight(kind, "embedded")
    assert report.ok, report.problem
    assert names(report) == ["engine", "one image"]
