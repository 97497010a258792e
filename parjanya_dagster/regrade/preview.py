"""What a regrade would do: a pure evaluation over recorded evidence. Nothing is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from parjanya_dagster.execution.stages.curate import Curate
from parjanya_dagster.policy import Policy
from parjanya_dagster.regrade.advance import batches_of
from parjanya_dagster.regrade.moves import Planner
from parjanya_dagster.truth.models import ImageRow, Regrade
from parjanya_dagster.truth.outcomes import Claim, Completed
from parjanya_dagster.truth.stages import STAGES, Status
from parjanya_dagster.truth.store import Store
from parjanya_dagster.truth.store.paging import batch_pages

if TYPE_CHECKING:
    from parjanya_dagster.learning.tastes import Tastes

EXAMPLES = 5  # of each change of verdict
Fate = Literal["stand", "asked_again"]  # what becomes of a person's verdict
MODEL_STAGES = ("enriched", "scored")  # those that ask a model
PAGE = 500


@dataclass(kw_only=True)
class Flips:
    """How verdicts change: counts, the reasons given for the new ones, examples.

    Of the examples, those that people decided come first.
    """

    most: int = EXAMPLES
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    peoples: Counter[tuple[str, str]] = field(default_factory=Counter)  # that people decided
    rules: dict[tuple[str, str], Counter[str]] = field(default_factory=dict)
    examples: dict[tuple[str, str, bool], list[dict[str, Any]]] = field(default_factory=dict)
    same: int = 0

    def note(
        self,
        row: ImageRow,
        before: str,
        after: str,
        rules: Iterable[str],
        reasons: Iterable[str],
        person: Fate | None = None,
    ) -> None:
        if before == after:
            self.same += 1
            return
        flip = (before, after)
        self.counts[flip] += 1
        self.peoples[flip] += person is not None
        self.rules.setdefault(flip, Counter()).update(set(rules))
        shown = self.examples.setdefault((*flip, person is not None), [])
        if len(shown) < self.most:
            shown.append(example(row, reasons, person))

    def body(self) -> list[dict[str, Any]]:
        return [
            {"before": before, "after": after, "images": count,
             "people": self.peoples[before, after],
             "rules": dict(self.rules[before, after].most_common()),
             "examples": [*self.examples.get((before, after, True), ()),
                          *self.examples.get((before, after, False), ())][:self.most]}
            for (before, after), count in self.counts.most_common()
        ]  # fmt: skip


def example(row: ImageRow, reasons: Iterable[str], person: Fate | None) -> dict[str, Any]:
    """An image to show, with what a person said of it and what becomes of that."""
    said = {"verdict": row.person_verdict, "who": row.person, "becomes": person}
    return {
        "image_id": row.image_id,
        "tenant": row.tenant,
        "key": row.key,
        "thumbnail": row.thumbnail_key is not None,
        "reasons": list(reasons),
        "person": said if person else None,
    }


def preview(
    store: Store,
    published: Callable[[str], Policy],
    regrade: Regrade,
    clock: Callable[[], float],
    most: int = EXAMPLES,
    heard: Callable[[int, int], None] = lambda done, of: None,
    tastes: Tastes | None = None,
) -> dict[str, Any]:
    """Which verdicts would change and why, what runs again, and for how long.

    `most`: examples of each change. `heard` is told how many partitions are read, of how many.
    `tastes`: for policies that name one.
    Images whose evidence is lacking are counted by the stage they go back to. How they will be
    decided is not known, and is not guessed.
    """
    target = published(regrade.policy)
    planner = Planner(store, published, target)
    flips = Flips(most=most)
    lapsing: list[dict[str, Any]] = []
    people: Counter[str] = Counter()
    from_stage: Counter[str] = Counter()
    undecided = unmoved = 0
    batches = batches_of(store, regrade)
    for done, batch in enumerate(batches):
        heard(done, len(batches))
        for page in batch_pages(store, [batch], PAGE):
            by_id = {row.image_id: row for row in page}
            moves = planner.moves(page)
            unmoved += len(page) - len(moves)
            decidable = []
            for move in moves:
                row = by_id[move.image_id]
                fate = fate_of(row, target)
                people.update([fate] if fate else [])
                if fate == "asked_again" and len(lapsing) < most:
                    lapsing.append(example(row, row.reasons, fate))
                if move.stage is None or row.pipeline_status != Status.CURATED:
                    undecided += 1
                    continue
                from_stage[move.stage] += 1
                if move.stage == "curated":
                    moved = replace(row, evidence={**row.evidence, **move.evidence}, target=None)
                    decidable.append(moved)
            _evaluate(store, target, decidable, clock, flips, tastes)
    return {
        "policy": target.ref,
        "policy_hash": target.hash,
        "tenants": list(regrade.tenants),
        "since": regrade.since,
        "until": regrade.until,
        "partitions": len(batches),
        "images": sum(from_stage.values()),
        "under_way": undecided,
        "left_alone": unmoved,
        "decided_now": flips.same + sum(flips.counts.values()),
        "same_verdict": flips.same,
        "people": {
            "verdicts": people.total(),
            "stand": people["stand"],
            "asked_again": people["asked_again"],
        },
        "lapsing": lapsing,
        "flips": flips.body(),
        "replay_from": {stage: from_stage[stage] for stage in STAGES if from_stage[stage]},
        **_cost(store, from_stage),
    }


def fate_of(row: ImageRow, target: Policy) -> Fate | None:
    """What becomes of a person's verdict once the target decides, as `truth.transitions` has it."""
    if row.person_verdict is None:
        return None
    asked = target.asks_again and row.reviewed_under != target.ref
    return "asked_again" if asked else "stand"


def _evaluate(
    store: Store,
    target: Policy,
    rows: list[ImageRow],
    clock: Callable[[], float],
    flips: Flips,
    tastes: Tastes | None,
) -> None:
    work = Curate(store, lambda _: target, run_id="preview", clock=clock, tastes=tastes)
    outcomes, _ = work.decide([Claim(row, "curated", "preview") for row in rows])
    for claim, outcome in outcomes:
        if isinstance(outcome, Completed):
            body = outcome.evidence.body
            verdict = str(body["verdict"])
            spoke = [r for r in body["reasons"] if r["verdict"] == verdict]
            flips.note(
                claim.row,
                claim.row.verdict or "undecided",
                verdict,
                [str(r["rule"]) for r in spoke],
                [str(r["message"]) for r in spoke],
                fate_of(claim.row, target),
            )


def _cost(store: Store, from_stage: Mapping[str, int]) -> dict[str, Any]:
    """Seconds by stage, by how long rows took here lately. None: not measured yet."""
    paces = {stage: pace.seconds_per_row for stage, pace in store.paces().items()}
    rows = {
        stage: sum(n for first, n in from_stage.items() if STAGES.index(first) <= index)
        for index, stage in enumerate(STAGES)
    }
    seconds = {
        stage: round(n * paces[stage], 3) if stage in paces else None
        for stage, n in rows.items()
        if n
    }
    models = [seconds[stage] for stage in MODEL_STAGES if stage in seconds]
    return {
        "stages": {stage: n for stage, n in rows.items() if n},
        "seconds": seconds,
        "model_seconds": None if None in models else round(sum(filter(None, models)), 3),
    }
