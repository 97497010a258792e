"""An engine does for each image what the image's policy needs: its prompt, its metrics.

Rows are grouped by that, and each group is worked on as if it were alone. The model is shared.
What an engine cannot do is never done otherwise in silence: those rows wait and say why.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from gpu_ops.interface import Enricher, Identity, Scorer
from parjanya_dagster.errors import ParjanyaError
from parjanya_dagster.execution.worker import StageWork
from parjanya_dagster.policy import Policy
from parjanya_dagster.truth.models import ImageRow
from parjanya_dagster.truth.outcomes import Claim, Outcome, Retry

Wanted = str | tuple[str, ...]
"""A prompt, or metrics; empty: what the settings say."""


class CannotAsk(ParjanyaError):
    """The engine cannot do what a policy needs."""

    transient = True  # another engine or another policy may be chosen meanwhile


def wanted(policy: Policy, stage: str) -> Wanted:
    """What a policy needs of the stage's engine beyond its being asked at all."""
    needs = policy.document.needs
    if stage == "enriched":
        return (needs.enriched.prompt or "") if needs.enriched else ""
    return tuple(sorted(set(needs.scored.metrics))) if needs.scored else ()


def fitted(engine: Enricher | Scorer, stage: str, what: Wanted) -> Enricher | Scorer:
    """The engine, doing that too. Raises CannotAsk."""
    if not what:
        return engine
    if stage == "scored":
        return _measuring(cast(Scorer, engine), tuple(what))
    return _asking(cast(Enricher, engine), str(what))


def _measuring(engine: Scorer, metrics: tuple[str, ...]) -> Scorer:
    """With those metrics that the engine has. Decisions name the others as missing."""
    lacked = tuple(metric for metric in metrics if not engine.has(metric))
    try:
        able = engine.measuring([metric for metric in metrics if metric not in lacked])
    except Exception as error:  # weights that are missing or altered
        raise CannotAsk(f"The policy needs {', '.join(metrics)}: {error}") from None
    return Lacking(able, lacked) if lacked else able


def _asking(engine: Enricher, prompt: str) -> Enricher:
    try:
        return engine.asking(prompt)
    except ValueError as error:
        raise CannotAsk(f"The policy needs the prompt {prompt!r}: {error}.") from None


class Lacking:
    """A scorer that was asked for metrics it does not have. Its evidence says so.

    Without that, it could not be told from evidence that was made for another policy.
    """

    def __init__(self, scorer: Scorer, lacked: tuple[str, ...]) -> None:
        self._scorer, self._lacked = scorer, lacked

    @property
    def identity(self) -> Identity:
        able = self._scorer.identity
        return replace(able, revision=f"{able.revision}, without {', '.join(self._lacked)}")

    def check(self) -> None:
        self._scorer.check()

    def warm(self) -> None:
        self._scorer.warm()

    def has(self, metric: str) -> bool:
        return self._scorer.has(metric)

    def measuring(self, metrics: Sequence[str]) -> Scorer:
        return self._scorer.measuring(metrics)

    def score(
        self, images: Sequence[Any], hints: Sequence[Mapping[str, Any] | None] | None = None
    ) -> list[dict[str, Any]]:
        nothing = {metric: {"value": None} for metric in self._lacked}
        bodies = self._scorer.score(images, hints)
        return [{**body, "metrics": {**nothing, **body["metrics"]}} for body in bodies]


class ByPolicy:
    """The work of a stage, with its engine fitted to the policy of each row."""

    def __init__(
        self,
        stage: str,
        work_with: Callable[[Any], StageWork],
        engine: Any,
        policy_of: Callable[[ImageRow], Policy],
    ) -> None:
        self.stage = stage
        self._work_with, self._engine, self._policy_of = work_with, engine, policy_of
        self._works: dict[Wanted, StageWork] = {}

    @property
    def load_seconds(self) -> float:
        return sum(work.load_seconds for work in self._works.values())

    def prepare(self) -> None:
        """Nothing yet: see `Infer.prepare`."""

    def work(self, claims: Sequence[Claim]) -> Iterator[tuple[Claim, Outcome]]:
        known: dict[tuple[str, str | None], Wanted] = {}
        groups: dict[Wanted, list[Claim]] = {}
        for claim in claims:
            decided_by = claim.row.tenant, claim.row.target
            if decided_by not in known:
                known[decided_by] = self._wanted(claim.row)
            groups.setdefault(known[decided_by], []).append(claim)
        for what, some in groups.items():
            try:
                work = self._work(what)
            except CannotAsk as error:
                yield from ((claim, Retry(str(error))) for claim in some)
                continue
            yield from work.work(some)

    def _work(self, what: Wanted) -> StageWork:
        if what not in self._works:
            self._works[what] = self._work_with(fitted(self._engine, self.stage, what))
        return self._works[what]

    def _wanted(self, row: ImageRow) -> Wanted:
        try:
            return wanted(self._policy_of(row), self.stage)
        except ParjanyaError:  # no policy can be read: the decision will say so
            return ""
