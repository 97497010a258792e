"""The Kubernetes objects of `deploy/`, as data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

DEPLOY = Path(__file__).parents[2] / "deploy"


BASE = DEPLOY / "kubernetes" / "base"


def objects(*files: Path) -> list[dict[str, Any]]:
    found = files or tuple(sorted((DEPLOY / "kubernetes").rglob("*.yaml")))
    every = [one for file in found for one in yaml.safe_load_all(file.read_text())]
    return [one for one in every if one and "apiVersion" in one]


def of(kind: str) -> dict[str, dict[str, Any]]:
    return {one["metadata"]["name"]: one for one in objects() if one["kind"] == kind}
