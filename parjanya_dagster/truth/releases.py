"""Releases: which were made, how far each is, and the images that were withdrawn since.

What a release holds is a list in its tenant's bucket, under the id that is its hash. Truth has the
id, so nobody can change the list unseen.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from parjanya_dagster.errors import ReleaseInvalid

WRITING, COMPLETE, WITHDRAWN = "writing", "complete", "withdrawn"
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_REF = re.compile(rf"(?P<name>{_NAME.pattern})@(?P<version>[1-9]\d{{0,5}})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """One version of a release of a tenant's images."""

    tenant: str
    name: str
    version: int  # 1, 2, 3 …
    release_id: str  # the sha256 of its list
    selection: Mapping[str, Any]  # what was asked for
    counts: Mapping[str, Any]  # images by split and by verdict
    images: int
    created_at: float
    created_by: str
    state: str = WRITING
    attended_until: float = 0.0  # somebody writes it until then, as far as is known
    completed_at: float | None = None
    files: int = 0  # once it is complete
    size: int = 0  # bytes of them
    sums: str = ""  # the sha256 of its SHA256SUMS
    withdrawn_at: float | None = None
    withdrawn_by: str = ""
    withdrawn_why: str = ""
    held: tuple[str, ...] = field(default=())  # sha256 of withdrawn images that it holds

    @property
    def ref(self) -> str:
        return f"{self.name}@{self.version}"

    @property
    def key(self) -> str:
        """Its partition key."""
        return f"{self.tenant}/{self.ref}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawal:
    """An image that may not be passed on, for a reason of law. It is known by its bytes."""

    tenant: str
    sha256: str
    at: float
    who: str
    reason: str


def check_name(name: str) -> str:
    """Return the name of a release. Raises ReleaseInvalid."""
    if not _NAME.fullmatch(name):
        raise ReleaseInvalid(
            f"{name!r} does not name a release: 1 to 63 characters a-z, 0-9 and '-', not starting "
            "with '-'."
        )
    return name


def parse_ref(ref: str) -> tuple[str, int]:
    """Split NAME@VERSION. Raises ReleaseInvalid."""
    match = _REF.fullmatch(ref)
    if match is None:
        raise ReleaseInvalid(f"{ref!r} is no release: it reads NAME@VERSION, such as birds@1.")
    return match["name"], int(match["version"])


def parse_key(key: str) -> tuple[str, str, int]:
    """Split a partition key into tenant, name and version. Raises ReleaseInvalid."""
    tenant, _, ref = key.partition("/")
    return tenant, *parse_ref(ref)
