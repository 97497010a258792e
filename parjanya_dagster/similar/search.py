"""Images like one image, like a picture, or like what words say. The index answers.

Truth says what is still there.

A question is about one tenant. Its index holds no vector of another, and each image that is found
is read from Truth before it is named.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from gpu_ops.interface import Embedder
from parjanya_dagster.embeddings import Space, embeddings_of, space_of
from parjanya_dagster.embeddings.index import Indexes
from parjanya_dagster.errors import EngineAway, LikenessUnknown, ObjectGone, QueryInvalid
from parjanya_dagster.execution.engines import fit_embedder_of, telling
from parjanya_dagster.execution.previews import decode_jpeg
from parjanya_dagster.execution.stages.build import decoders_of
from parjanya_dagster.media import Limits, Rejected
from parjanya_dagster.objects.store import Objects
from parjanya_dagster.settings import Settings
from parjanya_dagster.similar.clusters import Clusters, clusters_of
from parjanya_dagster.truth.models import PRESENT, ImageRow, Tenant
from parjanya_dagster.truth.store import Images, Tenants

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST_WORDS = 500  # characters that are asked by
KEPT = 8  # clusterings of a process: each takes about 30 bytes an image
MORE = 50  # that are looked up beyond what was asked for: some may have left their bucket


class Source(Images, Tenants, Protocol):
    """What is read of Truth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alike:
    """An image that was found."""

    row: ImageRow
    similarity: float  # cosine of the vectors: 1 is the same, about 0 is unlike


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What was found, the most alike first."""

    space: Space  # what the vectors were made by
    images: Sequence[Alike]
    compared: int  # images of the tenant that have a vector


class Similar:
    """Questions of one process, from any number of threads."""

    def __init__(
        self, store: Source, objects: Objects, settings: Settings, clock: Callable[[], float]
    ) -> None:
        self._store, self._objects = store, objects
        self._settings, self._clock = settings, clock
        self._held: Indexes | None = None
        self._clusters: OrderedDict[tuple[str, int], Clusters] = OrderedDict()
        self._lock = threading.Lock()

    def like_image(self, row: ImageRow, n: int) -> Answer:
        """Images of the same tenant like this one, which is not among them.

        Raises LikenessUnknown where it has no preview, EngineAway and StorageUnavailable.
        """
        with telling(self._settings):
            space = space_of(self._embedder)
            found = embeddings_of(self._store, self._objects, space, [row])
            if not found.missing:
                vector: NDArray[np.float32] = found.matrix[0]
            else:
                vector, space = self._vector(lambda: self._of_preview(row))
        return self._like(self._tenant(row.tenant), vector, space, n, but=row.image_id)

    def like_picture(self, tenant: Tenant, data: bytes, n: int) -> Answer:
        """Images of a tenant like a picture of any format that is read. It is kept nowhere.

        It is decoded as uploads are, in a process that has no rights. Raises LikenessUnknown where
        it cannot be, EngineAway and StorageUnavailable.
        """
        media = self._settings.media
        try:
            limits = Limits(media.max_bytes, media.max_pixels)
            preview = decoders_of(self._settings).validate(data, limits).preview
        except Rejected as error:
            raise LikenessUnknown(f"This picture cannot be read: {error.reason}") from error
        with telling(self._settings):
            vector, space = self._vector(lambda: self._embedder.embed([decode_jpeg(preview)])[0])
        return self._like(tenant, vector, space, n)

    def like_words(self, tenant: Tenant, words: str, n: int) -> Answer:
        """Images of a tenant that show what words say, as the model of the vectors has learned.

        Raises LikenessUnknown where it was learned without words, QueryInvalid where there are none
        or too many, EngineAway and StorageUnavailable.
        """
        asked = " ".join(words.split())
        if not 0 < len(asked) <= MOST_WORDS:
            raise QueryInvalid(f"Say in 1 to {MOST_WORDS} characters what the images show.")
        with telling(self._settings):
            vector, space = self._vector(lambda: self._embedder.embed_words([asked])[0])
        return self._like(tenant, vector, space, n)

    def clusters(self, tenant: Tenant, k: int) -> Clusters:
        """A tenant's images in up to k clusters. Kept until a vector changes.

        Raises LikenessUnknown, EngineAway and StorageUnavailable.
        """
        with telling(self._settings):
            space = space_of(self._embedder)
        indexes, place = self._indexes(space), (tenant.slug, k)
        with self._lock:
            known = self._clusters.get(place)
        if known is not None and known.is_of(space, indexes.generation(tenant)):
            return known
        ids, matrix, generation = indexes.all(tenant)
        found = clusters_of(space, generation, ids, matrix, k)
        with self._lock:
            self._clusters[place] = found
            self._clusters.move_to_end(place)
            while len(self._clusters) > KEPT:
                self._clusters.popitem(last=False)
        return found

    def shown(self, tenant: Tenant, images: Sequence[tuple[str, float]]) -> list[Alike]:
        """Those of named images that are still in a tenant's bucket, in their order."""
        rows = self._store.get_many([image_id for image_id, _ in images])
        return [
            Alike(row=rows[image_id], similarity=similarity)
            for image_id, similarity in images
            if image_id in rows
            and rows[image_id].tenant == tenant.slug
            and rows[image_id].object_state == PRESENT
        ]

    def _vector(self, ask: Callable[[], NDArray[np.float32]]) -> tuple[NDArray[np.float32], Space]:
        """A vector and the space that it is in: a server may be replaced while it is asked."""
        before, vector, after = space_of(self._embedder), ask(), space_of(self._embedder)
        if before != after:
            raise EngineAway(f"{before.id} became {after.id} at this moment. Ask again.")
        return vector, after

    def _like(
        self, tenant: Tenant, vector: NDArray[np.float32], space: Space, n: int, but: str = ""
    ) -> Answer:
        near, compared = self._indexes(space).near(tenant, vector, n + MORE)
        here = self.shown(tenant, [one for one in near if one[0] != but])
        return Answer(space=space, images=here[:n], compared=compared)

    def _of_preview(self, row: ImageRow) -> NDArray[np.float32]:
        """The vector of an image that has none yet."""
        try:
            preview = self._objects.get(row.preview_bucket or "", row.preview_key or "").data
        except ObjectGone:
            raise LikenessUnknown(
                f"{row.key} has no preview, so there is nothing to compare it by."
            ) from None
        vector: NDArray[np.float32] = self._embedder.embed([decode_jpeg(preview)])[0]
        return vector

    def _tenant(self, slug: str) -> Tenant:
        tenant = self._store.tenant(slug)
        assert tenant is not None, "an image belongs to a registered tenant"
        return tenant

    @cached_property
    def _embedder(self) -> Embedder:
        return fit_embedder_of(self._settings)

    def _indexes(self, space: Space) -> Indexes:
        """Those of a space. Of another one there were before, nothing is kept."""
        with self._lock:
            if self._held is None or self._held.space != space:
                self._held = Indexes(self._objects, space, self._clock)
            return self._held
