"""Settings of tests."""

from __future__ import annotations

from typing import Any

from parjanya_dagster.settings import Settings


def changed(settings: Settings, **groups: dict[str, Any]) -> Settings:
    """The same settings but for some, for example `runs={"lease": 8.0}`."""
    return settings.model_copy(
        update={
            name: getattr(settings, name).model_copy(update=values)
            for name, values in groups.items()
        }
    )
