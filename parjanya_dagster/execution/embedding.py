"""Makes the vectors of a batch that are missing, from previews.

No stage waits for a vector, and no row knows of it. What is missing is found by comparing the rows
of a batch with its block. So a vector that was lost in a crash, or belongs to an image that was
decided before there were vectors, is made by the next pass over its batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from gpu_ops.interface import Embedder, SomeFailed
from parjanya_dagster.embeddings import space_of
from parjanya_dagster.embeddings.blocks import CONTENT_TYPE, key_of, made_from, packed, read
from parjanya_dagster.errors import EngineAway, ObjectGone, StorageUnavailable
from parjanya_dagster.execution.buckets import require_known
from parjanya_dagster.execution.prefetch import each_ahead
from parjanya_dagster.execution.previews import Previews
from parjanya_dagster.lines import get_logger
from parjanya_dagster.objects.store import Objects
from parjanya_dagster.truth.models import ImageRow, parse_batch
from parjanya_dagster.truth.store import Buckets, Images, Tenants
from parjanya_dagster.truth.store.paging import batch_rows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

log = get_logger(__name__)
TOGETHER = 64  # images of which previews are held
READERS, READ_AHEAD = 2, 16  # threads; previews that they read while vectors are made
TRIES = 10  # to write over what another writer wrote meanwhile


class Source(Images, Tenants, Buckets, Protocol):
    """What is read of Truth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What a pass over a batch did, in images."""

    made: int = 0
    there: int = 0  # that had a vector
    failed: int = 0  # that got none: the log says why

    def __add__(self, other: Made) -> Made:
        return Made(
            made=self.made + other.made,
            there=self.there + other.there,
            failed=self.failed + other.failed,
        )


def make(
    store: Source,
    objects: Objects,
    embedder: Embedder,
    batch: str,
    previews: Previews,
) -> Made:
    """Make what is missing of a batch, drop what is void, and write its block.

    A vector is void if its image is gone or has another preview.

    Of two who do this at once, the second adds to what the first wrote. Raises what the engine
    raises where it cannot work at all, EngineAway where it became another meanwhile,
    StorageUnavailable, and BucketUnknown where another bucket lies at the place of the known one.
    """
    tenant = store.tenant(parse_batch(batch)[0])
    assert tenant is not None, "a batch belongs to a registered tenant"
    bucket, space = tenant.bucket, space_of(embedder)
    key = key_of(space, batch)
    rows = list(batch_rows(store, [batch]))
    block, version = read(objects, bucket, key, space)
    there = block.current(rows)
    left = [row for row in rows if made_from(row) and row.image_id not in there]
    void = {row.image_id for row in rows}.intersection(block.image_ids) - there.keys()
    if not left and not void:
        return Made(there=len(there))
    require_known(store.known_buckets(), objects, bucket, "no vectors are")
    if left:
        embedder.warm()
        left = previews.held_first(left)
    new: dict[str, NDArray[np.float32]] = {}
    with ThreadPoolExecutor(READERS, "previews") as pool:
        images = each_ahead(pool, lambda row: _shown(row, previews), left, READ_AHEAD)
        for some in _chunks(left):
            shown = [(row, one) for row in some if (one := next(images)) is not None]
            vectors = _vectors(embedder, shown)
            new |= {
                row.image_id: one
                for (row, _), one in zip(shown, vectors, strict=True)
                if one is not None
            }
    if space_of(embedder) != space:  # a server was restarted with another model
        raise EngineAway(f"{space.id} became {space_of(embedder).id} while vectors were made.")
    done = Made(made=len(new), there=len(there), failed=len(left) - len(new))
    if not new and not void:
        return done
    for _ in range(TRIES):
        data = packed(block.with_vectors(rows, new), space)
        if objects.put_over(bucket, key, data, CONTENT_TYPE, version):
            return done
        block, version = read(objects, bucket, key, space)
    raise StorageUnavailable(f"Others write {bucket}/{key} all the time.")


def _vectors(
    embedder: Embedder, shown: Sequence[tuple[ImageRow, NDArray[np.uint8]]]
) -> Sequence[NDArray[np.float32] | None]:
    """A vector of each image. None: the engine has none for it. What may pass is raised."""
    try:
        return list(embedder.embed([image for _, image in shown]))
    except SomeFailed as failed:
        for position, error in failed.errors.items():
            if getattr(error, "transient", False):
                raise error from failed
            row = shown[position][0]
            log.warning("no_vector", image=row.image_id, tenant=row.tenant,
                        why=f"{type(error).__name__}: {error}")  # fmt: skip
        return failed.bodies


def _chunks(rows: Sequence[ImageRow]) -> Iterator[Sequence[ImageRow]]:
    return (rows[at : at + TOGETHER] for at in range(0, len(rows), TOGETHER))


def _shown(row: ImageRow, previews: Previews) -> NDArray[np.uint8] | None:
    """The preview of a row. None: there is none that can be read."""
    try:
        return previews.pixels(row)
    except StorageUnavailable:
        raise
    except ObjectGone as error:
        log.warning("no_vector", image=row.image_id, tenant=row.tenant, why=str(error))
    except Exception as error:  # a damaged preview is found, and made again, by its stage
        log.warning("no_vector", image=row.image_id, tenant=row.tenant,
                    why=f"{type(error).__name__}: {error}")  # fmt: skip
    return None
