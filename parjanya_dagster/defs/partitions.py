"""One dynamic partition per batch of images: `tenant/YYYY-MM-DD/NNN`."""

from __future__ import annotations

from dagster import DynamicPartitionsDefinition

from parjanya_dagster.belief.tags import PARTITIONS

image_batches = DynamicPartitionsDefinition(name=PARTITIONS)
