"""What commands print with --json is what docs/commands.schema.json says.

Most commands print it in tests of their own: `tests.support.printed` compares. Here are those
that need no more than pictures that are decided.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from typer.core import TyperGroup
from typer.testing import CliRunner

from parjanya_dagster.cli.main import app
from parjanya_dagster.errors import RegradeInvalid
from parjanya_dagster.platform import Platform
from tests.support.printed import SCHEMA, checked, printed, printed_lines

ENTRIES = SCHEMA["$defs"]
ARGUMENTS = {
    "replay": ["--failed", "--preview"],
    "tenant check": ["acme"],
    "tenant show": ["acme"],
    "uploads token list": ["acme"],
    "policy show": ["default@3"],
    "policy diff": ["default@2", "default@3", "--tenant", "acme"],
    "release list": ["--tenant", "acme"],
    "taste list": ["--tenant", "acme"],
    "regrade --preview": ["--to", "default@2", "--all"],
}
COMMANDS = (
    *("status", "tenant list", "tenant show", "policy list", "policy show", "policy diff"),
    *("images", "explain", "doctor --quick", "doctor", "recount", "replay", "tenant check"),
    *("uploads token list", "review list", "release list", "taste list", "regrade --preview"),
)
MAY_FIND = {"doctor", "tenant check"}  # their exit status says what they found


def options_of_commands() -> dict[str, set[str]]:
    """Of each command that takes --json: its options."""
    root = typer.main.get_command(app)
    assert isinstance(root, TyperGroup)
    return {path: options for path, options in _options(root, "") if "--json" in options}


def _options(group: TyperGroup, above: str) -> Iterator[tuple[str, set[str]]]:
    for name, command in group.commands.items():
        path = f"{above} {name}".strip()
        if isinstance(command, TyperGroup):
            yield from _options(command, path)
        else:
            yield path, {option for one in command.params for option in one.opts}


def test_every_command_that_prints_json_has_an_entry() -> None:
    without = options_of_commands().keys() - ENTRIES.keys()
    assert not without, f"docs/commands.schema.json has no entry: {', '.join(sorted(without))}"


def test_every_entry_is_of_a_command_or_of_use_to_others() -> None:
    """An entry is named by a command and, where the JSON depends on it, by an option."""
    commands = options_of_commands()
    used = set(re.findall(r'"#/\$defs/([^"]+)"', json.dumps(ENTRIES)))
    for entry in ENTRIES.keys() - used:
        command, _, option = entry.partition(" --")
        assert command in commands, f"{entry} names no command that takes --json"
        assert not option or f"--{option}" in commands[command], f"{entry} names no option"


def test_it_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)


def test_every_entry_is_held_against_what_its_command_prints() -> None:
    """An entry that no test compares with what is printed says what somebody believed once."""
    held = set(COMMANDS)
    for file in Path(__file__).parents[2].rglob("test_*.py"):
        held.update(re.findall(r'\bprinted(?:_lines)?\(\s*"([^"]+)"', file.read_text("utf-8")))
    own = {entry for entry in ENTRIES if entry.partition(" --")[0] in options_of_commands()}
    assert not own - held, f"no test prints these: {', '.join(sorted(own - held))}"


def test_every_object_says_which_fields_it_may_have() -> None:
    """Where a schema names no fields and no bound, anything fits it."""
    unbound = [path for path, schema in _objects(ENTRIES, "") if not _bound(schema)]
    assert unbound == ["/release"]  # "release list" and "placed" bound it
    used = [
        (path, schema) for path, schema in _schemas(ENTRIES, "")
        if schema.get("$ref") == "#/$defs/release"
    ]  # fmt: skip
    assert len(used) == 2
    assert all(schema["unevaluatedProperties"] is False for _, schema in used)


def _bound(schema: dict[str, Any]) -> bool:
    return "additionalProperties" in schema or schema.get("unevaluatedProperties") is False


def _objects(at: Any, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for place, schema in _schemas(at, path):
        kinds = schema.get("type", ())
        if "object" in ([kinds] if isinstance(kinds, str) else kinds):
            yield place, schema


def _schemas(at: Any, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(at, dict):
        yield path, at
        for name, part in at.items():
            yield from _schemas(part, f"{path}/{name}")
    elif isinstance(at, list):
        for number, part in enumerate(at):
            yield from _schemas(part, f"{path}/{number}")


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
        assert done.exit_code == 0 or command in MAY_FIND, (command, done.output)
        (printed_lines if command == "images" else printed)(command, done.stdout)


def test_a_regrade_that_prints_json_asks_nobody(decided: Platform) -> None:
    """Its question and two bodies would be no JSON."""
    decided.registry.publish_builtin()
    home = str(decided.settings.home)
    words = ["regrade", "--to", "default@2", "--all", "--json", "--home", home]
    done = CliRunner().invoke(app, words)
    assert isinstance(done.exception, RegradeInvalid)
    assert "--preview or --yes" in str(done.exception)
    assert done.stdout == ""


def test_a_tenant_is_told_to_people_too(decided: Platform) -> None:
    done = CliRunner().invoke(app, ["tenant", "show", "acme", "--home", str(decided.settings.home)])
    assert "uploads  acme/incoming/" in done.stdout


def test_a_field_that_is_missing_or_unknown_is_seen() -> None:
    with pytest.raises(ValidationError, match="required"):
        checked("tenant list", [{"slug": "acme"}])
    wrong = {"wrong": [], "repaired": False}
    assert checked("recount", wrong) == wrong
    with pytest.raises(ValidationError, match="dditional"):
        checked("recount", {**wrong, "colour": "red"})
