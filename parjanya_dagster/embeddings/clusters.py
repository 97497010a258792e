"""Clusters of vectors, what represents them, and what is like no other. Pure, deterministic.

Spherical k-means: the centre of a cluster is the direction of its vectors' sum, and each vector
belongs to the centre that it is most similar to. Centres are found on a sample of at most `SAMPLE`
vectors, begun by k-means++ with a fixed seed. All vectors are then assigned to them. Sums are of
whole numbers and exact, so the same vectors in the same order give the same clusters on every
machine. A cluster is a way of looking at a tenant's images, and no class of things.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from parjanya_dagster.embeddings.whole import WHOLE, direction, whole

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

SAMPLE = 20_000  # vectors that centres are found on: the squares of sums of so many are exact
ROUNDS = 30  # at most, in which centres move
CHUNK = 1 << 14  # vectors that are compared together
NEAREST_CHUNK = 1 << 10  # vectors that are compared with all others together
NEIGHBOUR = 5  # the neighbour that an outlier is measured to: copies of it are no company
CANDIDATES = 2_000  # for outliers: the least similar to their cluster


@dataclass(frozen=True, slots=True, kw_only=True)
class Clustering:
    """Vectors in clusters, the largest first. Of clusters of equal size, that of the earlier."""

    labels: NDArray[np.int32]  # (n,) the number of the cluster
    similarity: NDArray[np.float32]  # (n,) cosine to the centre of the cluster

    @property
    def sizes(self) -> list[int]:
        return [int(size) for size in np.bincount(self.labels)]

    def members(self, number: int) -> NDArray[np.int64]:
        """Places of a cluster's vectors, the most typical first."""
        places = np.flatnonzero(self.labels == number)
        ordered: NDArray[np.int64] = places[np.argsort(-self.similarity[places], kind="stable")]
        return ordered


def cluster(vectors: NDArray[np.floating], k: int) -> Clustering:
    """Up to k clusters of vectors (n, d) of unit length. Fewer, where vectors are equal."""
    n = len(vectors)
    if not n:
        return Clustering(labels=np.zeros(0, np.int32), similarity=np.zeros(0, np.float32))
    centres = _centres(whole(vectors[:: -(-n // SAMPLE)]), max(1, min(k, n)))
    nearest, similarity = _assigned(vectors, centres)
    used, first, counts = np.unique(nearest, return_index=True, return_counts=True)
    order = np.lexsort((first, -counts))
    rank = np.empty(len(centres), np.int32)
    rank[used[order]] = np.arange(len(used))
    return Clustering(labels=rank[nearest], similarity=similarity)


def outliers(
    vectors: NDArray[np.floating], clustering: Clustering, n: int
) -> list[tuple[int, float]]:
    """Places of up to n vectors that are least like any others, and how similar they are: the
    cosine to their `NEIGHBOUR`-th nearest. Least similar first.

    Each is compared with all. Of more than `CANDIDATES`, only those least similar to their cluster
    are.
    """
    if len(vectors) < 2 or n < 1:
        return []
    some = np.sort(np.argsort(clustering.similarity, kind="stable")[:CANDIDATES])
    asked = whole(vectors[some])
    neighbour = min(NEIGHBOUR, len(vectors) - 1)
    best = np.full((len(some), 0), -np.inf, np.float32)
    for at, part in _chunks(vectors):
        products = asked @ part.T
        mine = np.flatnonzero((some >= at) & (some < at + len(part)))
        products[mine, some[mine] - at] = -np.inf  # an image is no neighbour of itself
        both = np.concatenate([best, products], axis=1)
        best = -np.partition(-both, min(neighbour, both.shape[1]) - 1, axis=1)[:, :neighbour]
    likeness = best.min(axis=1)
    order = np.lexsort((some, likeness))[:n]
    return [(int(some[at]), float(likeness[at]) / WHOLE**2) for at in order.tolist()]


def nearest_of(
    vectors: NDArray[np.floating], others: NDArray[np.floating]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Of each vector (n, d) the place of the most similar one of others (m, d), and the cosine.

    Raises ValueError where there are no others.
    """
    if not len(others):
        raise ValueError("there is nothing to compare with")
    among = _unit(others).T
    nearest = np.empty(len(vectors), np.int64)
    similarity = np.empty(len(vectors), np.float32)
    for at in range(0, len(vectors), NEAREST_CHUNK):
        products = _unit(vectors[at : at + NEAREST_CHUNK]) @ among
        chosen = products.argmax(axis=1)
        nearest[at : at + len(chosen)] = chosen
        similarity[at : at + len(chosen)] = products[np.arange(len(chosen)), chosen]
    return nearest, similarity


def _unit(vectors: NDArray[np.floating]) -> NDArray[np.float32]:
    found = vectors.astype(np.float32)
    unit: NDArray[np.float32] = found / np.linalg.norm(found, axis=1, keepdims=True)
    return unit


def _assigned(
    vectors: NDArray[np.floating], centres: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Of equal centres the earlier one."""
    nearest = np.empty(len(vectors), np.int64)
    similarity = np.empty(len(vectors), np.float32)
    for at, part in _chunks(vectors):
        products = part @ centres.T
        chosen = products.argmax(axis=1)
        nearest[at : at + len(part)] = chosen
        similarity[at : at + len(part)] = products[np.arange(len(part)), chosen] / WHOLE**2
    return nearest, similarity


def _chunks(vectors: NDArray[np.floating]) -> Iterator[tuple[int, NDArray[np.float32]]]:
    for at in range(0, len(vectors), CHUNK):
        yield at, whole(vectors[at : at + CHUNK])


def _centres(sample: NDArray[np.float32], k: int) -> NDArray[np.float32]:
    centres = _begun(sample, k)
    before = np.full(len(sample), -1)
    for _ in range(ROUNDS):
        nearest = (sample @ centres.T).argmax(axis=1)
        if (nearest == before).all():
            break
        before = nearest
        for number in range(len(centres)):
            mine = sample[nearest == number]
            if len(mine):  # a centre that nobody is nearest to stays
                centres[number] = direction(mine.sum(axis=0, dtype=np.float64))
    return centres


def _begun(sample: NDArray[np.float32], k: int) -> NDArray[np.float32]:
    """Up to k vectors of a sample, far from one another (k-means++; Arthur, Vassilvitskii 2007).

    The distances are whole numbers, so what is drawn hangs on no rounding.
    """
    rng = np.random.default_rng(0)
    chosen = [int(rng.integers(len(sample)))]
    apart = np.full(len(sample), np.iinfo(np.int64).max)
    for _ in range(k - 1):
        away = WHOLE**2 - sample @ sample[chosen[-1]]
        apart = np.minimum(apart, np.maximum(away, 0.0).astype(np.int64))
        apart[chosen] = 0
        total = np.cumsum(apart)
        if total[-1] == 0:
            break
        chosen.append(int(np.searchsorted(total, rng.integers(total[-1]), side="right")))
    return sample[chosen].copy()
