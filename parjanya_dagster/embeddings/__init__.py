"""Vectors of images: where they lie, how they are read, and which are near one another.

A vector is made from a preview, so it can be made again. It is kept in the bucket of its tenant, in
a file per batch and space. A space is all vectors that one engine makes; no two are ever mixed.
`embeddings_of` reads those of rows. Indexes over them are Belief: they live in memory.
"""

from parjanya_dagster.embeddings.reading import Embeddings, embeddings_of
from parjanya_dagster.embeddings.space import Space, space_of

__all__ = ["Embeddings", "Space", "embeddings_of", "space_of"]
