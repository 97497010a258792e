"""docs/settings.md, printed from the settings: `python -m tools.settings_page`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from parjanya_dagster.lanes import BY_NAME
from parjanya_dagster.settings import ENV_FILE, Settings
from parjanya_dagster.settings.groups import Group
from parjanya_dagster.settings.names import settings_of, variable

HEAD = f"""# Settings

Each is an environment variable, or a line of `{ENV_FILE}` in the home. The environment wins.
Names are nested: `PARJANYA_<GROUP>__<NAME>`. Times are in seconds unless the name says otherwise.
This page is printed by `python -m tools.settings_page`.

A variable `PARJANYA_…` that is no setting is an error that suggests the nearest name. So is any
other line of `{ENV_FILE}`. The names from before the groups are read in this release; a line on
standard error then says the new name.
"""
TABLE = """
| variable | default | meaning |
|---|---|---|
"""
BY_LANE = """
Of each lane, `<LANE>` being `EMBEDDED` in the layout `embedded`, `CPU` or `GPU` in `split`. What is
left out stays as the lane has it:
"""
LANES = [lane.name for lanes in BY_NAME.values() for lane in lanes]


def page() -> str:
    return HEAD + "".join(_sections())


def _sections() -> Iterator[str]:
    yield TABLE + _row(("home",), Settings.model_fields["home"])
    for name, field in Settings.model_fields.items():
        group = field.annotation
        if isinstance(group, type) and issubclass(group, Group):
            yield f"\n## {name}\n\n{group.__doc__}\n{TABLE}"
            rows = list(settings_of(group, (name,)))
            yield from (_row(path, setting) for path, setting in rows if len(path) == 2)
            of_lanes = [(path, setting) for path, setting in rows if path[1:-1] == (LANES[0],)]
            if of_lanes:
                yield BY_LANE + TABLE
                yield from (_row((name, "<lane>", path[-1]), one) for path, one in of_lanes)


def _row(path: tuple[str, ...], field: FieldInfo) -> str:
    meaning = f"{field.description or ''}{_choices(field)}"
    return f"| `{variable(path)}` | {_default(path, field)} | {meaning} |\n"


def _default(path: tuple[str, ...], field: FieldInfo) -> str:
    if path == ("media", "workers"):
        return "one per core"
    value: Any = field.default
    if value in (PydanticUndefined, None, "", SecretStr("")):
        return ""
    return f"`{value}`"


def _choices(field: FieldInfo) -> str:
    choices = [one for one in get_args(field.annotation) if isinstance(one, str)]
    return f" One of {', '.join(f'`{one}`' for one in choices)}." if choices else ""


if __name__ == "__main__":
    print(page(), end="")
