"""Reads the vectors of image rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from parjanya_dagster.embeddings.blocks import key_of, read
from parjanya_dagster.embeddings.space import Space
from parjanya_dagster.objects.store import Objects
from parjanya_dagster.truth.models import ImageRow, parse_batch
from parjanya_dagster.truth.store import Tenants

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

AT_ONCE = 8  # blocks that are asked for


@dataclass(frozen=True, slots=True, kw_only=True)
class Embeddings:
    """Vectors of images in one space."""

    space: Space
    image_ids: Sequence[str]  # of those that have a vector, in the order that was asked for
    matrix: NDArray[np.float32]  # (len(image_ids), space.dimension), rows of unit length
    missing: Sequence[str]  # ids of the others: `parjanya embeddings make` makes theirs


def embeddings_of(
    store: Tenants, objects: Objects, space: Space, rows: Sequence[ImageRow]
) -> Embeddings:
    """The vectors of rows, of whatever tenants and batches, each of the preview it has now.

    The cost grows with the batches that the rows are of: a block of each is read. Raises
    StorageUnavailable.
    """
    import numpy as np

    by_batch: dict[str, list[ImageRow]] = defaultdict(list)
    for row in rows:
        by_batch[row.batch].append(row)
    buckets = {slug: _bucket(store, slug) for slug in {parse_batch(b)[0] for b in by_batch}}

    def of_batch(batch: str) -> dict[str, NDArray[np.float16]]:
        block, _ = read(objects, buckets[parse_batch(batch)[0]], key_of(space, batch), space)
        return {i: block.matrix[place] for i, place in block.current(by_batch[batch]).items()}

    found: dict[str, NDArray[np.float16]] = {}
    with ThreadPoolExecutor(AT_ONCE, "blocks") as pool:
        for some in pool.map(of_batch, by_batch):
            found |= some
    ids = [row.image_id for row in rows if row.image_id in found]
    vectors = [found[image_id] for image_id in ids]
    return Embeddings(
        space=space,
        image_ids=ids,
        matrix=np.array(vectors, np.float32).reshape(len(ids), space.dimension),
        missing=[row.image_id for row in rows if row.image_id not in found],
    )


def _bucket(store: Tenants, slug: str) -> str:
    tenant = store.tenant(slug)
    assert tenant is not None, "a batch belongs to a registered tenant"
    return tenant.bucket
