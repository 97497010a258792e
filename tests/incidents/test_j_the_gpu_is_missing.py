"""A driver is updated under a node. The pod starts, and no GPU is to be seen.

The device that the settings name, the hundredth GPU, is missing on every machine, so nothing about
it is simulated.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.incidents.gpu_node import Node, said
from tests.support import tiny_models

MISSING = "cuda:99"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.build("qwen2_5_vl", tmp_path_factory.mktemp("model"))


@pytest.fixture
def node(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    node = Node(tmp_path / "home", model, monkeypatch, engines={"device": MISSING})
    yield node
    node.close()


def test_the_run_fails_before_it_claims_and_says_what_to_do(node: Node) -> None:
    before = node.rows()
    result = node.run()
    assert not result.success
    assert "Execution cannot realize Intent: enriched with the engine transformers: gpu:" in said(
        result
    )
    assert "PARJANYA_ENGINES__DEVICE=cpu" in said(result)
    assert node.rows() == before
    assert node.doctor()["preflight_failed"].evidence["run"] == result.run_id


def test_a_replay_by_hand_resets_nothing_on_such_a_node(node: Node) -> None:
    node.use(engines={"device": "cpu"})
    assert node.run().success
    before = node.rows()
    node.use(engines={"device": MISSING})
    assert not node.run(by_hand=True).success
    assert node.rows() == before


def test_with_nothing_due_no_gpu_is_asked_for(node: Node) -> None:
    node.use(engines={"device": "cpu"})
    assert node.run().success
    node.use(engines={"device": MISSING})
    assert node.run().success
