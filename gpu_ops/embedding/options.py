"""What can be chosen about embedding models. Plain data: importing it loads nothing."""

from __future__ import annotations

from dataclasses import dataclass, field

from gpu_ops.endpoint.options import require_server

WORDS = "{words}"


@dataclass(frozen=True)
class ModelOptions:
    """Of the engine `transformers`. Hashable. Raises ValueError where wrong."""

    model: str  # a folder, or the id of a repository that the local cache holds
    revision: str = ""  # of a repository: branch, tag or commit; a folder has none
    device: str = "auto"  # "auto" is CUDA where there is one; or "cpu", "cuda", "cuda:1"
    query: str = WORDS  # how words are put to the model

    def __post_init__(self) -> None:
        if not self.model:
            raise ValueError("the embedder `transformers` needs a model: a folder or an id")
        _require_place_for_words(self.query)


@dataclass(frozen=True)
class ServedOptions:
    """Of the engine `openai`. Hashable. Raises ValueError where wrong."""

    url: str  # up to and with /v1
    model: str  # as the server names it
    revision: str = ""  # what the operator says is served: the protocol tells none
    key: str = field(default="", repr=False)
    connections: int = 16  # most requests at once; how many the server wants is found out
    timeout: float = 60.0  # seconds, of one attempt
    instruction: str = ""  # text beside each picture, where the model was trained with one
    query: str = WORDS  # how words are put to the model

    def __post_init__(self) -> None:
        require_server("embedder", self)
        _require_place_for_words(self.query)


def _require_place_for_words(query: str) -> None:
    if WORDS not in query:
        raise ValueError(f"the query {query!r} has no place for words: it needs {WORDS}")
