"""The Dagster face: assets, checks, jobs, sensors and what people see of a partition. Thin."""
