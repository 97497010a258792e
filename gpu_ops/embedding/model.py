"""The embedder `transformers`: a model such as SigLIP, CLIP or DINOv2 in this process."""

from __future__ import annotations

import gc
import hashlib
import json
import threading
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpu_ops.device import device
from gpu_ops.embedding.options import WORDS, ModelOptions
from gpu_ops.embedding.vectors import unit
from gpu_ops.faults import lost, too_much
from gpu_ops.interface import EngineLost, Identity, NoWords, SomeFailed, require_images
from gpu_ops.vlm import checkpoint
from gpu_ops.vlm.batching import halving

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from gpu_ops.interface import Image

VERSION = "transformers-embedder@1"
BATCH = 32  # images of one forward pass


class ModelEmbedder:
    """Loads a model once and keeps it. Safe to use from threads; they take turns.

    A model of images and words gives its features of images (`get_image_features`), another one
    its pooled output.
    """

    def __init__(self, options: ModelOptions) -> None:
        self._options = options
        self._lock = threading.RLock()
        self._model: Any = None
        self._processor: Any = None
        self._tokenizer: Any = None

    @cached_property
    def identity(self) -> Identity:
        """Reads the model's files to hash them. Raises ModelMissing where they are not there."""
        folder = self._folder
        files = checkpoint.revision_of(folder)
        return Identity(
            engine="transformers",
            model=f"{checkpoint.name_of(self._options.model, folder)}@{files}",
            revision="sha256:" + hashlib.sha256(f"{VERSION}\n{files}".encode()).hexdigest(),
            prompt="",
            determinism="numerical",
        )

    @cached_property
    def dimension(self) -> int:
        """As the configuration says; `warm` compares. Raises ModelMissing, ValueError."""
        config = self._config
        vision = config.get("vision_config", config)
        stated = config.get("projection_dim", vision.get("hidden_size"))
        if not isinstance(stated, int):  # left to the defaults of its family
            from transformers import AutoConfig

            read: Any = AutoConfig.from_pretrained(self._folder, local_files_only=True)
            vision = getattr(read, "vision_config", read)
            stated = getattr(read, "projection_dim", None) or vision.hidden_size
        return int(stated)

    def check(self) -> None:
        """Raises ModelMissing and ValueError where the folder holds no such model."""
        if self.dimension < 1:
            raise ValueError(f"{self._folder} has vectors of {self.dimension} numbers")
        if not any(self._folder.glob("*.safetensors")):
            raise ValueError(f"{self._folder} has no weights as safetensors")

    def warm(self) -> None:
        """Load the model. Raises OSError or ValueError where its folder does not do."""
        with self._lock:
            if self._model is None:
                self._load()

    def embed(self, images: Sequence[Image]) -> NDArray[np.float32]:
        """Vectors (n, dimension) of unit length. Raises `InvalidImage`, `SomeFailed` where some
        need more memory than there is, and `EngineLost`."""
        import numpy as np

        require_images(images)
        if not images:
            return np.zeros((0, self.dimension), np.float32)
        with self._lock:
            self.warm()
            found: list[Any] = []
            for at in range(0, len(images), BATCH):
                some = images[at : at + BATCH]
                found += halving(some, lambda part: list(self._of_images(part)), too_much, _relieve)
        errors = {n: one for n, one in enumerate(found) if isinstance(one, MemoryError)}
        if errors:
            raise SomeFailed([None if n in errors else one for n, one in enumerate(found)], errors)
        return np.stack(found)

    def embed_words(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors (n, dimension) of unit length, in the space of the images.

        Raises `NoWords` where the model has no text side, and `EngineLost`.
        """
        import numpy as np

        if "text_config" not in self._config:
            name = checkpoint.name_of(self._options.model, self._folder)
            raise NoWords(f"{name} is a model of images alone: it has no text side")
        if not texts:
            return np.zeros((0, self.dimension), np.float32)
        with self._lock:
            self.warm()
            return self._of_words([self._options.query.replace(WORDS, text) for text in texts])

    @cached_property
    def _folder(self) -> Path:
        return checkpoint.folder_of(self._options.model, self._options.revision)

    @cached_property
    def _config(self) -> dict[str, Any]:
        try:
            config = json.loads((self._folder / "config.json").read_text())
        except (OSError, ValueError) as error:
            raise ValueError(f"{self._folder} has no readable config.json: {error}") from error
        if not isinstance(config, dict) or not isinstance(config.get("vision_config", {}), dict):
            raise ValueError(f"{self._folder}/config.json does not describe a model")
        return config

    def _load(self) -> None:
        from gpu_ops.torchvision_cure import cure

        cure()
        import transformers
        import transformers.utils.logging

        library: Any = transformers  # it leaves much without types
        library.utils.logging.disable_progress_bar()
        given = {"local_files_only": True}
        model = library.AutoModel.from_pretrained(
            self._folder, dtype="auto", use_safetensors=True, **given
        )
        self._processor = library.AutoImageProcessor.from_pretrained(self._folder, **given)
        if hasattr(model, "get_text_features"):
            self._tokenizer = library.AutoTokenizer.from_pretrained(self._folder, **given)
        self._model = model.eval().to(device(self._options.device))

    def _of_images(self, images: Sequence[Image]) -> NDArray[np.float32]:
        import numpy as np

        from gpu_ops.vlm.pictures import stripe

        arrays = [np.require(stripe(image), requirements=["C", "W"]) for image in images]
        given = self._processor(images=arrays, return_tensors="pt")
        images_of = getattr(self._model, "get_image_features", self._model)
        return self._features(images_of, given)

    def _of_words(self, texts: Sequence[str]) -> NDArray[np.float32]:
        # Padded to the full length, as SigLIP was trained; others do not look at the padding.
        longest = self._model.config.get_text_config().max_position_embeddings
        given = self._tokenizer(
            list(texts), padding="max_length", truncation=True, max_length=longest,
            return_tensors="pt",
        )  # fmt: skip
        return self._features(self._model.get_text_features, given)

    def _features(self, features: Any, given: Any) -> NDArray[np.float32]:
        import torch

        model = self._model
        inputs = {
            name: value.to(model.device, model.dtype if value.is_floating_point() else None)
            for name, value in given.items()
        }
        try:
            with torch.inference_mode():
                found = features(**inputs)
                vectors = getattr(found, "pooler_output", found).float().cpu().numpy()
        except Exception as error:
            if lost(error):
                raise EngineLost(f"the device failed: {error}") from error
            raise
        return unit(vectors, self.dimension)


def _relieve(_count: int) -> None:
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
