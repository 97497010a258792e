"""The check that an image is built through: it passes here, and sees what is missing."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest


def change(check: ModuleType, old: str, new: str) -> None:
    pins = check.HERE / "constraints.txt"
    text = pins.read_text()
    assert old in text
    pins.write_text(text.replace(old, new))


def test_both_sides_have_what_is_pinned(check: ModuleType) -> None:
    assert list(check.pins("cpu")) == []
    assert list(check.pins("gpu")) == []


def test_of_two_versions_the_one_that_is_imported_counts(
    check: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """setuptools has packages of its own, and puts them behind the others once it is imported."""
    older = tmp_path / "vendored" / "packaging-1.0.dist-info"
    older.mkdir(parents=True)
    (older / "METADATA").write_text("Metadata-Version: 2.1\nName: packaging\nVersion: 1.0\n")
    monkeypatch.setattr(sys, "path", [*sys.path, str(older.parent)])
    assert list(check.pins("cpu")) == []


def test_another_version_than_the_pin_is_named(check: ModuleType) -> None:
    change(check, "\ndagster==1.13.27", "\ndagster==1.13.1")
    assert list(check.pins("cpu")) == ["dagster is 1.13.27, its pin is 1.13.1"]


def test_a_requirement_that_was_not_installed_is_named(check: ModuleType) -> None:
    project = check.HERE / "pyproject.toml"
    asked = project.read_text().replace("dependencies = [", 'dependencies = ["sundial>=1",', 1)
    project.write_text(asked)
    assert list(check.pins("cpu")) == ["sundial>=1 is not installed"]


def test_files_that_packaging_forgot_are_named(
    check: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        check, "FILES", ("parjanya_dagster/policy/published/*.yaml", "gpu_ops/no/*")
    )
    assert list(check.files("cpu")) == ["no gpu_ops/no/* was installed"]


def test_an_import_that_fails_is_named(check: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "MODULES", {"cpu": ("json", "no_such_library")})
    (problem,) = check.imports("cpu")
    assert problem.startswith("no_such_library cannot be imported: ModuleNotFoundError")


def test_pictures_of_each_kind_are_decoded(check: ModuleType) -> None:
    assert list(check.decoding("cpu")) == []


def test_the_code_location_loads_for_both_platforms(check: ModuleType) -> None:
    assert list(check.definitions("cpu")) == []


def test_an_image_runs_as_nobody_special(
    check: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert list(check.user("cpu")) == ["it runs as root"]
    monkeypatch.setattr("os.geteuid", lambda: 10001)
    assert list(check.user("cpu")) == []


def test_the_control_plane_has_no_models(check: ModuleType) -> None:
    import requirements

    asked = (check.HERE / "pyproject.toml").read_text()
    cpu = {requirements.name_of(one) for one in requirements.requirements("cpu", asked)}
    gpu = {requirements.name_of(one) for one in requirements.requirements("gpu", asked)}
    assert not cpu & requirements.MODELS
    assert requirements.MODELS | {"transformers", "llguidance"} <= gpu
