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
"""The share tag of runs of regrades, so that arrivals do not wait behind them.

Runs of backfills have the same word as their intent."""

LIGHT = "light"
"""The share tag of runs that have little to do, so that they do not wait behind long ones."""
LIGHT_TAG = "parjanya/light"
"""Most rows that such a run takes at a stage. What comes later is another run's."""
ALONG_TAG = "parjanya/along"
"""Most rows that a run takes at a stage of another lane, which only goes along."""

RUN, BLIND, MANIFEST = "run", "blind", "manifest"
"""Families of heartbeats: of runs, by id; of loops that cannot read something, since when; of
batches whose manifest was just written.

All heartbeats are Belief. What must outlive them is a record of its own: `truth.records`."""
