"""docs/commands.md, printed from the command line: `python -m tools.commands_page`."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import typer
from typer.core import TyperGroup, TyperOption

from parjanya_dagster.cli.main import app

HEAD = """# Commands

Printed by `python -m tools.commands_page`. `parjanya COMMAND --help` says the same.

`--home` may stand before the command or after it. Where a command has `--json`, standard output has
JSON and nothing else. Progress and notes go to standard error; `parjanya --quiet COMMAND` leaves
them out. [commands.schema.json](commands.schema.json) says what the JSON of every command with
`--json` holds. Colours are left out where the output is no terminal, and with `NO_COLOR`.
`parjanya --install-completion` teaches your shell (bash, zsh, fish, PowerShell) to complete
commands and options; `--show-completion` prints what it would install.

## Exit codes

| code | meaning |
|--:|---|
| 0 | done; `doctor`: nothing is wrong |
| 1 | not done, or not all of it, and a sentence says why; or a check found something: \
`doctor`, `preflight` (not fit), `recount`, `policy check`, `tenant check`, `release verify`, \
`aws verify` |
| 2 | the command was not understood; `doctor`, `aws verify`: something could not be read, so it \
cannot tell |
| 130 | a regrade was interrupted with Ctrl-C |
"""


def page() -> str:
    root = typer.main.get_command(app)
    assert isinstance(root, TyperGroup)
    return HEAD + "".join(_commands(root, "parjanya"))


def _commands(group: TyperGroup, above: str) -> Iterator[str]:
    for name, command in group.commands.items():
        if command.hidden:
            continue
        path = f"{above} {name}"
        if isinstance(command, TyperGroup):
            yield from _commands(command, path)
        else:
            yield _command(command, path)


def _command(command: Any, path: str) -> str:
    context = typer.Context(command, info_name=path)
    pieces = command.collect_usage_pieces(context)
    usage = " ".join([path, *(piece.replace("{", "").replace("}", "").upper() for piece in pieces)])
    text = "\n\n".join(
        " ".join(paragraph.split())
        for paragraph in inspect.cleandoc(command.help or "").split("\n\n")
    )
    rows = "".join(_parameter(one) for one in command.params)
    table = f"\n| | meaning |\n|---|---|\n{rows}" if rows else ""
    return f"\n## {path}\n\n```\n{usage}\n```\n\n{text}\n{table}"


def _parameter(parameter: Any) -> str:
    """One row. Empty for what every command has."""
    if parameter.name in ("help", "home"):
        return ""
    if isinstance(parameter, TyperOption):
        names = ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))
        meaning = parameter.help or ""
    else:
        names = f"`{(parameter.metavar or parameter.name).upper()}`"
        meaning = getattr(parameter, "help", None) or ""
    default = parameter.default
    if default not in (None, False, "", ()) and not callable(default) and not parameter.required:
        meaning += f" Default: {default}."
    return f"| {names} | {' '.join(meaning.split()).replace('|', chr(92) + '|')} |\n"


if __name__ == "__main__":
    print(page(), end="")
