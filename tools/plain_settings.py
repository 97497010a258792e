"""parjanya_dagster/settings/plain_values.py, printed from the settings themselves.

Run as `python -m tools.plain_settings`.
"""

from __future__ import annotations

from typing import Any, Literal, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from parjanya_dagster.settings.model import Settings
from parjanya_dagster.settings.names import FIELDS, PATHS

TOGETHER = ("PARJANYA_LANES__", "PARJANYA_ARRIVALS__QUEUE", "PARJANYA_IDENTITY__IMAGE")
"""Beginnings of the names of settings that are checked against others: see `together.py`."""
LEAST, MOST = 1e-6, 1e9  # of the numbers that are plain

HEAD = '''"""Settings of which a value can be told to be valid by itself: printed by a program.

Regenerate with `python -m tools.plain_settings > parjanya_dagster/settings/plain_values.py`.
"""

from __future__ import annotations
'''


def page() -> str:
    texts: list[str] = []
    choices: dict[str, tuple[str, ...]] = {}
    whole: dict[str, tuple[float, float]] = {}
    numbers: dict[str, tuple[float, float]] = {}
    for name, field in FIELDS.items():
        if name.startswith(TOGETHER) or _has_rules_of_its_own(name):
            continue
        if (field.annotation in (str, SecretStr) and not field.metadata) or name == "PARJANYA_HOME":
            texts.append(name)
        elif get_origin(field.annotation) is Literal:
            choices[name] = get_args(field.annotation)
        elif field.annotation is bool:
            choices[name] = ("true", "false", "1", "0")
        elif field.annotation is int:
            whole[name] = _bounds(field)
        elif field.annotation is float:
            numbers[name] = _bounds(field)
    return "\n".join(
        [
            HEAD,
            "TEXTS = frozenset(",
            "    {",
            *(f'        "{name}",' for name in texts),
            "    }",
            ")",
            *_table("CHOICES", "tuple[str, ...]", choices),
            *_table("WHOLE", "tuple[float, float]", whole),
            *_table("NUMBERS", "tuple[float, float]", numbers),
            "",
        ]
    )


def _table(name: str, kind: str, values: dict[str, Any]) -> list[str]:
    lines = (f'    "{key}": {value!r},'.replace("'", '"') for key, value in values.items())
    return [f"{name}: dict[str, {kind}] = {{", *lines, "}"]


def _bounds(field: FieldInfo) -> tuple[float, float]:
    least, most = -MOST, MOST
    for rule in field.metadata:
        if (above := getattr(rule, "gt", None)) is not None:
            least = above + LEAST
        if (from_on := getattr(rule, "ge", None)) is not None:
            least = from_on
        if (up_to := getattr(rule, "le", None)) is not None:
            most = min(most, up_to)
    return float(least), float(most)


def _has_rules_of_its_own(name: str) -> bool:
    *groups, last = PATHS[name]
    model: Any = Settings
    for group in groups:
        model = model.model_fields[group].annotation
    rules = model.__pydantic_decorators__
    if groups and rules.model_validators:  # those of all settings are known: see `TOGETHER`
        return True
    validators = rules.field_validators.values()
    return name != "PARJANYA_HOME" and any(last in one.info.fields for one in validators)


if __name__ == "__main__":
    print(page(), end="")
