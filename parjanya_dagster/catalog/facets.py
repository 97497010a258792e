"""The facets by which images are filtered and counted, and the numbers by which they are sorted."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Facet:
    """One property of images. An image has none, one or several values of it."""

    name: str  # in addresses
    label: str  # for people
    ordered: bool = False  # its values have an order of their own; others come by their counts


FACETS = (
    Facet(name="verdict", label="Verdict"),
    Facet(name="tenant", label="Tenant"),
    Facet(name="rule", label="Rule"),
    Facet(name="reason", label="Reason"),
    Facet(name="failure", label="Failure"),
    Facet(name="category", label="Category"),
    Facet(name="quality", label="Quality", ordered=True),
    Facet(name="duplicate", label="Duplicate"),
    Facet(name="text", label="Text"),
    Facet(name="language", label="Language"),
    Facet(name="faces", label="Faces", ordered=True),
    Facet(name="format", label="Format"),
    Facet(name="camera", label="Camera"),
    Facet(name="day", label="Day", ordered=True),
    Facet(name="batch", label="Batch"),
    Facet(name="policy", label="Policy"),
    Facet(name="decided_by", label="Decided by"),
    Facet(name="original", label="Duplicates of"),
)
BY_NAME = {facet.name: facet for facet in FACETS}
PLACE = {facet.name: place for place, facet in enumerate(FACETS)}

SORTS = {
    "landed": ("Oldest first", "Newest first"),
    "changed": ("Longest unchanged first", "Changed last first"),
    "quality": ("Worst quality first", "Best quality first"),
    "certainty": ("Least certain first", "Most certain first"),
    "bytes": ("Smallest file first", "Largest file first"),
    "pixels": ("Fewest pixels first", "Most pixels first"),
}
"""Name in addresses -> labels, the smallest first and the largest first: `landed`, `-landed`."""
SORT_PLACE = {name: place for place, name in enumerate(SORTS)}

VERDICTS = ("accept", "review", "reject", "failed", "pending")
"""The values of the facet `verdict`, in the order in which people want to read them."""
