"""What a command prints with --json, read, and compared with docs/commands.schema.json."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

SCHEMA: dict[str, Any] = json.loads(
    Path(__file__).parents[2].joinpath("docs/commands.schema.json").read_text("utf-8")
)


def printed(form: str, output: str) -> Any:
    """The JSON of a command's standard output. `form`: its entry, such as "release show".

    Raises ValidationError where it is not what the entry says, and JSONDecodeError where the
    output is no JSON, or something beside it.
    """
    return checked(form, json.loads(output, parse_constant=_no_number))


def printed_lines(form: str, output: str) -> list[Any]:
    """The same of a command that prints one JSON a line."""
    return [printed(form, line) for line in output.splitlines()]


def checked(form: str, body: Any) -> Any:
    """The body, as it is. Raises ValidationError where it is not what the entry says."""
    _validator(form).validate(body)
    return body


@cache
def _validator(form: str) -> Draft202012Validator:
    assert form in SCHEMA["$defs"], f"docs/commands.schema.json has no entry {form!r}"
    return Draft202012Validator({**SCHEMA, "$ref": f"#/$defs/{form}"})


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")
