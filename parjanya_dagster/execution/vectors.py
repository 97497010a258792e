"""The vectors that a run makes on its way: while previews are at hand, and before it decides."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from parjanya_dagster.errors import PolicyUnusable, UnknownTenant
from parjanya_dagster.execution.engines import embedder_of
from parjanya_dagster.execution.resources import StageResources
from parjanya_dagster.execution.stages.build import previews_of
from parjanya_dagster.lines import get_logger
from parjanya_dagster.truth.models import parse_batch

log = get_logger(__name__)
SEEING = "enriched"  # the stage whose previews vectors are made from


@dataclass(frozen=True, slots=True, kw_only=True)
class Vectors:
    """The vectors of one run. No run and no image is harmed where they cannot be made."""

    resources: StageResources
    run_id: str
    made: set[str] = field(default_factory=set)  # batches

    def follow(
        self,
        stage: str,
        batches: Sequence[str],
        paused: Collection[str],
        progress: Callable[[], None],
    ) -> None:
        """Make what is missing of these batches, after a stage worked on them.

        Where a run died before it did, the run that writes the batch's manifest does. To know what
        is missing, it reads the rows of the batch. So vectors wait where the manifest does
        (`paused`), except before a decision that reads them. `progress` is told of each batch.
        """
        from parjanya_dagster.execution.embedding import make  # it imports NumPy

        store, objects = self.resources.store, self.resources.objects
        refused: set[str] = set()  # tenants; the others go on
        for batch in batches:
            tenant = parse_batch(batch)[0]
            waits = batch in paused and not (stage == SEEING and self._decided_by_them(tenant))
            if batch in self.made or tenant in refused or waits:
                continue
            try:
                embedder = embedder_of(self.resources.settings)
                if embedder is None:
                    return
                made = make(store, objects, embedder, batch, previews_of(objects))
            except Exception as error:
                refused.add(tenant)
                log.warning("no_vectors", run=self.run_id, tenant=tenant,
                            why=f"{type(error).__name__}: {error}")  # fmt: skip
            else:
                self.made.add(batch)
                log.info("vectors_made", run=self.run_id, batch=batch, made=made.made,
                         failed=made.failed)  # fmt: skip
            progress()

    def _decided_by_them(self, tenant: str) -> bool:
        """Whether the tenant's policy reads vectors, by its taste."""
        try:
            policy = self.resources.policy_of(tenant)
        except (PolicyUnusable, UnknownTenant):
            return False  # no image is decided meanwhile
        return policy.document.needs.taste is not None
