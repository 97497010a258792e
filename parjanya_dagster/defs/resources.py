"""Resources: what Dagster hands to assets and sensors."""

from __future__ import annotations

from typing import Any

from dagster import ConfigurableResource, InitResourceContext

from parjanya_dagster.platform import Platform, shared_platform
from parjanya_dagster.traces import spans


class PlatformResource(ConfigurableResource[Any]):
    """The platform of this process. Its settings come from the environment (`PARJANYA_…`)."""

    def open(self) -> Platform:
        """Raises SettingsInvalid, TruthUnavailable, SchemaOutdated."""
        return shared_platform()

    def teardown_after_execution(self, context: InitResourceContext) -> None:
        """The run ends, or the tick of a sensor, which is no run."""
        if context.run is not None:
            spans.end_run(context.run.run_id)
