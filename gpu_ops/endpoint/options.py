"""What can be chosen about the engine `openai`. Plain data: importing it loads nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from gpu_ops.vlm.evidence import LEAST_MASS
from gpu_ops.vlm.prompts import DEFAULT

VISUAL_TOKENS = 400


@dataclass(frozen=True)
class Options:
    """Hashable, so that a process builds one engine per choice. Raises ValueError where wrong."""

    url: str  # up to and with /v1
    model: str  # as the server names it
    revision: str = ""  # what the operator says is served: the protocol tells none
    prompt: str = DEFAULT
    describe: bool = True  # without it, the category alone is asked for
    key: str = field(default="", repr=False)
    connections: int = 64  # most requests at once; how many the server wants is found out
    timeout: float = 120.0  # seconds, of one attempt
    answer_mass: float = LEAST_MASS  # less probability on the letters: the category is unknown
    calibration: str = ""  # a file that `python -m gpu_ops calibrate` wrote
    visual_tokens: int = VISUAL_TOKENS  # most tokens an image becomes; larger ones are shrunk
    prompts: str = ""  # a folder of the operator's prompts; empty: ours alone

    def __post_init__(self) -> None:
        require_server("engine", self)
        if self.visual_tokens < 16:
            raise ValueError("visual_tokens must be 16 or more: less shows nothing")


class Served(Protocol):
    """What is chosen about any server."""

    @property
    def url(self) -> str: ...
    @property
    def model(self) -> str: ...
    @property
    def connections(self) -> int: ...
    @property
    def timeout(self) -> float: ...


def require_server(kind: str, options: Served) -> None:
    """Raises ValueError where an engine or embedder `openai` (`kind`) could ask no server so."""
    if not options.url.startswith(("http://", "https://")):
        raise ValueError(
            f"the {kind} `openai` needs the URL of a server, such as http://host:8000/v1"
        )
    if not options.model:
        raise ValueError(f"the {kind} `openai` needs a model: its name on the server")
    if options.connections < 1 or options.timeout <= 0:
        raise ValueError("connections must be 1 or more, and the timeout more than 0 seconds")
