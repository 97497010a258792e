"""The tags and names that Dagster and Parjanya share."""

from __future__ import annotations

PARTITIONS = "image_batches"
INTENT_TAG = "parjanya/intent"
STAGES_TAG = "parjanya/stages"
RECONCILER = "reconciler"

PARTITION = "dagster/partition"
RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"
PRIORITY = "dagster/priority"

SHARE_TAG = "parjanya/share"
REPLAY_TAG = "parjanya/replay"
POLICY_TAG = "parjanya/policy"
REGRADE = "regrade"
"""A share of a lane that arrivals do not wait behind, and the intent of runs of its backfills."""

RUN, BLIND = "run", "blind"
"""Families of heartbeats: signs of life of runs by id; what a loop cannot see, and since when.

All heartbeats are Belief. What must outlive them is a record of its own: `truth.records`."""
