"""`python -m gpu_ops` with a vision-language model, without the platform."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from gpu_ops.__main__ import main
from gpu_ops.vlm import checkpoint, prompts
from tests.support.pictures import gradient, noise


def saved(folder: Path, name: str, pixels) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(folder / name)
    return str(folder / name)


def test_describe_prints_the_evidence_of_the_model_in_the_folder(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = saved(tmp_path, "a.png", noise(80, 120))
    chosen = ["--engine", "transformers", "--model", str(folder), "--visual-tokens", "64"]
    assert (
        main(
            ["describe", *chosen, "--device", "cpu", "--answer-mass", "0", "--category-only", file]
        )
        == 0
    )
    (line,) = capsys.readouterr().out.splitlines()
    enriched = json.loads(line)["enriched"]
    assert (enriched["engine"], enriched["prompt"]) == ("transformers", "default@2")
    assert sum(enriched["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    assert "description_raw" not in enriched


def test_describe_says_what_is_missing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = saved(tmp_path, "a.png", noise(80, 120))
    assert main(["describe", "--engine", "transformers", file]) == 2
    assert "needs a model" in capsys.readouterr().err
    assert main(["describe", "--engine", "transformers", "--model", "/absent", file]) == 2
    assert "no model folder /absent" in capsys.readouterr().err


def test_what_calibrate_prints_the_engine_takes(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labelled = tmp_path / "labelled"
    for number in range(3):
        saved(labelled / "photo", f"{number}.png", noise(60, 60, number))
        saved(labelled / "slide", f"{number}.png", gradient(60 + 10 * number, 60))
    chosen = [
        "--model",
        str(folder),
        "--visual-tokens",
        "64",
        "--device",
        "cpu",
        "--answer-mass",
        "0",
    ]
    assert main(["calibrate", *chosen, str(labelled)]) == 0
    file = tmp_path / "calibration.json"
    file.write_text(capsys.readouterr().out)
    body = json.loads(file.read_text())
    assert body["examples"] == 6
    assert body["label_order"]["orders"] == 8
    assert set(body["label_order"]["letter_preference"]) == set("ABCDEFGH")
    assert body["model"] == checkpoint.revision_of(folder)
    assert body["prompt"] == prompts.load().identity
    assert main(
        ["describe", "--engine", "transformers", *chosen, "--category-only",
         "--calibration", str(file), str(labelled / "photo" / "0.png")]
    ) == 0  # fmt: skip
    enriched = json.loads(capsys.readouterr().out)["enriched"]
    assert enriched["calibration"].startswith("sha256:")


def test_calibrate_wants_folders_named_by_labels(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "cats").mkdir()
    assert main(["calibrate", "--model", str(folder), str(tmp_path)]) == 2
    assert "no images in folders named photo" in capsys.readouterr().err
