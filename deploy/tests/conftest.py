"""A site that is fine, synthesized once."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from app import expected, synthesize
from refusals import Expected
from site_file import Site, site

EXAMPLE = Path(__file__).parents[1] / "ecs" / "site.example.yaml"


@pytest.fixture(scope="session")
def said() -> dict[str, Any]:
    """What the example of a site file says."""
    return yaml.safe_load(EXAMPLE.read_text())


@pytest.fixture(scope="session")
def example(said: dict[str, Any]) -> Site:
    return site(copy.deepcopy(said))


@pytest.fixture(scope="session")
def synthesized(example: Site) -> dict[str, Any]:
    return synthesize(example)


DIGEST = "sha256:" + "a" * 64
COLLECTOR = "http://collector.internal:4318"


@pytest.fixture(scope="session")
def inside(said: dict[str, Any]) -> dict[str, Any]:
    """Another site: runs load the model, images have digests, runs send traces."""
    other = copy.deepcopy(said)
    other["release"]["digests"] = {"cpu": DIGEST, "gpu": DIGEST}
    del other["gpu"]["served"]
    return {**other, "traces": COLLECTOR}


@pytest.fixture(scope="session")
def inside_synthesized(inside: dict[str, Any]) -> dict[str, Any]:
    return synthesize(site(copy.deepcopy(inside)))


Variant = Callable[[dict[str, Any]], tuple[dict[str, Any], Expected]]
"""What a site says -> its template, to be broken by a test, and what the rules expect of it."""


@pytest.fixture(scope="session")
def variant() -> Variant:
    """Sites that say something else. Each is synthesized once, whoever asks for it."""
    known: dict[str, dict[str, Any]] = {}

    def of(said: dict[str, Any]) -> tuple[dict[str, Any], Expected]:
        other, name = copy.deepcopy(said), json.dumps(said, sort_keys=True)
        made = site(other)
        if name not in known:
            known[name] = synthesize(made)
        return copy.deepcopy(known[name]), expected(made)

    return of


@pytest.fixture
def template(synthesized: dict[str, Any]) -> dict[str, Any]:
    """The example's template, to be broken by a test."""
    return copy.deepcopy(synthesized)


@pytest.fixture(scope="session")
def wanted(example: Site) -> Expected:
    return expected(example)


@pytest.fixture
def inside_template(inside_synthesized: dict[str, Any]) -> dict[str, Any]:
    return copy.deepcopy(inside_synthesized)


@pytest.fixture(scope="session")
def inside_wanted(inside: dict[str, Any]) -> Expected:
    return expected(site(copy.deepcopy(inside)))
