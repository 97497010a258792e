"""The difference of two releases: images that were added, removed or changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields

from parjanya_dagster.release.items import Item

_IDENTITY = ("name", "sha256", "key", "size")


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """An image that is in both, and is told otherwise."""

    item: Item  # as it is in the second
    fields: Mapping[str, tuple[object, object]]  # what differs: (first, second)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """From one release to another."""

    added: Sequence[Item]
    removed: Sequence[Item]
    changed: Sequence[Changed]
    same: int


def difference(first: Iterable[Item], second: Iterable[Item]) -> Difference:
    """Pure. An image is known by its bytes and its key."""
    before = {(item.sha256, item.key): item for item in first}
    after = {(item.sha256, item.key): item for item in second}
    both = [(before[one], after[one]) for one in sorted(before.keys() & after.keys())]
    changed = [
        Changed(item=new, fields=what) for old, new in both if (what := _differing(old, new))
    ]
    return Difference(
        added=[after[one] for one in sorted(after.keys() - before.keys())],
        removed=[before[one] for one in sorted(before.keys() - after.keys())],
        changed=changed,
        same=len(both) - len(changed),
    )


def _differing(old: Item, new: Item) -> dict[str, tuple[object, object]]:
    return {
        field.name: (getattr(old, field.name), getattr(new, field.name))
        for field in fields(Item)
        if field.name not in _IDENTITY and getattr(old, field.name) != getattr(new, field.name)
    }
