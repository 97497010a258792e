"""`python -m gpu_ops describe` prints evidence, and torchvision loads beside any torch."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gpu_ops.__main__ import main
from gpu_ops.torchvision_cure import cure


def test_it_prints_one_line_of_evidence_per_readable_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = tmp_path / "good.png", tmp_path / "bad.jpg"
    Image.fromarray(np.full((60, 80, 3), 90, np.uint8)).save(good)
    bad.write_text("not an image")
    assert main(["describe", str(good), str(bad)]) == 1
    printed = capsys.readouterr()
    (line,) = printed.out.splitlines()
    body = json.loads(line)
    assert body["file"] == str(good)
    assert set(body) == {"file", "enriched", "scored"}
    assert "bad.jpg" in printed.err


def test_torchvision_imports_and_suppresses_overlapping_boxes_after_the_cure() -> None:
    torch = pytest.importorskip("torch")
    cure()
    import torchvision  # noqa: F401  (dies without the cure beside a CPU build of torch)

    boxes = torch.tensor([[0.0, 0, 10, 10], [1, 1, 11, 11], [20, 20, 30, 30]])
    kept = torch.ops.torchvision.nms(boxes, torch.tensor([0.5, 0.9, 0.7]), 0.5)
    assert kept.tolist() == [1, 2]
    assert cure() == cure()
