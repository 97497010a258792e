"""What packages are installed, as their own records say it."""

from __future__ import annotations

from importlib.metadata import Distribution
from pathlib import Path

import pytest

from parjanya_dagster.execution.identity import name_and_version


@pytest.mark.parametrize(
    ("file", "text"),
    [
        (
            "METADATA",
            "Metadata-Version: 2.4\nName: Image-Hash\nVersion: 4.3.2\n\nVersion: 9 is not\n",
        ),
        ("METADATA", "Name:\tImage-Hash\r\nVersion: 4.3.2 \r\n\r\nName: other\r\n"),
        ("PKG-INFO", "Metadata-Version: 1.0\nName: Image-Hash\nVersion: 4.3.2\n"),
    ],
)
def test_a_package_is_named_as_its_metadata_say(tmp_path: Path, file: str, text: str) -> None:
    folder = tmp_path / "image_hash-4.3.2.dist-info"
    folder.mkdir()
    (folder / file).write_text(text)
    assert name_and_version(Distribution.at(folder)) == "image-hash==4.3.2"
