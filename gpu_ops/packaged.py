"""Where packages of others keep their weights. `embedded.weights` checks the hash of a file."""

from __future__ import annotations

import importlib.util
from pathlib import Path


def path_of(package: str, file: str, missing: str) -> Path:
    """Where an installed package keeps a file, found without importing it.

    Raises ImportError with the sentence `missing` where the package is not installed.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise ImportError(missing)
    return Path(spec.origin).parent / file
