"""The stage `validated`: what is this file, and is it whole?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Protocol

from parjanya_dagster import media
from parjanya_dagster.errors import ObjectGone, ParjanyaError
from parjanya_dagster.execution.fingerprint import fingerprint
from parjanya_dagster.objects.store import Objects
from parjanya_dagster.truth.models import Evidence
from parjanya_dagster.truth.outcomes import (
    Claim,
    Completed,
    Outcome,
    Retry,
    TerminalFailure,
)


class Decode(Protocol):
    """`media.validate`, or the same in a child."""

    def __call__(
        self, data: bytes, limits: media.Limits | None = None, *, coordinates: bool = False
    ) -> media.Validated: ...


class Validate:
    """Reads the object, decodes it completely, writes preview and thumbnail."""

    stage = "validated"

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
    ) -> None:
        self._objects = objects
        self._decode = decode  # in production `DecoderPool.validate`, in children it can kill
        self._coordinates = coordinates
        self._run_id = run_id
        self._clock = clock
        self._threads = threads
        self._limits = limits or media.Limits()

    def prepare(self) -> None:
        """Nothing to load: decoders load with the first image."""

    def work(self, claims: Sequence[Claim]) -> Iterator[tuple[Claim, Outcome]]:
        with ThreadPoolExecutor(self._threads, "decode") as pool:
            yield from zip(claims, pool.map(self._one, claims), strict=True)

    def _one(self, claim: Claim) -> Outcome:
        row = claim.row
        try:
            self._limits.check_bytes(row.size)  # before so much is read
            stored = self._objects.get(row.bucket, row.key, row.version)
            if stored.version != row.version:
                return self._changed(claim, stored.version)
            result = self._decode(stored.data, self._limits, coordinates=self._coordinates)
            preview, thumbnail = f"previews/{row.image_id}.jpg", f"thumbnails/{row.image_id}.jpg"
            self._objects.put(row.bucket, preview, result.preview, "image/jpeg")
            self._objects.put(row.bucket, thumbnail, result.thumbnail, "image/jpeg")
        except media.Rejected as refusal:
            return TerminalFailure(refusal.failure_class, refusal.reason)
        except ObjectGone as gone:
            # One look is a suspicion. The sweep ends the row if the object was really deleted.
            return Retry(f"{gone} The next sweep says whether it was deleted.")
        except ParjanyaError as error:
            return Retry(f"{type(error).__name__}: {error}", refund=error.transient)
        except (MemoryError, media.MediaError) as error:  # no decoder could run
            return Retry(f"{type(error).__name__}: {error}")
        except Exception as error:  # a mistake of ours must not take its neighbours along
            return Retry(f"{type(error).__name__}: {error}", refund=False)
        evidence = Evidence(
            image_id=row.image_id,
            stage=self.stage,
            fingerprint=fingerprint(
                stage=self.stage,
                version=media.VALIDATION_VERSION,
                limits=asdict(self._limits),
                coordinates=self._coordinates,
                image=row.image_id,
            ),
            body=result.body,
            engine="media",
            model="",
            revision=str(media.VALIDATION_VERSION),
            determinism="exact",
            run_id=self._run_id,
            created_at=self._clock(),
        )
        return Completed(
            evidence,
            {
                "preview_bucket": row.bucket,
                "preview_key": preview,
                "thumbnail_key": thumbnail,
                "sha256": result.body["sha256"],
                "phash": result.body["phash"],
            },
            media.likeness_keys(result.body["likeness"]["views"]),
        )

    def _changed(self, claim: Claim, version: str) -> Outcome:
        if not version:
            return Retry("the object changed while it was read")
        return TerminalFailure(
            "object_replaced",
            "The object was overwritten after it was registered; its newer version has a row of "
            "its own as soon as the sweep has seen it.",
        )
