"""Prompts: versioned files `name@version.yaml`, beside this module or in a folder, hashed.

A prompt is what a model is asked, and which kinds there are. It is part of an engine's identity, so
a published file never changes; a new wording is a new version.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from gpu_ops.vlm import description
from gpu_ops.vlm.categories import LETTERS

DEFAULT = "default@2"
MOST_LABELS = 20  # servers list the likelihoods of no more tokens
LARGEST = 64 * 1024  # bytes of a file: what is longer is no prompt
_ID = re.compile(r"[a-z][a-z0-9-]{0,62}@[1-9][0-9]{0,5}")

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Label = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]  # as policies name it


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class CategoryQuestion(_Model):
    """Which of the labels? Asked once per order of the labels; the answer is one letter."""

    question: Text  # holds {options}
    names: dict[Label, Text]  # label -> what the model is told it is called
    orders: Annotated[int, Field(ge=1)]

    @model_validator(mode="after")
    def _whole(self) -> CategoryQuestion:
        if "{options}" not in self.question:
            raise ValueError("the category question needs {options}")
        if not 2 <= len(self.names) <= MOST_LABELS:
            raise ValueError(f"names must hold 2 to {MOST_LABELS} labels, not {len(self.names)}")
        if len(set(self.names.values())) < len(self.names):
            raise ValueError("two labels have one name, so the model cannot tell them apart")
        if self.orders > len(self.names):
            raise ValueError(f"orders is at most {len(self.names)}, the number of labels")
        return self


class DescriptionQuestion(_Model):
    """What is in the picture? The answer is JSON, see `description.Description`."""

    question: Text
    max_tokens: Annotated[int, Field(ge=1)] | None = None  # None: the longest answer fits

    @property
    def cap(self) -> int:
        """Most tokens of an answer."""
        return self.max_tokens or description.most_tokens(description.json_schema())


class Prompt(_Model):
    """Everything that a model is asked about one image."""

    id: str  # name@version, from the name of the file
    sha256: str  # of the file
    system: Text  # before the image, the same for all images
    category: CategoryQuestion
    description: DescriptionQuestion

    @property
    def labels(self) -> tuple[str, ...]:
        """The kinds there are, in the order in which evidence lists them."""
        return tuple(self.category.names)

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


class BadPrompts(ValueError):
    """The folder of prompts cannot be used."""


def names(folder: str = "") -> tuple[str, ...]:
    """The ids of the prompts there are: ours, and those in the folder.

    Raises BadPrompts where the folder cannot be read, or a file in it has a name of ours or none
    that says its version.
    """
    return tuple(sorted([*_built_in(), *_own(folder)]))


def load(prompt: str = DEFAULT, folder: str = "") -> Prompt:
    """The prompt of that id. Raises ValueError where there is none, or its file is not valid."""
    own = _own(folder)
    if prompt in own:
        with own[prompt].open("rb") as file:
            raw = file.read(LARGEST + 1)
        if len(raw) > LARGEST:
            raise BadPrompts(f"{own[prompt]} is no prompt: it has more than {LARGEST} bytes")
        return parse(prompt, raw)
    if prompt not in _built_in():
        raise ValueError(f"there is no prompt {prompt!r}; choose {' or '.join(names(folder))}")
    return parse(prompt, resources.files(__package__).joinpath(f"{prompt}.yaml").read_bytes())


def unfit(folder: str) -> dict[str, str]:
    """Prompts of a folder that cannot be used, and why each. Raises BadPrompts as `names` does."""
    found = {}
    for prompt in _own(folder):
        try:
            load(prompt, folder)
        except (ValueError, OSError) as error:
            found[prompt] = str(error)
    return found


def parse(prompt: str, raw: bytes) -> Prompt:
    """A prompt from the bytes of its file. Raises ValueError where it is not valid."""
    try:
        body = yaml.safe_load(raw)
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(raw)):
            raise ValueError(f"prompt {prompt}: write it without aliases (*), which may multiply")
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"prompt {prompt}: the file is no YAML: {error}") from None
    if not isinstance(body, dict):
        raise ValueError(f"prompt {prompt}: the file must hold a mapping")
    return Prompt.model_validate({**body, "id": prompt, "sha256": hashlib.sha256(raw).hexdigest()})


def _built_in() -> tuple[str, ...]:
    files = resources.files(__package__).iterdir()
    return tuple(f.name.removesuffix(".yaml") for f in files if f.name.endswith(".yaml"))


def _own(folder: str) -> dict[str, Path]:
    """Id -> file of each prompt in a folder."""
    if not folder:
        return {}
    try:
        files = sorted(Path(folder).expanduser().glob("*.yaml"))
        if not files and not Path(folder).expanduser().is_dir():
            raise BadPrompts(f"there is no folder of prompts {folder}")
    except OSError as error:
        raise BadPrompts(f"the folder of prompts {folder} cannot be read: {error}") from None
    found = {}
    for file in files:
        if not _ID.fullmatch(file.stem):
            raise BadPrompts(f"{file}: call it NAME@VERSION.yaml, such as products@1.yaml")
        if file.stem in _built_in():
            raise BadPrompts(f"{file}: {file.stem} is a prompt of ours; give yours another name")
        found[file.stem] = file
    return found
