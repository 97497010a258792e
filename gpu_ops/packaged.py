"""Weights inside packages of others. A file is used only if its hash is the expected one."""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path

from gpu_ops.embedded.weights import BadWeights


def path_of(package: str, file: str, missing: str) -> Path:
    """Where an installed package keeps a file, found without importing it.

    Raises ImportError with the sentence `missing` where the package is not installed.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise ImportError(missing)
    return Path(spec.origin).parent / file


def read(path: Path, sha256: str) -> bytes:
    """The bytes of a file. Raises `BadWeights` where it is missing, or not the one measured."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadWeights(
            f"the weights {path.name} cannot be read ({error.strerror}): install their package "
            "again"
        ) from error
    if (digest := hashlib.sha256(data).hexdigest()) != sha256:
        raise BadWeights(
            f"the weights {path.name} are altered: their SHA-256 is {digest}, not {sha256}"
        )
    return data
