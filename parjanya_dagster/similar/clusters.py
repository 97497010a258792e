"""The clusters of a tenant's images, by name: what is in each, and which images are like none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from parjanya_dagster.embeddings.clusters import Clustering, cluster, outliers
from parjanya_dagster.embeddings.space import Space

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

OUTLIERS = 200  # that are found
DEFAULT = 12
"""Clusters, where nobody says how many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clusters:
    """Images with a vector, in clusters: the largest first."""

    space: Space
    generation: int  # of the vectors
    ids: NDArray[np.bytes_]  # (n,) in their order
    clustering: Clustering
    outliers: Sequence[tuple[str, float]]
    """Images that are least like any others, and their cosine to the fifth nearest one."""

    def is_of(self, space: Space, generation: int) -> bool:
        return self.space == space and self.generation == generation

    @property
    def sizes(self) -> list[int]:
        """Images of each cluster. Those that left since the vectors were made are counted."""
        return self.clustering.sizes

    def members(
        self, number: int, first: int = 0, last: int | None = None
    ) -> list[tuple[str, float]]:
        """Ids of a cluster's images and their cosine to its centre, the most typical first."""
        places = self.clustering.members(number)[first:last]
        names, likeness = self.ids[places], self.clustering.similarity[places]
        return [(n.decode(), float(s)) for n, s in zip(names, likeness, strict=True)]

    def of(self, image_id: str) -> int | None:
        """The number of the cluster that an image is in. None: it has no vector."""
        import numpy as np

        place = int(np.searchsorted(self.ids, image_id.encode()))
        there = place < len(self.ids) and self.ids[place] == image_id.encode()
        return int(self.clustering.labels[place]) if there else None


def clusters_of(
    space: Space, generation: int, ids: NDArray[np.bytes_], matrix: NDArray[np.float16], k: int
) -> Clusters:
    """Up to k clusters of images, from their ids in order and their vectors."""
    found = cluster(matrix, k)
    return Clusters(
        space=space,
        generation=generation,
        ids=ids,
        clustering=found,
        outliers=[(ids[at].decode(), s) for at, s in outliers(matrix, found, OUTLIERS)],
    )
