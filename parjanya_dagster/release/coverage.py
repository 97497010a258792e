"""How well a release covers a tenant's images: how far its nearest image is from each of them.

An image is covered where the release holds something that looks like it. What nothing in the
release looks like is what a model that learns from it will not have seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from parjanya_dagster.embeddings import Space, embeddings_of
from parjanya_dagster.embeddings.blocks import made_from
from parjanya_dagster.errors import ReleaseInvalid
from parjanya_dagster.objects.store import Objects
from parjanya_dagster.release import frozen as lists
from parjanya_dagster.truth.models import ImageRow, Tenant
from parjanya_dagster.truth.releases import Release
from parjanya_dagster.truth.store import Images, Tenants
from parjanya_dagster.truth.store.paging import present_rows

QUANTILES = (0.5, 0.9, 0.95, 0.99, 1.0)  # of distances that are told

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Source(Images, Tenants, Protocol):
    """What is read of Truth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """Images of a tenant, the farthest from the release first."""

    space: Space
    rows: Sequence[ImageRow]
    nearest: Sequence[ImageRow]  # of each image the released one that it is most like
    distances: NDArray[np.float32]  # 1 - cosine: 0 is the same, about 1 is unlike
    released: int  # images of the release that have a vector
    missing: int  # images that have none, so nothing is known of them

    def quantile(self, share: float) -> float:
        """The distance that this share of the images does not exceed."""
        import numpy as np

        return float(np.quantile(self.distances, share, method="higher"))

    def within(self, distance: float) -> int:
        """Images that are covered at a distance."""
        return int((self.distances <= distance).sum())


def coverage(
    store: Source,
    objects: Objects,
    tenant: Tenant,
    release: Release,
    space: Space,
    verdicts: Sequence[str] = (),
) -> Coverage:
    """Compare every image of the tenant that has a vector with every image of the release.

    `verdicts`: only images with these effective verdicts are asked about. The cost grows with the
    product of both. Raises ReleaseInvalid where nothing can be compared, ReleaseBroken where its
    list is lost, and StorageUnavailable.
    """
    import numpy as np

    from parjanya_dagster.embeddings.clusters import nearest_of

    frozen = lists.read(objects, tenant.bucket, release.release_id)
    held = {(item.key, item.sha256) for item in lists.all_items(objects, tenant.bucket, frozen)}
    rows = [row for row in present_rows(store, tenant.slug) if made_from(row)]
    found = embeddings_of(store, objects, space, rows)
    by_id = {row.image_id: row for row in rows}
    known = [by_id[image_id] for image_id in found.image_ids]
    inside = [at for at, row in enumerate(known) if (row.key, row.sha256) in held]
    asked = [
        at for at, row in enumerate(known) if not verdicts or row.effective_verdict in verdicts
    ]
    if not inside or not asked:
        raise ReleaseInvalid(
            f"Nothing can be compared: {len(inside)} images of {release.key} have a vector, and "
            f"{len(asked)} of those that are asked about. What is missing is made by `parjanya "
            f"embeddings make --tenant {tenant.slug}`."
        )
    places, likeness = nearest_of(found.matrix[asked], found.matrix[inside])
    distances = np.maximum(1.0 - likeness, 0.0)
    distances[np.isin(asked, inside)] = 0.0
    order = np.argsort(-distances, kind="stable")
    return Coverage(
        space=space,
        rows=[known[asked[at]] for at in order.tolist()],
        nearest=[known[inside[places[at]]] for at in order.tolist()],
        distances=distances[order].astype(np.float32),
        released=len(inside),
        missing=len(found.missing),
    )
