"""What can be chosen about the engine `transformers`. Plain data: importing it loads nothing."""

from __future__ import annotations

from dataclasses import dataclass

from gpu_ops.vlm.evidence import LEAST_MASS
from gpu_ops.vlm.prompts import DEFAULT


@dataclass(frozen=True)
class Options:
    """Hashable, so that a process builds one engine per choice. Raises ValueError where wrong."""

    model: str  # a folder, or the id of a repository that the local cache holds
    revision: str = ""  # of a repository: branch, tag or commit; a folder has none
    prompt: str = DEFAULT
    describe: bool = True  # the category alone is faster
    visual_tokens: int = 400  # most tokens an image becomes; larger images are shrunk
    batch_tokens: int = 65_536  # of a forward pass, padding included
    device: str = "auto"  # "auto" is CUDA where there is one; or "cpu", "cuda", "cuda:1"
    calibration: str = ""  # a file that `python -m gpu_ops calibrate` wrote
    answer_mass: float = LEAST_MASS  # less probability on the letters: the category is unknown
    prompts: str = ""  # a folder of the operator's prompts; empty: ours alone

    def __post_init__(self) -> None:
        if not self.model:
            raise ValueError("the engine `transformers` needs a model: a folder or an id")
        if self.visual_tokens < 16:
            raise ValueError("visual_tokens must be 16 or more: less shows nothing")
        if self.batch_tokens < 1:
            raise ValueError("batch_tokens must be 1 or more")
