"""Settings: the only place that reads the environment.

Each is a variable `PARJANYA_<GROUP>__<NAME>`, or a line of `parjanya.env` in the home. Dagster's
processes are started with the same environment, so all of them agree.
"""

from parjanya_dagster.settings.groups import DEFAULT_PROMPT
from parjanya_dagster.settings.loading import (
    ENV_FILE,
    dagster_home,
    load,
    process_environment,
    read,
)
from parjanya_dagster.settings.model import Settings

__all__ = [
    "DEFAULT_PROMPT",
    "ENV_FILE",
    "Settings",
    "dagster_home",
    "load",
    "process_environment",
    "read",
]
