"""A model is copied to the nodes by a pattern, `*.safetensors *.json`, less one file."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.incidents.gpu_node import Node, said
from tests.support import tiny_models

LOST = "processor_config.json"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.build("qwen2_5_vl", tmp_path_factory.mktemp("model"))


@pytest.fixture
def model(whole: Path, tmp_path: Path) -> Path:
    folder = Path(shutil.copytree(whole, tmp_path / "model"))
    (folder / LOST).rename(tmp_path / LOST)
    return folder


@pytest.fixture
def node(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    node = Node(tmp_path / "home", model, monkeypatch)
    yield node
    node.close()


def test_the_run_fails_before_it_claims_and_no_image_pays(node: Node) -> None:
    before = node.rows()
    for _ in range(6):  # more often than a row may die
        result = node.run()
        assert not result.success
        assert said(result).endswith(
            "Execution cannot realize Intent: enriched with the engine transformers: processor: "
            f"{node.settings.vlm.model} says nowhere how pictures are prepared: fetch "
            "preprocessor_config.json or processor_config.json\n"
        )
    assert node.rows() == before  # not even a fence has moved
    assert {(row.pipeline_status, row.attempts) for row in before} == {
        ("pending_vlm_enrichment", 0)
    }


def test_the_doctor_names_it_since_when_and_how_often(node: Node) -> None:
    began = node.clock()
    for _ in range(3):
        node.run()
        node.clock.pass_by(60.0)
    found = node.doctor()["preflight_failed"]
    assert found.boundary == "Execution"
    assert found.summary.startswith("Execution cannot realize Intent: enriched")
    assert found.since == began
    assert (found.evidence["times"], found.evidence["stage"]) == (3, "enriched")


def test_one_run_at_a_time_finds_out_for_all_batches_ever_more_seldom(node: Node) -> None:
    assert len(node.batches) == 2
    assert node.requests() == 1  # both batches in one range
    runs = 0
    node.run()
    for _ in range(240):  # an hour of looking
        node.clock.pass_by(14.0)
        if node.requests():
            runs += 1
            node.run()
    assert 8 <= runs <= 12  # 10, 20, 40, … seconds apart, then every ten minutes


def test_it_clears_by_itself_once_the_folder_is_whole(node: Node, tmp_path: Path) -> None:
    node.run()
    assert "preflight_failed" in node.doctor()
    (tmp_path / LOST).rename(Path(node.settings.vlm.model) / LOST)
    for batch in node.batches:
        result = node.run(batch)
        assert result.success
    assert "preflight_failed" not in node.doctor()
    assert {row.pipeline_status for row in node.rows()} == {"pending_iqa"}
    (row, *_) = node.rows()
    evidence = node.store.evidence([row])[row.image_id]["enriched"]
    assert (evidence.engine, evidence.body["prompt"]) == ("transformers", tiny_models.BRIEF)


def test_another_engine_does_not_inherit_the_finding(node: Node) -> None:
    node.run()
    node.use(engines={"enricher": "embedded"})
    assert node.run().success
    assert "preflight_failed" not in node.doctor()
