"""What cannot be taken in, by tenant: counted, with some examples, until it is looked at again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

NOBODY = ""
"""The owner of buckets that are no tenant's."""
EXAMPLES = 10  # names of a tenant that are kept
MOST = 100  # tenants in a heartbeat; those with a bucket or folder that is away come first


@dataclass(slots=True)
class _Refused:
    names: int = 0
    examples: dict[str, str] = field(default_factory=dict)  # what -> why

    def add(self, name: str, why: str) -> None:
        self.names += 1
        if len(self.examples) < EXAMPLES or name.endswith("/"):
            self.examples[name] = why

    @property
    def blocked(self) -> bool:
        return any(name.endswith("/") for name in self.examples)


@dataclass(slots=True)
class Refusals:
    """The last whole look at each tenant's bucket, and the one that is under way."""

    last: dict[str, _Refused] = field(default_factory=dict)
    under_way: dict[str, _Refused] = field(default_factory=dict)

    def begin(self, tenant: str) -> None:
        self.under_way[tenant] = _Refused()

    def add(self, tenant: str, name: str, why: str) -> None:
        """`name`: a bucket and a key, or a bucket or folder with a slash at its end."""
        self.under_way.setdefault(tenant, _Refused()).add(name, why)

    def finish(self, tenant: str) -> None:
        """What was refused before, and is not any more, is forgotten."""
        self.last.pop(tenant, None)
        found = self.under_way.pop(tenant, None)
        if found is not None and found.names:
            self.last[tenant] = found

    def body(self) -> dict[str, Mapping[str, Any]]:
        """By tenant, for a heartbeat: how many, and which and why. One cannot crowd out others."""
        ordered = sorted(self.last.items(), key=lambda item: (not item[1].blocked, item[0]))
        return {
            tenant: {"names": refused.names, "such_as": dict(refused.examples)}
            for tenant, refused in ordered[:MOST]
        }
