"""A model's folder: complete, or named for what it lacks. The model is tiny, its files are real."""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gpu_ops.preflight.folder import INDEX, SINGLE, checks
from tests.support import tiny_models
from tests.support.iqa_weights import write_manifest

NAMES = ["configuration", "weights", "tokenizer", "processor", "code", "hashes"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.build("qwen2_5_vl", tmp_path_factory.mktemp("model"))


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    """A copy of its own, to be damaged."""
    return Path(shutil.copytree(whole, tmp_path / "model"))


@pytest.fixture
def sharded(folder: Path) -> Path:
    """The same model in two shards with their index, as large ones are published."""
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / SINGLE)
    names = sorted(tensors)
    halves = {"model-00001-of-00002.safetensors": names[::2],
              "model-00002-of-00002.safetensors": names[1::2]}  # fmt: skip
    for file, some in halves.items():
        save_file({name: tensors[name] for name in some}, folder / file)
    where = {name: file for file, some in halves.items() for name in some}
    (folder / INDEX).write_text(json.dumps({"weight_map": where}))
    (folder / SINGLE).unlink()
    return folder


def wrong(folder: Path) -> dict[str, str]:
    """What fails, by the name of the check."""
    found = checks(folder)
    assert [check.name for check in found] == NAMES
    return {check.name: check.detail for check in found if not check.ok}


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    body = json.loads(path.read_text())
    change(body)
    path.write_text(json.dumps(body))


@pytest.mark.parametrize("family", tiny_models.FAMILIES)
def test_a_folder_as_published_is_complete(family: tiny_models.Family, tmp_path: Path) -> None:
    assert wrong(tiny_models.build(family, tmp_path)) == {}


def test_shards_with_their_index_are_complete(sharded: Path) -> None:
    assert wrong(sharded) == {}


def test_a_folder_that_is_not_there_fails_and_raises_nothing(tmp_path: Path) -> None:
    assert set(wrong(tmp_path / "nowhere")) >= {"configuration", "weights", "tokenizer"}


@pytest.mark.parametrize(
    ("file", "check", "says"),
    [
        ("config.json", "configuration", "config.json is missing"),
        (SINGLE, "weights", "holds neither"),
        ("tokenizer.json", "tokenizer", "holds no tokenizer"),
        ("tokenizer_config.json", "tokenizer", "tokenizer_config.json is missing"),
        ("processor_config.json", "processor", "how pictures are prepared"),
        ("chat_template.jinja", "processor", "no chat template"),
    ],
)
def test_a_missing_file_is_named(folder: Path, file: str, check: str, says: str) -> None:
    (folder / file).unlink()
    assert says in wrong(folder)[check]


@pytest.mark.parametrize("file", ["config.json", "tokenizer.json", "processor_config.json"])
@pytest.mark.parametrize("content", ["", "{", "[]", '"text"'])
def test_a_damaged_file_is_named(folder: Path, file: str, content: str) -> None:
    (folder / file).write_text(content)
    assert any(file in said for said in wrong(folder).values())


def test_truncated_weights_are_told_from_their_header(folder: Path) -> None:
    size = (folder / SINGLE).stat().st_size
    for kept in (size - 1, size // 2):
        with (folder / SINGLE).open("r+b") as file:
            file.truncate(kept)
        assert f"is truncated: {kept} bytes of {size}" in wrong(folder)["weights"]
    for kept in (20, 3, 0):
        with (folder / SINGLE).open("r+b") as file:
            file.truncate(kept)
        assert "is damaged" in wrong(folder)["weights"]


def test_weights_with_something_behind_them_are_refused(folder: Path) -> None:
    with (folder / SINGLE).open("ab") as file:
        file.write(b"x")
    assert "is too long" in wrong(folder)["weights"]


@pytest.mark.parametrize(
    "content", [b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", struct.pack("<Q", 9)]
)
def test_a_file_that_is_no_safetensors_is_named(folder: Path, content: bytes) -> None:
    (folder / SINGLE).write_bytes(content)
    assert "is damaged or no safetensors file" in wrong(folder)["weights"]


def test_a_missing_shard_is_named_with_what_it_holds(sharded: Path) -> None:
    (sharded / "model-00002-of-00002.safetensors").unlink()
    assert (
        "model-00002-of-00002.safetensors is missing, with 28 tensors" in wrong(sharded)["weights"]
    )


def test_an_index_of_another_model_is_found_out(sharded: Path) -> None:
    first = "model-00001-of-00002.safetensors"
    edit(sharded / INDEX, lambda body: body["weight_map"].update({"lm_head.extra": first}))
    assert f"{first} lacks 1 tensors of the index, lm_head.extra" in wrong(sharded)["weights"]


@pytest.mark.parametrize("content", ["{}", '{"weight_map": {}}', '{"weight_map": []}'])
def test_an_index_without_a_map_is_refused(sharded: Path, content: str) -> None:
    (sharded / INDEX).write_text(content)
    assert "has no weight_map" in wrong(sharded)["weights"]


def test_the_code_that_auto_map_names_must_be_there_and_what_it_imports(folder: Path) -> None:
    edit(
        folder / "config.json",
        lambda body: body.update(auto_map={"AutoModel": "modeling_x.Model"}),
    )
    edit(
        folder / "tokenizer_config.json",
        lambda body: body.update(auto_map={"AutoTokenizer": ["tokenization_x.Slow", None]}),
    )
    assert "which tokenizer_config.json needs" in wrong(folder)["code"]
    (folder / "tokenization_x.py").write_text("import json\n")
    assert "modeling_x.py is missing, which config.json needs" in wrong(folder)["code"]
    (folder / "modeling_x.py").write_text("import torch\nfrom .layers_x import Layer\n")
    assert "layers_x.py is missing, which modeling_x.py needs" in wrong(folder)["code"]
    (folder / "layers_x.py").write_text("from . import modeling_x\n")  # in a circle
    assert wrong(folder) == {}
    (folder / "layers_x.py").write_text("def (:\n")
    assert "layers_x.py is no Python" in wrong(folder)["code"]


def test_code_of_another_repository_is_refused(folder: Path) -> None:
    edit(
        folder / "config.json",
        lambda body: body.update(auto_map={"AutoModel": "someone/other--modeling_x.Model"}),
    )
    assert "from another repository" in wrong(folder)["code"]


def test_a_manifest_is_compared_where_there_is_one(folder: Path) -> None:
    write_manifest(folder)
    assert wrong(folder) == {}
    data = bytearray((folder / SINGLE).read_bytes())
    data[-1] ^= 1  # no check of lengths sees this
    (folder / SINGLE).write_bytes(data)
    assert f"{SINGLE} are altered" in wrong(folder)["hashes"]
