"""Makes Dagster's own tables before its processes start.

Code server, daemon and webserver open the storage at the same moment. On a new home each of them
would create it, and the slower ones would die of "table already exists".
"""

from __future__ import annotations

from parjanya_dagster.settings import Settings


def prepare_dagster(settings: Settings) -> None:
    """Create or open Dagster's storage of a home whose dagster.yaml is written."""
    from dagster import DagsterInstance

    from parjanya_dagster.instance.kept_storage import KeptEventLogStorage

    with DagsterInstance.from_config(str(settings.home / "dagster")) as instance:
        instance.get_runs(limit=1)
        instance.get_dynamic_partitions("image_batches")
        instance.all_instigator_state()
        if isinstance(instance.event_log_storage, KeptEventLogStorage):
            instance.event_log_storage.prepare()
