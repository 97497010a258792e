"""An image with a model builds only where the whole model is inside, and with all our own files."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.support import tiny_models


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.build("qwen2_5_vl", tmp_path_factory.mktemp("model"))


def test_a_whole_model_is_taken(check: ModuleType, whole: Path) -> None:
    assert list(check.model(whole)) == []


@pytest.mark.parametrize(
    ("file", "part"),
    [("processor_config.json", "processor"), ("tokenizer.json", "tokenizer"),
     ("model.safetensors", "weights"), ("config.json", "configuration")],
)  # fmt: skip
def test_a_model_that_lacks_a_file_is_refused(
    check: ModuleType,
    whole: Path,
    tmp_path: Path,
    file: str,
    part: str,
) -> None:
    folder = Path(shutil.copytree(whole, tmp_path / "vlm"))
    (folder / file).unlink()
    assert any(part in problem.split(": ")[1] for problem in check.model(folder))


def test_the_files_of_our_packages_are_installed(check: ModuleType) -> None:
    assert list(check.files("gpu")) == []


def test_the_build_ends_where_the_check_objects(
    check: ModuleType,
    whole: Path,
    tmp_path: Path,
) -> None:
    """As the Dockerfile runs it; of the checks only that of the model is left to object."""
    folder = Path(shutil.copytree(whole, tmp_path / "vlm"))
    (folder / "processor_config.json").unlink()
    script = check.HERE / "build_check.py"
    every = "user, pins, imports, files, decoding, definitions,"
    text = script.read_text()
    assert every in text
    script.write_text(text.replace(every, "pins,"))
    command = [sys.executable, str(script), "gpu", "--as-root", "--model"]
    for model, status in ((whole, 0), (folder, 1)):
        done = subprocess.run([*command, str(model)], capture_output=True, text=True, check=False)
        assert done.returncode == status, done.stderr
    assert "processor" in done.stderr
