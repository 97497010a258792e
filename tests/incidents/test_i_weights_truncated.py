"""A copy of the weights ends at a full disk. The file is there, and its name is right."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.incidents.gpu_node import Node, said
from tests.support import tiny_models

WEIGHTS = "model.safetensors"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tiny_models.build("qwen3_vl", tmp_path / "model")
    whole = (folder / WEIGHTS).read_bytes()
    (tmp_path / "whole").write_bytes(whole)
    (folder / WEIGHTS).write_bytes(whole[: len(whole) * 2 // 3])
    return folder


@pytest.fixture
def node(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    node = Node(tmp_path / "home", model, monkeypatch)
    yield node
    node.close()


def test_it_is_told_from_the_header_before_anything_is_claimed(node: Node) -> None:
    before = node.rows()
    result = node.run()
    assert not result.success
    assert "Execution cannot realize Intent: enriched" in said(result)
    assert f"weights: {WEIGHTS} is truncated: " in said(result)
    assert node.rows() == before
    assert "is truncated" in node.doctor()["preflight_failed"].summary


def test_the_images_go_on_once_the_file_is_whole(node: Node, tmp_path: Path) -> None:
    assert not node.run().success
    (Path(node.settings.vlm.model) / WEIGHTS).write_bytes((tmp_path / "whole").read_bytes())
    assert node.run().success
    assert "preflight_failed" not in node.doctor()
    done = [row for row in node.rows() if row.batch == node.batches[0]]
    assert {row.pipeline_status for row in done} == {"pending_iqa"}
