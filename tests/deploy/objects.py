"""The Kubernetes objects of `deploy/chart` for its examples, as data."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

DEPLOY = Path(__file__).parents[2] / "deploy"

_spec = importlib.util.spec_from_file_location("chart_render", DEPLOY / "chart_render.py")
assert _spec is not None
assert _spec.loader is not None
chart_render = importlib.util.module_from_spec(_spec)
sys.modules[_spec.name] = chart_render  # for tests of `deploy/tests` that are called from here
_spec.loader.exec_module(chart_render)

SITES: tuple[str, ...] = tuple(file.stem for file in chart_render.EXAMPLES)


def objects(site: str) -> tuple[dict[str, Any], ...]:
    """What is installed at the site of an example."""
    return chart_render.rendered(site)


def of(kind: str, site: str) -> dict[str, dict[str, Any]]:
    return {one["metadata"]["name"]: one for one in objects(site) if one["kind"] == kind}


def pod(one: dict[str, Any]) -> dict[str, Any]:
    """What a Deployment or a Job makes pods of."""
    return one["spec"]["template"]["spec"]
