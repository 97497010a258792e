"""The store contract: what every backend of Truth can do, and how it behaves.

Each concern is a protocol in a module of its own, and `Store` combines them all. A caller asks for
the narrowest protocol that it uses. One suite, `tests/contract`, runs against every backend.

Every operation is idempotent, or fenced so that doing it twice changes nothing. Times are seconds
since the epoch. `now` is the caller's. All methods raise TruthUnavailable when the backend does
not answer.
"""

from __future__ import annotations

from typing import Protocol

from parjanya_dagster.truth.counts import Counts
from parjanya_dagster.truth.store.buckets import Buckets
from parjanya_dagster.truth.store.counting import Counting
from parjanya_dagster.truth.store.declarations import Declarations
from parjanya_dagster.truth.store.evidence import EvidenceLog
from parjanya_dagster.truth.store.heartbeats import Heartbeats
from parjanya_dagster.truth.store.holders import Holders
from parjanya_dagster.truth.store.holds import Holds
from parjanya_dagster.truth.store.images import Images
from parjanya_dagster.truth.store.ledgers import Ledgers
from parjanya_dagster.truth.store.likeness import CROWD, Likenesses
from parjanya_dagster.truth.store.manifests import Manifests
from parjanya_dagster.truth.store.measurements import Measurements
from parjanya_dagster.truth.store.messages import Messages
from parjanya_dagster.truth.store.policies import Policies
from parjanya_dagster.truth.store.reconciliations import Reconciliations
from parjanya_dagster.truth.store.regrades import Regrades
from parjanya_dagster.truth.store.releases import Releases
from parjanya_dagster.truth.store.reviews import Reviews
from parjanya_dagster.truth.store.tenants import Tenants
from parjanya_dagster.truth.store.tokens import Tokens
from parjanya_dagster.truth.store.uploads import Uploads
from parjanya_dagster.truth.store.work_queue import WorkQueue

__all__ = [
    "CROWD",
    "Buckets",
    "Counting",
    "Counts",
    "Declarations",
    "EvidenceLog",
    "Heartbeats",
    "Holders",
    "Holds",
    "Images",
    "Ledgers",
    "Likenesses",
    "Manifests",
    "Measurements",
    "Messages",
    "Policies",
    "Reconciliations",
    "Regrades",
    "Releases",
    "Reviews",
    "Store",
    "Tenants",
    "Tokens",
    "Uploads",
    "WorkQueue",
]


class Store(
    Tenants,
    Buckets,
    Policies,
    Images,
    Counting,
    WorkQueue,
    Holders,
    EvidenceLog,
    Likenesses,
    Manifests,
    Regrades,
    Reviews,
    Releases,
    Uploads,
    Tokens,
    Declarations,
    Ledgers,
    Messages,
    Holds,
    Reconciliations,
    Measurements,
    Heartbeats,
    Protocol,
):
    """Truth."""

    def clock_skew(self) -> float | None:
        """Seconds by which the server's clock is ahead of ours. None: it has no clock of its own.

        This is the only method that reads our clock itself.
        """

    def close(self) -> None: ...
