"""docs/settings.md, printed from the settings: `python -m tools.settings_page`."""

from __future__ import annotations

from typing import Any, get_args

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from parjanya_dagster.settings import ENV_FILE, Settings

HEAD = f"""# Settings

Each is an environment variable, or a line of `{ENV_FILE}` in the home. Times are in seconds unless
the name says otherwise. This page is printed by `python -m tools.settings_page`.

| variable | default | meaning |
|---|---|---|
"""


def page() -> str:
    return HEAD + "".join(_row(name, field) for name, field in Settings.model_fields.items())


def _row(name: str, field: FieldInfo) -> str:
    meaning = f"{field.description or ''}{_choices(field)}"
    return f"| `PARJANYA_{name.upper()}` | {_default(name, field)} | {meaning} |\n"


def _default(name: str, field: FieldInfo) -> str:
    if name == "workers":
        return "one per core"
    value: Any = field.default
    if value in (PydanticUndefined, "", SecretStr("")):
        return ""
    return f"`{value}`"


def _choices(field: FieldInfo) -> str:
    choices = [one for one in get_args(field.annotation) if isinstance(one, str)]
    return f" One of {', '.join(f'`{one}`' for one in choices)}." if choices else ""


if __name__ == "__main__":
    print(page(), end="")
