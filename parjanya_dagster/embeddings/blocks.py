"""A block: the vectors of a batch in one space, a Parquet file in the tenant's bucket.

Each vector is kept with the fingerprint of the `validated` evidence whose preview it was made from.
So a vector of an older preview is known to be stale. A damaged block counts as an empty one: all
that is in it can be made again.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from parjanya_dagster.embeddings.space import Space
from parjanya_dagster.errors import BucketMissing, ObjectGone
from parjanya_dagster.lines import get_logger
from parjanya_dagster.objects.store import Objects
from parjanya_dagster.truth.models import PRESENT, ImageRow, parse_batch

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

log = get_logger(__name__)
ROOT = "embeddings/"
"""Vectors are below this prefix of a tenant's bucket, by space and batch."""
CONTENT_TYPE = "application/vnd.apache.parquet"
SLACK = 0.01  # by which a length may exceed 1: numbers are kept in 16 bits


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Vectors of images, in the order of their ids."""

    image_ids: Sequence[str]
    made_from: Sequence[str]  # fingerprints of `validated` evidence
    matrix: NDArray[np.float16]  # (n, dimension), rows of unit length

    def current(self, rows: Sequence[ImageRow]) -> dict[str, int]:
        """Image id -> its place, of those rows whose vector is of the preview that they have."""
        wanted = {row.image_id: made for row in rows if (made := made_from(row))}
        return {
            image_id: place
            for place, (image_id, made) in enumerate(
                zip(self.image_ids, self.made_from, strict=True)
            )
            if wanted.get(image_id) == made
        }

    def with_vectors(
        self, rows: Sequence[ImageRow], new: Mapping[str, NDArray[np.float32]]
    ) -> Block:
        """The block of a batch with new vectors, and without those that its rows make void.

        An image that is not among the rows came after they were read, so its vector stays.
        """
        import numpy as np

        there, known = self.current(rows), {row.image_id: row for row in rows}
        kept: dict[str, tuple[str, NDArray[np.floating]]] = {
            image_id: (made, self.matrix[place])
            for place, (image_id, made) in enumerate(
                zip(self.image_ids, self.made_from, strict=True)
            )
            if image_id in there or image_id not in known
        }
        for image_id, vector in new.items():
            kept[image_id] = (str(made_from(known[image_id])), vector)
        image_ids = sorted(kept)
        return Block(
            image_ids=image_ids,
            made_from=[kept[image_id][0] for image_id in image_ids],
            matrix=np.array([kept[image_id][1] for image_id in image_ids], np.float16).reshape(
                len(kept), self.matrix.shape[1]
            ),
        )


def made_from(row: ImageRow) -> str | None:
    """What a vector of this image is to be made from. None: it has no preview, or is gone."""
    if row.preview_key is None or row.object_state != PRESENT:
        return None
    return row.evidence.get("validated")


def prefix_of(space: Space) -> str:
    return f"{ROOT}{space.id}/"


def key_of(space: Space, batch: str) -> str:
    """Where the block of a batch is, in its tenant's bucket."""
    _, day, number = parse_batch(batch)
    return f"{prefix_of(space)}{day}/{number:03d}.parquet"


def read(objects: Objects, bucket: str, key: str, space: Space) -> tuple[Block, str]:
    """A block, and the version that lies there. Of one that does not: empty, and ""."""
    import numpy as np

    empty = Block(image_ids=(), made_from=(), matrix=np.zeros((0, space.dimension), np.float16))
    try:
        there = objects.get(bucket, key)
    except (ObjectGone, BucketMissing):
        return empty, ""
    try:
        return _unpacked(there.data, space), there.version
    except Exception as error:  # whatever its bytes are
        log.warning("block_damaged", bucket=bucket, key=key, why=f"{type(error).__name__}: {error}")
        return empty, there.version


def packed(block: Block, space: Space) -> bytes:
    """A block's bytes. Equal vectors give equal bytes."""
    import pyarrow
    import pyarrow.parquet

    flat = pyarrow.array(block.matrix.reshape(-1), pyarrow.float16())
    vectors = pyarrow.FixedSizeListArray.from_arrays(flat, space.dimension)
    table = pyarrow.table(
        {
            "image_id": pyarrow.array(block.image_ids, pyarrow.string()),
            "made_from": pyarrow.array(block.made_from, pyarrow.string()),
            "embedding": vectors,
        }
    ).replace_schema_metadata({name: str(value) for name, value in asdict(space).items()})
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(
        table, buffer, compression="none", use_dictionary=False, write_page_checksum=True
    )
    return buffer.getvalue()


def _unpacked(data: bytes, space: Space) -> Block:
    """Raises ValueError and what pyarrow raises where it is no block of that space."""
    import numpy as np
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(io.BytesIO(data), page_checksum_verification=True)
    told = {name.decode(): value.decode() for name, value in (table.schema.metadata or {}).items()}
    if told != {name: str(value) for name, value in asdict(space).items()}:
        raise ValueError(f"these are vectors of {told.get('engine')} {told.get('model')}")
    column = table.column("embedding").combine_chunks()
    matrix = column.values.to_numpy(zero_copy_only=False).reshape(-1, space.dimension)
    if len(matrix) != len(table) or not np.isfinite(matrix).all():
        raise ValueError("a vector is missing, or not of finite numbers")
    lengths = np.linalg.norm(matrix.astype(np.float32), axis=1)
    if (lengths > 1 + SLACK).any():
        raise ValueError("a vector is longer than unit length")
    image_ids, made_from = (table.column(name).to_pylist() for name in ("image_id", "made_from"))
    if not all(isinstance(one, str) and one.isascii() for one in image_ids + made_from):
        raise ValueError("what it names are no images of ours")
    return Block(image_ids=image_ids, made_from=made_from, matrix=matrix)
