"""Resources: what Dagster hands to assets and sensors."""

from __future__ import annotations

from typing import Any

from dagster import ConfigurableResource

from parjanya_dagster.platform import Platform, shared_platform


class PlatformResource(ConfigurableResource[Any]):
    """The platform of this process. Its settings come from the environment (`PARJANYA_…`)."""

    def open(self) -> Platform:
        """Raises SettingsInvalid, TruthUnavailable, SchemaOutdated."""
        return shared_platform()
