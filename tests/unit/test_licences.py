"""A company may use what a default installation brings: every licence is on the list."""

from __future__ import annotations

import re
import tomllib
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

PROJECT = Path(__file__).parents[2] / "pyproject.toml"

# Permissive, or copyleft of single files (MPL) and of a library that is linked (LGPL).
ALLOWED = {
    *("MIT", "MIT-0", "MIT-CMU", "MIT License", "MIT license", "ISC License (ISCL)", "ISC License"),
    *("BSD", "BSD License", "BSD-2-Clause", "BSD-3-Clause", "0BSD", "2-clause BSD License"),
    *("3-Clause BSD License", "Apache-2.0", "Apache 2.0", "Apache Software License"),
    *("Apache License Version 2.0", "PSF-2.0", "Python Software Foundation License", "Zlib"),
    *("CC0-1.0", "MPL-2.0", "Mozilla Public License 2.0 (MPL 2.0)"),
    *("LGPL-3.0-or-later", "GNU Lesser General Public License v3 or later (LGPLv3+)"),
}


def requirements() -> set[str]:
    """The names of all that a default installation brings, what that needs included."""
    project = tomllib.loads(PROJECT.read_text())["project"]
    waiting = [(Requirement(line), "") for line in project["dependencies"]]
    seen: set[tuple[str, str]] = set()
    while waiting:
        requirement, _ = waiting.pop()
        for extra in ("", *requirement.extras):
            if (requirement.name, extra) in seen:
                continue
            seen.add((requirement.name, extra))
            for line in metadata.distribution(requirement.name).requires or []:
                needed = Requirement(line)
                if needed.marker is None or needed.marker.evaluate({"extra": extra}):
                    waiting.append((needed, extra))
    return {name for name, _ in seen}


def licences(name: str) -> set[str]:
    """What a package says of itself: an expression, else classifiers, else its field."""
    about = metadata.metadata(name)
    if expression := about.get("License-Expression"):
        return set(re.split(r" AND | OR |[()]", expression)) - {""}
    classifiers = [line.split(" :: ") for line in about.get_all("Classifier") or []]
    named = {parts[-1] for parts in classifiers if parts[0] == "License" and len(parts) > 2}
    if named:
        return named
    return set((about.get("License") or "not stated").replace(" AND ", "\n").split("\n"))


def test_every_licence_of_a_default_installation_is_allowed() -> None:
    brought = requirements()
    assert {"dagster", "rapidocr-onnxruntime", "scipy"} <= brought
    refused = {name: found for name in brought if not (found := licences(name)) <= ALLOWED}
    assert refused == {}


def test_what_forbids_commercial_use_or_weighs_gigabytes_is_an_extra() -> None:
    assert not {"pyiqa", "torch", "torchvision", "timm", "transformers"} & requirements()
    assert not licences("pyiqa") <= ALLOWED
