"""The command that a person with a GPU runs, here over a tiny model."""

from __future__ import annotations

import json
from pathlib import Path

from bench.gpu import main
from tests.support.vllm import PROGRAM, require_vllm


def test_the_benchmark_measures_the_served_engine(tmp_path: Path) -> None:
    require_vllm()
    file = tmp_path / "figures.json"
    asked = ["--model-size", "tiny", "--images", "3", "--visual-tokens", "32", "--device", "cpu"]
    capped = ["--description-tokens", "32", "--threads", "2"]
    assert (
        main([*asked, *capped, "--served-only", "--vllm", str(PROGRAM), "--json", str(file)]) == 0
    )
    served = json.loads(file.read_text())["served"]
    for part in ("category", "description"):
        assert served[part]["images"] == 3
        assert served[part]["images_per_second"] > 0
        assert served[part]["gpu_busy"] == "no GPU"
