"""The stage `validated`: what is this file, and is it whole?"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import Protocol

from parjanya_dagster import media
from parjanya_dagster.errors import ObjectGone, ParjanyaError
from parjanya_dagster.execution.fingerprint import fingerprint
from parjanya_dagster.execution.thumbnails import as_objects
from parjanya_dagster.execution.tracing import span_over
from parjanya_dagster.lines import get_logger
from parjanya_dagster.objects.store import NewObject, Objects
from parjanya_dagster.truth.models import Evidence, ImageRow
from parjanya_dagster.truth.outcomes import (
    Claim,
    Completed,
    Outcome,
    Retry,
    TerminalFailure,
)

log = get_logger(__name__)


class Decode(Protocol):
    """`media.validate`, or the same in a child."""

    def __call__(
        self,
        data: bytes,
        limits: media.Limits | None = None,
        *,
        coordinates: bool = False,
        sidecars: Mapping[str, bytes] | None = None,
    ) -> media.Validated: ...


MOST_AT_ONCE = 16
"""Images whose previews are written together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a decoded image will be, once its pictures are written."""

    outcome: Completed
    pictures: tuple[NewObject, ...]


class Validate:
    """Reads the object, decodes it completely, writes preview and thumbnail."""

    stage = "validated"
    load_seconds = 0.0

    def __init__(
        self,
        objects: Objects,
        *,
        run_id: str,
        clock: Callable[[], float],
        threads: int = 2,
        limits: media.Limits | None = None,
        decode: Decode = media.validate,
        coordinates: bool = True,
        sidecars: bool = False,
    ) -> None:
        self._objects = objects
        self._decode = decode  # in production `DecoderPool.validate`, in children it can kill
        self._coordinates = coordinates
        self._sidecars = sidecars  # whether they are looked for
        self._run_id = run_id
        self._clock = clock
        self._threads = threads
        self._limits = limits or media.Limits()

    def prepare(self) -> None:
        """Nothing to load: decoders load with the first image."""

    def work(self, claims: Sequence[Claim]) -> Iterator[tuple[Claim, Outcome]]:
        """Decode in threads. What is decoded by then is written together, which disks like."""
        with ThreadPoolExecutor(self._threads, "decode") as pool, ExitStack() as decoding:
            decoding.enter_context(span_over("decode", claims))
            waiting = deque((claim, pool.submit(self._one, claim)) for claim in claims)
            try:
                while waiting:
                    group = [waiting.popleft()]
                    while waiting and waiting[0][1].done() and len(group) < MOST_AT_ONCE:
                        group.append(waiting.popleft())
                    results = [(claim, future.result()) for claim, future in group]
                    if not waiting:
                        decoding.close()
                    yield from self._written(results)
            finally:  # whoever stops here waits for what is being decoded, and for nothing else
                for _, future in waiting:
                    future.cancel()

    def _written(
        self, group: Sequence[tuple[Claim, Outcome | Shown]]
    ) -> Iterator[tuple[Claim, Outcome]]:
        """The outcomes of a group, once previews and thumbnails survive a loss of power."""
        by_bucket: dict[str, list[NewObject]] = {}
        for claim, result in group:
            if isinstance(result, Shown):
                by_bucket.setdefault(claim.row.bucket, []).extend(result.pictures)
        refused: dict[str, Retry] = {}
        for bucket, pictures in by_bucket.items():
            try:
                self._objects.put_many(bucket, pictures)
            except Exception as error:
                refused[bucket] = _retry(error)
        for claim, result in group:
            if isinstance(result, Shown):
                yield claim, refused.get(claim.row.bucket, result.outcome)
            else:
                yield claim, result

    def _one(self, claim: Claim) -> Outcome | Shown:
        row = claim.row
        try:
            self._limits.check_bytes(row.size)  # before so much is read
            stored = self._objects.get(row.bucket, row.key, row.version)
            if stored.version != row.version:
                return _changed(stored.version)
            result = self._decode(
                stored.data,
                self._limits,
                coordinates=self._coordinates,
                sidecars=self._beside(row) if self._sidecars else None,
            )
            return self._shown(row, result)
        except media.Rejected as refusal:
            return TerminalFailure(refusal.failure_class, refusal.reason)
        except ObjectGone as gone:
            # One look is a suspicion. The sweep ends the row if the object was really deleted.
            return Retry(f"{gone} The next sweep says whether it was deleted.")
        except Exception as error:  # a mistake of ours must not take its neighbours along
            return _retry(error)

    def _shown(self, row: ImageRow, result: media.Validated) -> Shown:
        written = as_objects(row.image_id, result.preview, result.thumbnail)
        evidence = Evidence(
            image_id=row.image_id,
            stage=self.stage,
            fingerprint=fingerprint(
                stage=self.stage,
                version=media.VALIDATION_VERSION,
                limits=asdict(self._limits),
                coordinates=self._coordinates,
                image=row.image_id,
                # A sidecar may be changed: what it said belongs to this evidence alone.
                **({"sidecars": used} if (used := result.body.get("sidecars")) else {}),
            ),
            body=result.body,
            engine="media",
            model="",
            revision=str(media.VALIDATION_VERSION),
            determinism="exact",
            run_id=self._run_id,
            created_at=self._clock(),
        )
        outcome = Completed(
            evidence,
            {
                "preview_bucket": row.bucket,
                "preview_key": written[0].key,
                "thumbnail_key": written[-1].key,
                "sha256": result.body["sha256"],
                "phash": result.body["phash"],
            },
            media.likeness_keys(result.body["likeness"]["views"]),
        )
        return Shown(outcome=outcome, pictures=written)

    def _beside(self, row: ImageRow) -> dict[str, bytes]:
        """The sidecars that lie beside an image now, by name.

        One that cannot be read holds up no image: the image is decided without it.
        """
        found: dict[str, bytes] = {}
        for key in media.sidecar_names(row.key):
            try:
                if self._objects.head(row.bucket, key).size <= media.LARGEST_SIDECAR:
                    found[key.rpartition("/")[2]] = self._objects.get(row.bucket, key).data
            except ObjectGone:
                continue
            except ParjanyaError as error:
                log.warning("a sidecar was left out", image=row.image_id, why=str(error))
        return found


def _retry(error: Exception) -> Retry:
    """What may pass by itself, or is no fault of the image, costs no attempt."""
    if isinstance(error, ParjanyaError):
        return Retry(f"{type(error).__name__}: {error}", refund=error.transient)
    if isinstance(error, MemoryError | media.MediaError):  # no decoder could run
        return Retry(f"{type(error).__name__}: {error}")
    return Retry(f"{type(error).__name__}: {error}", refund=False)


def _changed(version: str) -> Outcome:
    if not version:
        return Retry("the object changed while it was read")
    return Retry(
        "The object lies there as another version than was registered. The next sweep says "
        "whether it was replaced, or copied, restored or moved."
    )
