"""What an image installs: the project's own requirements, less what its side never imports.

`python deploy/images/requirements.py cpu` prints one requirement a line. The control plane and the
cpu lane decode and decide who does what; models are the gpu lane's.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

EXTRAS = {
    "cpu": ("postgres", "aws", "kubernetes", "metrics", "otel"),
    "gpu": ("postgres", "aws", "kubernetes", "tags", "iqa", "vlm", "openai", "otel"),
}
MODELS = {"rapidocr-onnxruntime", "onnxruntime", "opencv-python-headless"}
LEFT_OUT = {"cpu": MODELS, "gpu": set()}


def requirements(side: str, pyproject: str) -> list[str]:
    """The requirements of a side, sorted. Raises KeyError for a side that there is not."""
    project = tomllib.loads(pyproject)["project"]
    asked = [*project["dependencies"]]
    for extra in EXTRAS[side]:
        asked += project["optional-dependencies"][extra]
    return sorted({one for one in asked if name_of(one) not in LEFT_OUT[side]})


def name_of(requirement: str) -> str:
    found = re.match(r"[\w.-]+", requirement)
    assert found is not None, requirement
    return found.group().lower().replace("_", "-")


if __name__ == "__main__":
    print("\n".join(requirements(sys.argv[1], Path("pyproject.toml").read_text())))
