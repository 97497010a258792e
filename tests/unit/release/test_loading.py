"""A release loads where people work. A library that is absent is skipped, and said so.

They are in an environment of their own: `python -m venv F && F/bin/pip install datasets webdataset
duckdb mlcroissant pillow`, then `RELEASE_LOADERS=F/bin/python`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from parjanya_dagster.release.options import FORMATS, Options
from tests.support.clock import Clock
from tests.support.load_release import LIBRARIES
from tests.support.releases import PICTURES, platform_in, released

PYTHON = os.environ.get("RELEASE_LOADERS") or sys.executable
PROGRAM = Path(__file__).parents[2] / "support" / "load_release.py"


@pytest.fixture(scope="module")
def folder(decided_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release of all formats in two splits."""
    home = tmp_path_factory.mktemp("loading") / "home"
    shutil.copytree(decided_home, home)
    options = Options(split=(("train", 0.5), ("test", 0.5)), formats=FORMATS, shard_images=3)
    with platform_in(home, Clock()) as platform:
        release = released(platform, options)
        assert set(release.counts["split"]) == {"train", "test"}
    return home / "buckets" / "acme" / "releases" / release.ref


@pytest.mark.parametrize("library", LIBRARIES)
def test_every_image_of_every_split_is_loaded(folder: Path, library: str, tmp_path: Path) -> None:
    package = LIBRARIES[library][0]
    has_it = f"import sys, importlib.util; sys.exit(importlib.util.find_spec('{package}') is None)"
    if subprocess.run([PYTHON, "-c", has_it], check=False, cwd=tmp_path).returncode:
        pytest.skip(f"{package} is not installed: see the head of this file")
    done = subprocess.run(
        [PYTHON, str(PROGRAM), library, str(folder)],
        env={**os.environ, "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1", "HOME": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    loaded = json.loads(done.stdout.splitlines()[-1])
    assert sum(loaded["splits"].values()) == PICTURES + 1
    assert loaded["splits"].keys() == {"train", "test"}
    assert loaded["sizes"] in ([], [[480, 360], [640, 480]])
