"""`tools/python`: which Python makes the environments."""

from __future__ import annotations

import subprocess
from pathlib import Path

PYTHON = Path(__file__).parents[3] / "tools" / "python"


def test_it_names_a_python_that_can_make_environments() -> None:
    named = subprocess.run([PYTHON], check=True, capture_output=True, text=True).stdout.strip()
    asked = "import ensurepip, sys, venv; print(sys.version_info[:2])"
    said = subprocess.run([named, "-c", asked], check=True, capture_output=True, text=True).stdout
    assert said.strip() == "(3, 11)"
