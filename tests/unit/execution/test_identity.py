"""What packages are installed, as their own records say it."""

from __future__ import annotations

import sys
from importlib.metadata import Distribution
from pathlib import Path

import pytest

from parjanya_dagster.execution.identity import name_and_version, packages


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


def recorded(folder: Path, version: str) -> str:
    """The path of a folder where pytest is recorded in this version."""
    record = folder / f"pytest-{version}.dist-info"
    record.mkdir(parents=True)
    (record / "METADATA").write_text(f"Metadata-Version: 2.1\nName: pytest\nVersion: {version}\n")
    return str(folder)


def test_what_a_package_carries_inside_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """setuptools puts its own folder of packages on the path once it is imported."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = packages.__wrapped__()
    carrier = tmp_path / "carrier"
    carrier.mkdir()
    sys.path.insert(0, recorded(carrier / "_vendor", "1.0"))
    assert packages.__wrapped__() != before, "it is a folder like any other"
    (carrier / "__init__.py").touch()
    assert packages.__wrapped__() == before


def test_of_two_versions_the_one_that_is_imported_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = packages.__wrapped__()
    monkeypatch.setattr(sys, "path", [*sys.path, recorded(tmp_path, "1.0")])
    assert packages.__wrapped__() == before
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    assert packages.__wrapped__() != before
