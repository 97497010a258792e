"""What Dagster loads: a table of contents."""

from __future__ import annotations

from dagster import Definitions, in_process_executor

from parjanya_dagster import lanes, logs
from parjanya_dagster.defs.asset_checks import house_checks
from parjanya_dagster.defs.assets import STAGE_ASSETS, uploads
from parjanya_dagster.defs.jobs import lane_jobs
from parjanya_dagster.defs.released import release_job, released
from parjanya_dagster.defs.resources import PlatformResource
from parjanya_dagster.defs.schedules import retention_job, retention_schedule
from parjanya_dagster.defs.sensors.arrivals import arrivals
from parjanya_dagster.defs.sensors.pending_rows import pending_rows_sensor
from parjanya_dagster.defs.sensors.releases import releases_sensor
from parjanya_dagster.defs.taste import taste, taste_job, tastes_sensor
from parjanya_dagster.lanes.placement import placed
from parjanya_dagster.settings import load

_settings = load()
logs.configure(_settings)
_lanes = placed(
    lanes.BY_NAME[_settings.lanes.layout], _settings.lanes.launcher, _settings.lanes.by_name
)
_jobs = lane_jobs(_lanes)

defs = Definitions(
    assets=[uploads, *STAGE_ASSETS, released, taste],
    asset_checks=[house_checks],
    jobs=[*_jobs, retention_job, release_job, taste_job],
    schedules=[retention_schedule],
    sensors=[arrivals, pending_rows_sensor(_lanes, _jobs), releases_sensor, tastes_sensor],
    resources={"platform": PlatformResource()},
    executor=in_process_executor,  # a process for each step would load everything once more
)
