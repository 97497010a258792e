"""Commands that are imported when they are called: none pays for the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command, get_group

from parjanya_dagster.cli.values import leave_plain_values


class LazyCommands(Mapping[str, Any]):
    """Commands by name, made when they are asked for.

    `modules` has for each name the module that holds it. A module with an `app` is a group of
    commands; any other has a function of the command's name.
    """

    def __init__(self, modules: Mapping[str, str]) -> None:
        self._modules = dict(modules)
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            command = _command(name, import_module(self._modules[name]))
            leave_plain_values(command)
            self._made[name] = command
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __len__(self) -> int:
        return len(self._modules)


def lazy_group(modules: Mapping[str, str]) -> type[TyperGroup]:
    """A group whose commands are those, by name and module: for `typer.Typer(cls=…)`."""

    class Lazy(TyperGroup):
        def __init__(self, **attributes: Any) -> None:
            super().__init__(**attributes)
            self.commands = LazyCommands(modules)  # type: ignore[assignment]

        def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
            leave_plain_values(self)  # by now typer has added its options of completion
            return super().parse_args(ctx, args)

    return Lazy


def _command(name: str, module: Any) -> Any:
    if hasattr(module, "app"):
        command: Any = get_group(module.app)
        command.name = name
        return command
    alone = typer.Typer(add_completion=False)
    alone.command(name)(getattr(module, name))
    return get_command(alone)
