"""The index of a tenant's vectors: Belief, in memory. It follows the blocks that lie there."""

from __future__ import annotations

import itertools
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from parjanya_dagster.embeddings.blocks import Block, prefix_of, read
from parjanya_dagster.embeddings.nearest import Nearest
from parjanya_dagster.embeddings.space import Space
from parjanya_dagster.objects.store import Objects
from parjanya_dagster.truth.models import Tenant

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

AT_ONCE = 8  # blocks that are asked for
MOST_BYTES = 1 << 30
"""Of the indexes of a process, unless one alone is larger. Those used last are kept."""
FRESH = 5.0  # seconds for which the blocks are not listed again

_generations = itertools.count()


class Index:
    """The vectors of one tenant in one space, and no others: it knows one bucket."""

    def __init__(self, objects: Objects, bucket: str, space: Space) -> None:
        self._objects, self._bucket, self._space = objects, bucket, space
        self._versions: dict[str, str] = {}
        self.nearest = Nearest(space.dimension)
        self.lock = threading.Lock()
        self.listed_at = float("-inf")
        self.generation = next(_generations)  # another one where a vector may be another

    def refresh(self) -> None:
        """Read the blocks that changed since they were read. Raises StorageUnavailable."""
        listing = self._objects.listing(self._bucket, prefix_of(self._space))
        there = {info.key: info.version for info in listing}
        gone = self._versions.keys() - there.keys()
        for key in gone:
            self.nearest.drop(key)
            del self._versions[key]
        changed = [key for key, version in there.items() if self._versions.get(key) != version]

        if gone or changed:
            self.generation = next(_generations)

        def read_one(key: str) -> tuple[Block, str]:
            return read(self._objects, self._bucket, key, self._space)

        with ThreadPoolExecutor(AT_ONCE, "blocks") as pool:
            for key, (block, version) in zip(changed, pool.map(read_one, changed), strict=True):
                self.nearest.put(key, block.image_ids, block.matrix)
                self._versions[key] = version


class Indexes:
    """The indexes of a process, one for each tenant that is asked about."""

    def __init__(self, objects: Objects, space: Space, clock: Callable[[], float]) -> None:
        self._objects, self._clock = objects, clock
        self.space = space
        self._held: OrderedDict[tuple[str, str], Index] = OrderedDict()
        self._lock = threading.Lock()

    def near(
        self, tenant: Tenant, vector: NDArray[np.float32], n: int
    ) -> tuple[list[tuple[str, float]], int]:
        """Ids of up to n images of a tenant, nearest first, with their cosine similarity.

        And how many vectors were compared. Ids of images that left meanwhile may be among them.
        Raises StorageUnavailable.
        """
        index = self._index(tenant)
        with index.lock:
            self._follow(index)
            found, compared = index.nearest.near(vector, n), len(index.nearest)
        self._forget()
        return found, compared

    def all(self, tenant: Tenant) -> tuple[NDArray[np.bytes_], NDArray[np.float16], int]:
        """Ids and vectors of a tenant's images, in the order of the ids, and their generation.

        Two answers of one generation are the same. Ids of images that left meanwhile may be among
        them. Raises StorageUnavailable.
        """
        index = self._index(tenant)
        with index.lock:
            self._follow(index)
            ids, matrix = index.nearest.all()
            generation = index.generation
        self._forget()
        return ids, matrix, generation

    def generation(self, tenant: Tenant) -> int:
        """What `all` would say. Raises StorageUnavailable."""
        index = self._index(tenant)
        with index.lock:
            self._follow(index)
            return index.generation

    def _follow(self, index: Index) -> None:
        now = self._clock()
        if not 0 <= now - index.listed_at < FRESH:
            index.refresh()
            index.listed_at = now

    def _index(self, tenant: Tenant) -> Index:
        with self._lock:
            place = tenant.slug, tenant.bucket
            if place not in self._held:
                self._held[place] = Index(self._objects, tenant.bucket, self.space)
            self._held.move_to_end(place)
            return self._held[place]

    def _forget(self) -> None:
        with self._lock:
            size = sum(index.nearest.nbytes for index in self._held.values())
            while size > MOST_BYTES and len(self._held) > 1:
                _, oldest = self._held.popitem(last=False)
                size -= oldest.nearest.nbytes
