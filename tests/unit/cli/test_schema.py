"""What commands print with --json is what docs/commands.schema.json says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from typer.testing import CliRunner

from parjanya_dagster.cli.main import app
from parjanya_dagster.platform import Platform

SCHEMA = json.loads(Path(__file__).parents[3].joinpath("docs/commands.schema.json").read_text())
ARGUMENTS = {
    "replay": ["--failed", "--preview"],
    "tenant check": ["acme"],
    "uploads token list": ["acme"],
}
COMMANDS = (
    *("status", "tenant list", "policy list", "images", "explain", "doctor --quick"),
    *("doctor", "recount", "replay", "tenant check", "uploads token list"),
)
MAY_FIND = {"doctor", "tenant check"}  # their exit status says what they found


def check(command: str, body: Any) -> None:
    Draft202012Validator({**SCHEMA, "$ref": f"#/$defs/{command}"}).validate(body)


def test_what_is_printed_is_what_the_schema_says(decided: Platform) -> None:
    decided.registry.publish_builtin()
    image = decided.store.present("acme", "", 1)[0].image_id
    home = str(decided.settings.home)
    made = CliRunner().invoke(app, ["uploads", "token", "add", "acme", "--home", home])
    assert made.exit_code == 0, made.output
    for command in COMMANDS:
        given = [image] if command == "explain" else ARGUMENTS.get(command, [])
        words = [*command.split(), *given]
        done = CliRunner().invoke(app, [*words, "--json", "--home", home])
        assert done.exit_code == 0 or command in MAY_FIND, done.output
        lines = done.stdout.splitlines() if command == "images" else [done.stdout]
        for body in map(json.loads, lines):
            check(command, body)
            schema = SCHEMA["$defs"][command]
            named = schema.get("items", schema)["properties"].keys()
            assert all(one.keys() <= named for one in (body if "items" in schema else [body]))


def test_a_field_that_is_missing_is_seen() -> None:
    with pytest.raises(ValidationError):
        check("tenant list", [{"slug": "acme"}])
