"""One image of a release: all that is known of it, without what is particular to one home.

Ids, places and times of arrival differ from home to home, so none of them is here. The same images
with the same decisions give the same items in every home. An image is identified by its bytes.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from parjanya_dagster.truth.models import Evidence, ImageRow

STAGES = ("validated", "enriched", "scored")
"""Stages whose evidence is released. What the policy made of it has fields of its own."""
_IMAGE_ID = re.compile(r"\b[0-9a-f]{24}\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """An image, its decision and its evidence."""

    name: str  # of its files: the sha256, and a number where several have the same bytes
    sha256: str
    key: str  # where it lay in the tenant's bucket
    size: int  # bytes of the original
    format: str
    width: int  # pixels, upright
    height: int
    orientation: int
    verdict: str  # the effective one
    decided_by: str  # person or policy
    reviewer: str | None
    policy_verdict: str
    reasons: tuple[str, ...]
    policy: str
    policy_hash: str
    duplicate_of: str | None  # the sha256 of its original
    group: str
    split: str
    engines: Mapping[str, Mapping[str, str]]  # stage -> engine, model, revision, determinism
    fingerprints: Mapping[str, str]  # stage -> hash of what was found, and by which engine
    evidence: Mapping[str, Any]  # stage -> what it found

    def line(self) -> bytes:
        """As a line of a list. Equal items give equal lines."""
        return _canonical({name: getattr(self, name) for name in self.__slots__}) + b"\n"

    @classmethod
    def of_line(cls, line: bytes) -> Item:
        values = orjson.loads(line)
        return cls(**{**values, "reasons": tuple(values["reasons"])})


def facts_of(
    row: ImageRow,
    evidence: Mapping[str, Evidence],
    original: str | None,
    keep_exif: bool,
) -> dict[str, Any]:
    """The fields of an item that follow from its row and evidence.

    `original`: the sha256 of the image whose duplicate it is. Reasons name images by ids, which
    are this home's, so they name that hash instead.
    """
    bodies = {stage: record.body for stage, record in evidence.items()}
    validated, decision = bodies["validated"], bodies["curated"]
    named = f"sha256:{original}" if original else "another image"
    return {
        "sha256": str(row.sha256),
        "key": row.key,
        "size": row.size,
        "format": str(validated.get("format") or ""),
        "width": int(validated.get("width") or 0),
        "height": int(validated.get("height") or 0),
        "orientation": int(validated.get("orientation") or 1),
        "verdict": str(row.effective_verdict),
        "decided_by": str(row.decided_by),
        "reviewer": row.person if row.person_verdict else None,
        "policy_verdict": str(row.verdict),
        "reasons": tuple(_IMAGE_ID.sub(named, reason) for reason in row.reasons),
        "policy": str(row.policy),
        "policy_hash": str(decision.get("policy_hash") or ""),
        "duplicate_of": original,
        "engines": {s: _engine(evidence[s]) for s in STAGES if s in evidence},
        "fingerprints": {s: _fingerprint(evidence[s]) for s in STAGES if s in evidence},
        "evidence": {s: _released(bodies[s], keep_exif) for s in STAGES if s in bodies},
    }


def _engine(evidence: Evidence) -> dict[str, str]:
    return {
        "engine": evidence.engine,
        "model": evidence.model,
        "revision": evidence.revision,
        "determinism": evidence.determinism,
    }


def _fingerprint(evidence: Evidence) -> str:
    """Evidence by its content. Truth's own fingerprint has the id of the image in it."""
    content = _canonical({"by": _engine(evidence), "found": dict(evidence.body)})
    return hashlib.sha256(content).hexdigest()[:32]


def _released(body: Mapping[str, Any], keep_exif: bool) -> dict[str, Any]:
    """Evidence without what only finds duplicates, and without what EXIF said unless it is kept."""
    aside = {"likeness"} if keep_exif else {"likeness", "exif"}
    return {name: value for name, value in body.items() if name not in aside}


def _canonical(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
