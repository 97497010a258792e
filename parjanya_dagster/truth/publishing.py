"""The check that a published policy version never changes. Every store makes it."""

from __future__ import annotations

from parjanya_dagster.errors import PolicyConflict
from parjanya_dagster.truth.models import Published


def check_same(recorded: Published, policy: Published) -> None:
    """Raise PolicyConflict where the version is recorded with other content."""
    if recorded.hash == policy.hash:
        return
    name, _, version = policy.ref.partition("@")
    raise PolicyConflict(
        f"{policy.ref} is published with other content ({recorded.hash[:19]}…, this is "
        f"{policy.hash[:19]}…), and a published version never changes. Restore it, or "
        f"publish this as {name}@{int(version) + 1 if version.isdigit() else '…'}."
    )
