"""Which versions of the libraries answer: part of what evidence says of the engine in process."""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, version

ANSWER = ("torch", "torchvision", "transformers", "tokenizers", "llguidance")
"""Those that compute an answer: the model, how pictures reach it, its words, its grammar."""


@cache
def versions() -> dict[str, str]:
    """By name, with the build (`2.13.0+cpu`). Imports none of them."""
    return {name: _version(name) for name in ANSWER}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"
