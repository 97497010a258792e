"""Whether a model's folder is complete. Reads headers and JSON, and loads no weights.

A folder that lacks a file often fails late and elsewhere: a missing shard after minutes of loading,
a missing processor as a wrong picture size, a missing module of `trust_remote_code` as an import
error on the one node whose cache is empty.
"""

from __future__ import annotations

import ast
import json
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gpu_ops.preflight.report import Check
from gpu_ops.weight_folder import MANIFEST, BadWeights, WeightFolder

INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"
TOKENIZERS = (("tokenizer.json",), ("vocab.json", "merges.txt"), ("tokenizer.model",))
PROCESSORS = ("preprocessor_config.json", "processor_config.json")
TEMPLATES = ("chat_template.jinja", "chat_template.json")
CONFIGS = ("config.json", "tokenizer_config.json", *PROCESSORS)
MOST_HEADER = 100_000_000  # bytes, as the format allows


class Incomplete(Exception):
    """What is wrong with a folder, and what to do."""


def checks(folder: Path, *, hashing: bool = True) -> list[Check]:
    """Configuration, weights, tokenizer, processor, code and hashes of a model's folder.

    `hashing` reads every byte of it, which takes minutes where it is large.
    """
    parts = {
        "configuration": configuration,
        "weights": weights,
        "tokenizer": tokenizer,
        "processor": processor,
        "code": code,
        **({"hashes": hashes} if hashing else {}),
    }
    results = []
    for name, part in parts.items():
        try:
            results.append(Check(name, True, part(folder)))
        except (Incomplete, BadWeights) as problem:
            results.append(Check(name, False, str(problem)))
        except OSError as error:
            results.append(Check(name, False, f"{error.filename} cannot be read: {error.strerror}"))
    return results


def configuration(folder: Path) -> str:
    config = _json(folder / "config.json")
    if not isinstance(config.get("model_type"), str):
        raise Incomplete(f"{folder / 'config.json'} names no model_type: it is no model's")
    return str(config["model_type"])


def weights(folder: Path) -> str:
    """Every tensor of the index is in its shard, and every shard is as long as its header says."""
    if (folder / INDEX).is_file():
        where = _json(folder / INDEX).get("weight_map")
        if not isinstance(where, dict) or not where:
            raise Incomplete(f"{folder / INDEX} has no weight_map: fetch it again")
    elif (folder / SINGLE).is_file():
        where = dict.fromkeys(_header(folder / SINGLE), SINGLE)
    else:
        raise Incomplete(f"{folder} holds neither {INDEX} nor {SINGLE}: fetch the weights")
    shards: dict[str, Mapping[str, Any]] = {}
    for name in sorted(set(where.values())):
        if not (folder / name).is_file():
            lost = sum(shard == name for shard in where.values())
            raise Incomplete(f"{name} is missing, with {lost} tensors of the index: fetch it")
        shards[name] = _header(folder / name)
    lacking = [tensor for tensor, shard in where.items() if tensor not in shards[shard]]
    if lacking:
        raise Incomplete(
            f"{where[lacking[0]]} lacks {len(lacking)} tensors of the index, {lacking[0]} among "
            "them: index and weights are not of one model; fetch both again"
        )
    size = weight_bytes(folder)
    return f"{len(where)} tensors in {len(shards)} files, {size / 1e9:.2f} GB"


def weight_bytes(folder: Path) -> int:
    """The size of all weights together. Zero if there are none."""
    return sum(path.stat().st_size for path in folder.glob("*.safetensors"))


def tokenizer(folder: Path) -> str:
    _json(folder / "tokenizer_config.json")
    for files in TOKENIZERS:
        if all((folder / name).is_file() for name in files):
            if files[0].endswith(".json"):
                _json(folder / files[0])
            return " and ".join(files)
    raise Incomplete(f"{folder} holds no tokenizer: fetch tokenizer.json")


def processor(folder: Path) -> str:
    """How pictures become tokens, and how questions are laid out."""
    files = [name for name in PROCESSORS if (folder / name).is_file()]
    if not any(_has_images(_json(folder / name)) for name in files):
        raise Incomplete(
            f"{folder} says nowhere how pictures are prepared: fetch {' or '.join(PROCESSORS)}"
        )
    if not any((folder / name).is_file() for name in TEMPLATES) and not _json(
        folder / "tokenizer_config.json"
    ).get("chat_template"):
        raise Incomplete(f"{folder} holds no chat template: fetch {' or '.join(TEMPLATES)}")
    return ", ".join(files)


def code(folder: Path) -> str:
    """The Python files that `auto_map` names, and those they import from beside themselves."""
    wanted = {
        module: name
        for name in CONFIGS
        if (folder / name).is_file()
        for module in _modules(_json(folder / name).get("auto_map"))
    }
    seen: set[str] = set()
    open_ends = sorted(wanted)
    while open_ends:
        module = open_ends.pop()
        if module in seen:
            continue
        seen.add(module)
        path = folder / f"{module.replace('.', '/')}.py"
        if not path.is_file():
            by = wanted.get(module, "another module")
            raise Incomplete(f"{path.name} is missing, which {by} needs: fetch it")
        for other in _imports(path):
            wanted.setdefault(other, path.name)
            open_ends.append(other)
    return f"needs {len(seen)} Python files of its own" if seen else "needs none of its own"


def hashes(folder: Path) -> str:
    """Compare with `SHA256SUMS`, where the folder has one."""
    if not (folder / MANIFEST).is_file():
        return f"no {MANIFEST} to compare with; the evidence records what was found"
    manifest = WeightFolder.open(folder)
    manifest.check(tuple(manifest.sha256))
    return f"{len(manifest.sha256)} files are as {MANIFEST} says"


def _json(path: Path) -> dict[str, Any]:
    try:
        body = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise Incomplete(f"{path} is missing: fetch it") from None
    except ValueError as error:
        raise Incomplete(f"{path} is no JSON ({error}): fetch it again") from error
    if not isinstance(body, dict):
        raise Incomplete(f"{path} holds no JSON object: fetch it again")
    return body


def _header(path: Path) -> Mapping[str, Any]:
    """Tensor -> where it lies. Raises Incomplete where the file is not as long as it should be."""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else MOST_HEADER + 1
        raw = file.read(length) if length <= MOST_HEADER else b""
    try:
        header = json.loads(raw) if len(raw) == length else None
        tensors = {name: at for name, at in header.items() if name != "__metadata__"}  # type: ignore[union-attr]
        end = 8 + length + max((at["data_offsets"][1] for at in tensors.values()), default=0)
    except (ValueError, AttributeError, KeyError, TypeError) as error:
        raise Incomplete(
            f"{path.name} is damaged or no safetensors file: fetch it again"
        ) from error
    if size != end:
        kind = "truncated" if size < end else "too long"
        raise Incomplete(f"{path.name} is {kind}: {size} bytes of {end}; fetch it again")
    return tensors


def _has_images(config: Mapping[str, Any]) -> bool:
    inner = config.get("image_processor")
    names = ("image_processor_type", "feature_extractor_type")
    return isinstance(inner, dict) or any(name in config for name in names)


def _modules(auto_map: Any) -> Iterator[str]:
    """Modules of this folder; a class of another repository reads `owner/name--module.Class`."""
    values = auto_map.values() if isinstance(auto_map, dict) else ()
    for value in values:
        for name in value if isinstance(value, list) else [value]:
            if isinstance(name, str) and "." in name:
                if "--" in name:
                    raise Incomplete(
                        f"auto_map takes code from another repository ({name}): use a folder that "
                        "holds it all"
                    )
                yield name.rpartition(".")[0]


def _imports(path: Path) -> Iterator[str]:
    """Modules of the same folder that a file imports: `from .a import b`, `from . import a`."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError) as error:
        raise Incomplete(f"{path.name} is no Python ({error}): fetch it again") from error
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level == 1:
            if node.module:
                yield node.module
            else:
                yield from (alias.name for alias in node.names)
