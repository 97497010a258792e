"""What this process really is, measured from its own files and never from what it was told.

A tag says what somebody meant to deploy. The hash of the code, the versions of the packages and
the revisions of the models say what runs. Only `image` is told, and is compared as such.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from functools import cache
from importlib import metadata
from pathlib import Path

import gpu_ops
import parjanya_dagster
from parjanya_dagster.execution.engines import KIND, engine_of
from parjanya_dagster.lanes import Lane
from parjanya_dagster.lines import get_logger
from parjanya_dagster.settings import Settings
from parjanya_dagster.truth.revisions import newest_revision

log = get_logger(__name__)
NAMED = re.compile(r"^(Name|Version):[ \t]*(\S+)[ \t]*$", re.MULTILINE)
SOURCES = {".py", ".yaml", ".json", ".j2", ".sql", ".mako", ".npz", ".txt"}


def identity_of(settings: Settings, lane: Lane) -> dict[str, str]:
    """The identity of this process as a worker of a lane. Builds engines, loads no model.

    A part that cannot be told (a model that is not here) is left out, and is then not compared.
    """
    parts = {
        "code": code_version(),
        "image": settings.identity.image,
        "packages": packages(),
        "schema": newest_revision(),
    }
    for stage in lane.stages:
        if stage not in KIND:
            continue
        try:
            model = engine_of(settings, stage).identity
            parts[stage] = f"{model.engine} {model.model} {model.revision}"
        except Exception as error:  # the stage itself will say so where it is needed
            log.warning("model_unknown", stage=stage, error=f"{type(error).__name__}: {error}")
    return {part: value for part, value in parts.items() if value}


@cache
def code_version() -> str:
    """The version and a hash over every source file of both packages."""
    roots = [Path(str(package.__file__)).parent for package in (parjanya_dagster, gpu_ops)]
    return f"{parjanya_dagster.__version__}+{hash_of_sources(*roots)}"


def hash_of_sources(*roots: Path) -> str:
    """Twelve hex digits over names and contents of the source files below these folders."""
    digest = hashlib.sha256()
    for root in roots:
        for path in sorted(_sources(root)):
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            digest.update(f"{root.name}/{path.relative_to(root).as_posix()} {content}\n".encode())
    return digest.hexdigest()[:12]


def _sources(root: Path) -> Iterator[Path]:
    return (path for path in root.rglob("*") if path.suffix in SOURCES and path.is_file())


@cache
def packages() -> str:
    """Twelve hex digits over the names and versions of all installed packages.

    Of two versions the first on the path counts: it is the one that is imported.
    """
    installed: dict[str, str] = {}
    for package in metadata.distributions():
        if not _inside_another(package):
            name, _, version = name_and_version(package).partition("==")
            installed.setdefault(name, version)
    lines = sorted(f"{name}=={version}" for name, version in installed.items())
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]


def _inside_another(package: metadata.Distribution) -> bool:
    """setuptools puts a folder of its own on the path, once something has imported it."""
    folder = Path(str(package.locate_file("")))
    return any((around / "__init__.py").is_file() for around in (folder, folder.parent))


def name_and_version(package: metadata.Distribution) -> str:
    """`name==version`. Its whole description is parsed only where these two do not lie open."""
    text = package.read_text("METADATA") or ""
    fields = dict(NAMED.findall(text.partition("\n\n")[0]))
    if fields.keys() != {"Name", "Version"}:
        described = package.metadata
        fields = {field: described[field] for field in ("Name", "Version")}
    return f"{fields['Name'].lower()}=={fields['Version']}"
