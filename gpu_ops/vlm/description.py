"""An image in words: the fields, their JSON schema, and how an answer is read."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

Caption = Annotated[str, StringConstraints(min_length=1, max_length=400)]
Word = Annotated[str, StringConstraints(min_length=1, max_length=40)]
VisibleText = Annotated[str, StringConstraints(max_length=600)]


class Description(BaseModel):
    """One image in words. The limits are part of the schema that constrains the model."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    caption: Caption
    tags: Annotated[list[Word], Field(max_length=8)]
    visible_text: VisibleText
    objects: Annotated[list[Word], Field(max_length=12)]


def json_schema() -> dict[str, Any]:
    """The JSON schema of `Description`: closed, all fields required, in the order declared."""
    return Description.model_json_schema()


def parse(raw: str) -> Description | None:
    """The description in an answer. None: it is not valid (cut off, for example)."""
    try:
        return Description.model_validate_json(raw)
    except ValidationError:
        return None
