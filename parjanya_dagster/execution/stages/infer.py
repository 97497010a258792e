"""The stages `enriched` and `scored`: an engine looks at previews, batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import replace
from functools import partial
from typing import Any

from gpu_ops import Enricher, Scorer
from gpu_ops.interface import EngineLost, Prepares, SideBySide, SomeFailed
from parjanya_dagster.errors import ObjectGone, ParjanyaError
from parjanya_dagster.execution.fingerprint import fingerprint
from parjanya_dagster.execution.prefetch import each_ahead, one_ahead
from parjanya_dagster.execution.previews import Previews
from parjanya_dagster.execution.tracing import about, span_over
from parjanya_dagster.traces import spans
from parjanya_dagster.truth.models import Evidence, ImageRow
from parjanya_dagster.truth.outcomes import Claim, Completed, Outcome, Retry, SendBack
from parjanya_dagster.truth.store import Store

STAGE_VERSION = 1
"""Part of the fingerprints: raise it when the way previews reach the engine changes."""

EQUALS = 8
"""How many images with the same bytes are asked for what was found in them: the earliest."""

Ready = tuple[Claim, Any, Mapping[str, Any]]
"""A claim, what the engine takes for its image, and its `validated` evidence."""


class Infer:
    """Common to both stages: pixels to evidence, and what goes wrong on the way.

    Three things go on at once: threads read, decode and prepare what comes next, a thread or more
    ask the engine, and the caller commits what was found.
    """

    stage: str

    def __init__(
        self,
        engine: Enricher | Scorer,
        previews: Previews,
        store: Store,
        *,
        run_id: str,
        clock: Callable[[], float],
        threads: int = 2,
        batch: int = 16,
    ) -> None:
        self._engine = engine
        self._previews = previews
        self._store = store
        self._run_id = run_id
        self._clock = clock
        self._threads = threads
        prepares = isinstance(engine, Prepares)
        self._prepare = engine.prepare if prepares else None  # type: ignore[union-attr]
        self._batch = engine.ahead if prepares else batch  # type: ignore[union-attr]
        self._at_once = engine.at_once if isinstance(engine, SideBySide) else 1

        self.load_seconds = 0.0  # spent on models; nothing where all was recorded

    def prepare(self) -> None:
        """Nothing yet: models are loaded for the first image whose answer is not recorded."""

    def look(self, images: Sequence[Any], validated: Sequence[Mapping[str, Any]]) -> list[Any]:
        """The engine's evidence bodies for images, in order."""
        raise NotImplementedError

    def work(self, claims: Sequence[Claim]) -> Iterator[tuple[Claim, Outcome]]:
        bodies = self._store.evidence([claim.row for claim in claims])
        recorded = self._recorded(claims, bodies)
        for claim in claims:
            if claim.image_id in recorded:
                yield claim, Completed(recorded[claim.image_id])
        claims = [claim for claim in claims if claim.image_id not in recorded]
        if not claims:
            return
        began = self._clock()
        self._engine.warm()
        self.load_seconds += self._clock() - began
        for outcomes in one_ahead(self._batches(claims, bodies)):
            yield from outcomes

    def _batches(
        self, claims: Sequence[Claim], bodies: Mapping[str, Mapping[str, Evidence]]
    ) -> Generator[list[tuple[Claim, Outcome]], None, None]:
        """Outcomes, batch by batch, in the order of the claims."""
        with (
            ThreadPoolExecutor(self._threads, "previews") as pool,
            ThreadPoolExecutor(self._at_once, "asking") as asking,
        ):
            # While one batch is with the engine, the next is read.
            pixels_of_each = each_ahead(pool, self._pixels, claims, 2 * self._batch)
            arriving = zip(claims, pixels_of_each, strict=True)
            asks = self._asks(arriving, bodies)
            if self._at_once == 1:
                yield from (ask() for ask in asks)
            else:
                yield from each_ahead(asking, lambda ask: ask(), asks, self._at_once)

    def _asks(
        self,
        arriving: Iterator[tuple[Claim, Any]],
        bodies: Mapping[str, Mapping[str, Evidence]],
    ) -> Iterator[Callable[[], list[tuple[Claim, Outcome]]]]:
        """What asks the engine for each batch, in any thread. What is not shown comes first."""
        while True:
            with spans.span("decode") as noted:
                ready, unshown = self._arrived(arriving, bodies)
                noted.note(**about([claim for claim, _, _ in ready]))
            if unshown:
                yield partial(list, unshown)
            if ready:
                yield partial(copy_context().run, self._looked, ready)
            if len(ready) < self._batch:
                return

    def _looked(self, ready: Sequence[Ready]) -> list[tuple[Claim, Outcome]]:
        return list(self._look(ready))

    def _arrived(
        self,
        arriving: Iterator[tuple[Claim, Any]],
        bodies: Mapping[str, Mapping[str, Evidence]],
    ) -> tuple[list[Ready], list[tuple[Claim, Outcome]]]:
        """The next batch, or what is left, and outcomes of images with nothing to show."""
        ready: list[Ready] = []
        unshown: list[tuple[Claim, Outcome]] = []
        for claim, pixels in arriving:
            validated = bodies.get(claim.image_id, {}).get("validated")
            if isinstance(pixels, (Retry, SendBack)):
                unshown.append((claim, pixels))
            elif validated is None:
                lacking = SendBack("validated", "its validated evidence is missing")
                unshown.append((claim, lacking))
            else:
                ready.append((claim, pixels, validated.body))
            if len(ready) == self._batch:
                break
        return ready, unshown

    def _recorded(
        self, claims: Sequence[Claim], bodies: Mapping[str, Mapping[str, Evidence]]
    ) -> dict[str, Evidence]:
        """What was found before under the same fingerprint: for the image, or for its equal.

        An equal is another image of the tenant with the same bytes, validated the same way. Only
        the earliest few are asked, so that an image with many equals costs no more than another.
        """
        asked = {
            claim.image_id: self._fingerprint(claim.row.evidence.get("validated"))
            for claim in claims
        }
        own = self._under(
            [(claim.row, asked[claim.image_id]) for claim in claims if self._ever_did(claim.row)]
        )
        others = [claim for claim in claims if claim.image_id not in own]
        equals: dict[str, list[ImageRow]] = {}
        for tenant in sorted({claim.row.tenant for claim in others}):
            shas = {str(c.row.sha256) for c in others if c.row.tenant == tenant and c.row.sha256}
            twins = self._store.twins(tenant, shas, EQUALS, but=[c.image_id for c in others])
            equals |= {f"{tenant}/{sha}": rows for sha, rows in twins.items()}
        wanted: dict[str, ImageRow] = {}
        for claim in others:
            for row in equals.get(f"{claim.row.tenant}/{claim.row.sha256}", ()):
                same = self._fingerprint(row.evidence.get("validated"))
                if row.image_id != claim.image_id and row.evidence.get(self.stage) == same:
                    wanted[claim.image_id] = row
                    break
        theirs = self._store.evidence(list({row.image_id: row for row in wanted.values()}.values()))
        for claim in others:
            if claim.image_id not in wanted:
                continue
            other = theirs.get(wanted[claim.image_id].image_id, {})
            mine = bodies.get(claim.image_id, {}).get("validated")
            same_look = "validated" in other and mine and other["validated"].body == mine.body
            if same_look and self.stage in other:
                own[claim.image_id] = replace(
                    other[self.stage],
                    image_id=claim.image_id,
                    fingerprint=asked[claim.image_id],
                    run_id=self._run_id,
                    created_at=self._clock(),
                )
        return own

    def _under(self, rows: Sequence[tuple[ImageRow, str]]) -> dict[str, Evidence]:
        recorded = self._store.evidence([replace(row, evidence={self.stage: f}) for row, f in rows])
        return {image: stages[self.stage] for image, stages in recorded.items()}

    def _ever_did(self, row: ImageRow) -> bool:
        """Whether anything of this stage was recorded of a row: it keeps the last of each."""
        return self.stage in row.evidence

    def _fingerprint(self, validated: str | None) -> str:
        return fingerprint(
            stage=self.stage,
            version=STAGE_VERSION,
            engine=self._engine.identity.as_dict(),
            validated=validated,
        )

    def _look(self, some: Sequence[Ready]) -> Iterator[tuple[Claim, Outcome]]:
        """Ask the engine; where a batch fails, ask by halves until the culprit is alone."""
        try:
            asked = [claim for claim, _, _ in some]
            with span_over("infer", asked, engine=self._engine.identity.engine):
                answers = self.look(
                    [pixels for _, pixels, _ in some], [body for _, _, body in some]
                )
        except SomeFailed as failed:  # the engine knows the culprits
            answers = [failed.errors.get(i, body) for i, body in enumerate(failed.bodies)]
        except EngineLost:
            raise  # the run ends, and hands back what it holds
        except Exception as error:
            if len(some) > 1:
                half = len(some) // 2
                yield from self._look(some[:half])
                yield from self._look(some[half:])
                return
            answers = [error]
        for (claim, _, _), body in zip(some, answers, strict=True):
            if isinstance(body, Exception):
                yield claim, _retry(body)
            else:
                yield claim, Completed(self._evidence(claim, body))

    def _pixels(self, claim: Claim) -> Any:
        """The image's preview, as the engine takes it, or the outcome where there is none."""
        pixels = self._preview(claim)
        if self._prepare is None or isinstance(pixels, (Retry, SendBack)):
            return pixels
        try:
            return self._prepare(pixels)
        except EngineLost:
            raise
        except Exception as error:
            return _retry(error)

    def _preview(self, claim: Claim) -> Any:
        try:
            return self._previews.pixels(claim.row)
        except ObjectGone:
            return SendBack("validated", "its preview is missing")
        except ParjanyaError as error:
            return _retry(error)
        except Exception:  # a damaged preview is made again from the original
            return SendBack("validated", "its preview cannot be decoded")

    def _evidence(self, claim: Claim, body: Mapping[str, Any]) -> Evidence:
        identity = self._engine.identity
        return Evidence(
            image_id=claim.image_id,
            stage=self.stage,
            fingerprint=self._fingerprint(claim.row.evidence.get("validated")),
            body=body,
            engine=identity.engine,
            model=identity.model,
            revision=identity.revision,
            determinism=identity.determinism,
            run_id=self._run_id,
            created_at=self._clock(),
        )


def _retry(error: Exception) -> Retry:
    """What may pass by itself costs no attempt."""
    transient = isinstance(error, MemoryError) or bool(getattr(error, "transient", False))
    return Retry(f"{type(error).__name__}: {error}", refund=transient)


class Enrich(Infer):
    """What is in the picture?"""

    stage = "enriched"

    def look(self, images: Sequence[Any], validated: Sequence[Mapping[str, Any]]) -> list[Any]:
        return self._engine.describe(images, _hints(validated))  # type: ignore[union-attr]


class Score(Infer):
    """How good is it, technically?"""

    stage = "scored"

    def look(self, images: Sequence[Any], validated: Sequence[Mapping[str, Any]]) -> list[Any]:
        return self._engine.score(images, _hints(validated))  # type: ignore[union-attr]


def _hints(validated: Sequence[Mapping[str, Any]]) -> list[Any]:
    """What was measured on the sources."""
    return [body.get("technical") for body in validated]
