"""What was not taken in, by tenant: counted, with some examples, until it is looked at again.

What is refused is somebody's to mend. What is set aside is nobody's mistake.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from parjanya_dagster.objects.keys import Aside

NOBODY = ""
"""The owner of buckets that are no tenant's."""
EXAMPLES = 10  # names of a tenant that are kept, and of each kind that is set aside
MOST = 100  # tenants in a heartbeat; those with a bucket or folder that is away come first


@dataclass(slots=True)
class _Left:
    names: int = 0
    examples: dict[str, str] = field(default_factory=dict)  # what -> why
    aside: Counter[Aside] = field(default_factory=Counter)
    aside_examples: dict[str, Aside] = field(default_factory=dict)

    def refuse(self, name: str, why: str) -> None:
        self.names += 1
        if len(self.examples) < EXAMPLES or name.endswith("/"):
            self.examples[name] = why

    def set_aside(self, name: str, what: Aside) -> None:
        self.aside[what] += 1
        if self.aside[what] <= EXAMPLES:
            self.aside_examples[name] = what

    @property
    def blocked(self) -> bool:
        return any(name.endswith("/") for name in self.examples)


@dataclass(slots=True)
class Refusals:
    """The last whole look at each tenant's bucket, and the one that is under way."""

    last: dict[str, _Left] = field(default_factory=dict)
    under_way: dict[str, _Left] = field(default_factory=dict)

    def begin(self, tenant: str) -> None:
        self.under_way[tenant] = _Left()

    def add(self, tenant: str, name: str, why: str) -> None:
        """`name`: a bucket and a key, or a bucket or folder with a slash at its end."""
        self.under_way.setdefault(tenant, _Left()).refuse(name, why)

    def set_aside(self, tenant: str, name: str, what: Aside) -> None:
        """`name`: a bucket and a key."""
        self.under_way.setdefault(tenant, _Left()).set_aside(name, what)

    def finish(self, tenant: str) -> None:
        """What was left out before, and is not any more, is forgotten."""
        self.last.pop(tenant, None)
        found = self.under_way.pop(tenant, None)
        if found is not None and (found.names or found.aside):
            self.last[tenant] = found

    def body(self) -> dict[str, Mapping[str, Any]]:
        """By tenant, for a heartbeat: how many, and which and why. One cannot crowd out others."""
        refused = [(tenant, left) for tenant, left in self.last.items() if left.names]
        ordered = sorted(refused, key=lambda item: (not item[1].blocked, item[0]))
        return {
            tenant: {"names": left.names, "such_as": dict(left.examples)}
            for tenant, left in ordered[:MOST]
        }

    def body_of_aside(self) -> dict[str, Mapping[str, Any]]:
        """By tenant, for a heartbeat: how many of each kind, and which."""
        aside = [(tenant, left) for tenant, left in sorted(self.last.items()) if left.aside]
        return {
            tenant: {
                "names": left.aside.total(),
                "kinds": {what.value: count for what, count in left.aside.most_common()},
                "such_as": {name: what.value for name, what in left.aside_examples.items()},
            }
            for tenant, left in aside[:MOST]
        }
