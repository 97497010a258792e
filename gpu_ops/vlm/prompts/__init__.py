"""Prompts: versioned files beside this module, `name@version.yaml`, and their hashes.

A prompt is what a model is asked. It is part of an engine's identity, so a published file never
changes; a new wording is a new version.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib import resources
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from gpu_ops.interface import LABELS
from gpu_ops.vlm.categories import LETTERS

DEFAULT = "default@1"

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class CategoryQuestion(_Model):
    """Which of the labels? Asked once per order of the labels; the answer is one letter."""

    question: Text  # holds {options}
    names: dict[str, Text]  # label -> what the model is told it is called
    orders: Annotated[int, Field(ge=1)]

    @model_validator(mode="after")
    def _whole(self) -> CategoryQuestion:
        if "{options}" not in self.question:
            raise ValueError("the category question needs {options}")
        if sorted(self.names) != sorted(LABELS):
            raise ValueError(f"names must be given for exactly {', '.join(LABELS)}")
        if self.orders > len(LABELS):
            raise ValueError(f"orders is at most {len(LABELS)}, the number of labels")
        return self


class DescriptionQuestion(_Model):
    """What is in the picture? The answer is JSON, see `description.Description`."""

    question: Text
    max_tokens: Annotated[int, Field(ge=1)]


class Prompt(_Model):
    """Everything that a model is asked about one image."""

    id: str  # name@version, from the name of the file
    sha256: str  # of the file
    system: Text  # before the image, the same for all images
    category: CategoryQuestion
    description: DescriptionQuestion

    @property
    def identity(self) -> str:
        """The id and the hash: what `Identity.prompt` says."""
        return f"{self.id}+sha256:{self.sha256}"

    def category_question(self, order: Sequence[str]) -> str:
        """The question with the labels of `order` lettered from A on."""
        options = ", ".join(
            f"{letter} {self.category.names[label]}"
            for letter, label in zip(LETTERS, order, strict=False)
        )
        return self.category.question.replace("{options}", options)


def names() -> tuple[str, ...]:
    """The ids of the prompts there are."""
    files = resources.files(__package__).iterdir()
    return tuple(sorted(f.name.removesuffix(".yaml") for f in files if f.name.endswith(".yaml")))


def load(prompt: str = DEFAULT) -> Prompt:
    """The prompt of that id. Raises ValueError where there is none, or its file is not valid."""
    if prompt not in names():
        raise ValueError(f"there is no prompt {prompt!r}; choose {' or '.join(names())}")
    raw = resources.files(__package__).joinpath(f"{prompt}.yaml").read_bytes()
    return parse(prompt, raw)


def parse(prompt: str, raw: bytes) -> Prompt:
    """A prompt from the bytes of its file. Raises ValueError (pydantic's) where it is not valid."""
    body = yaml.safe_load(raw)
    if not isinstance(body, dict):
        raise ValueError(f"prompt {prompt}: the file must hold a mapping")
    return Prompt.model_validate({**body, "id": prompt, "sha256": hashlib.sha256(raw).hexdigest()})
