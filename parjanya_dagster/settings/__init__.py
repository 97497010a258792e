"""Settings: the only place that reads the environment.

Each is a variable `PARJANYA_<GROUP>__<NAME>`, or a line of `parjanya.env` in the home. Dagster's
processes are started with the same environment, so all of them agree.
"""

from typing import TYPE_CHECKING, Any

from parjanya_dagster.settings.places import ENV_FILE, Places
from parjanya_dagster.settings.plain import plain_places

if TYPE_CHECKING:  # they import pydantic, which takes longer than short commands
    from parjanya_dagster.settings.groups import DEFAULT_PROMPT
    from parjanya_dagster.settings.loading import dagster_home, load, process_environment, read
    from parjanya_dagster.settings.model import Settings

_LATER = {
    "DEFAULT_PROMPT": "groups",
    "dagster_home": "loading",
    "load": "loading",
    "process_environment": "loading",
    "read": "loading",
    "Settings": "model",
}

__all__ = [
    "DEFAULT_PROMPT",
    "ENV_FILE",
    "Places",
    "Settings",
    "dagster_home",
    "load",
    "plain_places",
    "process_environment",
    "read",
]


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
