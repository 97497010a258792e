"""An image in words: the fields, their JSON schema, and how an answer is read."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Annotated, Any

from annotated_types import MaxLen
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
)
from pydantic_core import from_json

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


WORST_SCRIPT = 1.6
"""Tokens a character in the script that takes most. Qwen's vocabulary, the worst stretch of 600
characters: Gurmukhi 1.55, Telugu 1.53, Burmese 1.50, Hindi 0.97, English 0.27 (decision 0052)."""
_MARKS = 4  # tokens of quotation marks, brackets and what stands between two values


def most_tokens(schema: Mapping[str, Any]) -> int:
    """Tokens in which the longest answer that a schema allows is whole, whatever its script.

    Of closed objects, bounded lists and bounded strings; raises KeyError where one has no bound.
    """
    kind = schema["type"]
    if kind == "object":
        fields = schema["properties"].items()
        return _MARKS + sum(len(name) + _MARKS + most_tokens(field) for name, field in fields)
    if kind == "array":
        return _MARKS + int(schema["maxItems"]) * most_tokens(schema["items"])
    if "enum" in schema:
        return _MARKS + max(len(value) for value in schema["enum"])
    return _MARKS + math.ceil(int(schema["maxLength"]) * WORST_SCRIPT)


def parse(raw: str) -> Description | None:
    """The description in an answer. None: it is not valid (cut off, for example)."""
    try:
        return Description.model_validate_json(bare(raw))
    except ValidationError:
        return None


def salvage(raw: str) -> dict[str, Any]:
    """The fields of an answer that are whole and valid, each by itself; lists item by item.

    Of an answer that was cut off that is everything before the cut. May be empty.
    """
    try:
        body = from_json(bare(raw), allow_partial=True)
    except ValueError:
        return {}
    found: dict[str, Any] = {}
    for name, field in Description.model_fields.items():
        if not isinstance(body, dict) or name not in body:
            continue
        value = body[name]
        if isinstance(value, list):
            most = next(m.max_length for m in field.metadata if isinstance(m, MaxLen))
            value = [item for item in value if _valid(_WORD, item)][:most]
        if _valid(_FIELDS[name], value):
            found[name] = value
    return found


def unicode(raw: str) -> str:
    """Half a character, as JSON escapes can hold and no store takes, becomes a question mark."""
    return raw.encode("utf-8", "replace").decode()


def bare(raw: str) -> str:
    """An answer without thoughts before it and without a Markdown fence around it."""
    said = unicode(raw).rpartition("</think>")[2].strip()
    fenced = _FENCE.fullmatch(said)
    return fenced[1].strip() if fenced else said


_FENCE = re.compile(r"```(?:json)?\s*\n(.*?)(?:\n\s*```)?", re.DOTALL | re.IGNORECASE)
_WORD: TypeAdapter[Any] = TypeAdapter(Word)
_FIELDS: dict[str, TypeAdapter[Any]] = {
    name: TypeAdapter(Annotated[field.annotation, *field.metadata])  # type: ignore[arg-type]
    for name, field in Description.model_fields.items()
}


def _valid(kind: TypeAdapter[Any], value: Any) -> bool:
    try:
        kind.validate_python(value, strict=True)
    except ValidationError:
        return False
    return True
