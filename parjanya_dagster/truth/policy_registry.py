"""The registry of policies: what is published in Truth, read back as policies.

It knows the policies that ship with the package, and publishes them. A published version never
changes, so each is read once.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from parjanya_dagster import policy
from parjanya_dagster.errors import PolicyConflict, PolicyInvalid, PolicyMissing
from parjanya_dagster.lines import get_logger
from parjanya_dagster.policy import Policy
from parjanya_dagster.truth.models import Published
from parjanya_dagster.truth.store import Policies

log = get_logger(__name__)


class PolicyRegistry:
    """Policies by ref, as Truth holds them."""

    def __init__(self, store: Policies, clock: Callable[[], float]) -> None:
        self._store, self._clock = store, clock
        self._read: dict[str, Policy] = {}

    def get(self, ref: str) -> Policy:
        """The published policy. Raises PolicyMissing, PolicyInvalid, PolicyConflict."""
        if ref not in self._read:
            published = self._store.policy(ref)
            if published is not None:
                self._read[ref] = _parsed(published)
            elif ref in policy.builtin():
                self._read[ref] = self.publish(policy.builtin()[ref])
            else:
                known = ", ".join(self._known())
                raise PolicyMissing(f"No policy {ref!r} is published. There are: {known}.")
        return self._read[ref]

    def named(self, wanted: str) -> Policy:
        """The policy of a ref, or the newest version of a name. Raises as `get` does."""
        if "@" in wanted:
            return self.get(wanted)
        versions = [ref for ref in self._known() if ref.partition("@")[0] == wanted]
        if not versions:
            raise PolicyMissing(f"No policy called {wanted!r} is published.")
        return self.get(max(versions, key=lambda ref: int(ref.partition("@")[2])))

    def _known(self) -> list[str]:
        return sorted({*policy.builtin(), *self.published()})

    def published(self) -> dict[str, Published]:
        """Everything that is published, by ref."""
        return {version.ref: version for version in self._store.policies()}

    def publish(self, new: Policy) -> Policy:
        """Publish a version. Raises PolicyConflict where it is published with other content."""
        document = {"text": new.text, "source": new.source}
        self._store.publish(
            Published(ref=new.ref, hash=new.hash, document=document, published_at=self._clock())
        )
        return new

    def publish_builtin(self) -> None:
        """Publish the policies that ship and are not published yet.

        A shipped file that differs from its published version is refused and logged. The
        published version stays in force.
        """
        known = self.published()
        for ref, shipped in policy.builtin().items():
            if ref not in known:
                self.publish(shipped)
            elif known[ref].hash != shipped.hash:
                log.error("shipped_policy_refused", policy=ref, published=known[ref].hash,
                          shipped=shipped.hash)  # fmt: skip


def read_file(path: Path) -> Policy:
    """A policy from a file. Raises PolicyInvalid naming file, line and field of each mistake."""
    try:
        return policy.load(path)
    except policy.PolicyError as error:
        raise PolicyInvalid(str(error)) from error


def _parsed(published: Published) -> Policy:
    source = str(published.document.get("source") or published.ref)
    try:
        read = policy.load(str(published.document.get("text") or ""), source=source)
    except policy.PolicyError as error:
        raise PolicyInvalid(
            f"{published.ref} was published, and cannot be read: {error}"
        ) from error
    if (read.ref, read.hash) != (published.ref, published.hash):
        raise PolicyConflict(
            f"{published.ref} is published as {published.hash}, but its text in Truth is "
            f"{read.ref} with {read.hash}: the registry was edited. Restore it from a backup."
        )
    return read
