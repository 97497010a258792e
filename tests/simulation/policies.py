"""The policies of a simulation: those that ship, two that differ in what they ask a model, and
one that asks people again."""

from __future__ import annotations

from collections.abc import Callable

from parjanya_dagster import policy
from parjanya_dagster.errors import PolicyInvalid
from parjanya_dagster.policy import Policy
from parjanya_dagster.truth.models import ImageRow
from parjanya_dagster.truth.policy_registry import PolicyRegistry
from parjanya_dagster.truth.store import Store

REFS = ("default@1", "default@2", "asks@1", "asks@2", "again@1")
_TEXT = """name: asks
version: {version}
description: Asks for a prompt and for metrics of its own.
needs:
  enriched: {{prompt: kinds@{version}}}
  scored: {{metrics: [{metrics}]}}
"""


_AGAIN = """name: again
version: 1
description: Objects to nothing, and asks people again.
people: ask_again
"""


class Policies:
    """Which policy decides a row. What is published is read once, as a process does."""

    def __init__(self, store: Store, clock: Callable[[], float]) -> None:
        self._store, self._registry = store, PolicyRegistry(store, clock)
        self.torn: set[str] = set()  # tenants whose policy cannot be read
        for version, metrics in ((1, "piqe"), (2, "piqe, niqe")):
            text = _TEXT.format(version=version, metrics=metrics)
            self._registry.publish(policy.load(text))
        self._registry.publish(policy.load(_AGAIN))

    def published(self, ref: str) -> Policy:
        return self._registry.get(ref)

    def pinned(self, tenant: str) -> Policy:
        if tenant in self.torn:
            raise PolicyInvalid(f"The policy of {tenant!r} cannot be read.")
        found = self._store.tenant(tenant)
        assert found is not None
        return self.published(found.policy)

    def of(self, row: ImageRow) -> Policy:
        return self.published(row.target) if row.target else self.pinned(row.tenant)

    def asked(self, row: ImageRow) -> Policy:
        """What engines ask for. Where no policy can be read, what the settings say."""
        try:
            return self.of(row)
        except PolicyInvalid:
            return self.published(REFS[0])
