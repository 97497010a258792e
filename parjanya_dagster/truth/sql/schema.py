"""The tables of Truth, for SQLite and PostgreSQL.

Each query has its index, so none gets slower as the history grows. `due_at` is null for rows that
cannot be claimed, and the index of due work leaves them out.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    false,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
}

metadata = MetaData(naming_convention=NAMING)
Json = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
Time = Float(53)
Key = Text().with_variant(Text(collation="C"), "postgresql")
"""In the order of bytes, whatever language the database speaks. SQLite's is that anyhow."""
FAILED = "pipeline_status = 'failed'"
TROUBLED = "due_at IS NOT NULL AND (retry_since IS NOT NULL OR suspect)"
DECIDED = "pipeline_status = 'curated' AND object_state = 'present'"
TARGETED = "target IS NOT NULL"
FOR_REVIEW = (  # what `ImageRow.waits_for_person` says of a row
    "pipeline_status = 'curated' AND object_state = 'present' AND person_verdict IS NULL "
    "AND (verdict = 'review' OR lapsed)"
)
"""Conditions of partial indexes. A query must repeat them word for word to use the index."""
Serial = BigInteger().with_variant(Integer, "sqlite")

tenants = Table(
    "tenants",
    metadata,
    Column("slug", Text, primary_key=True),
    Column("bucket", Text, nullable=False),
    Column("prefix", Text, nullable=False),
    Column("policy", Text, nullable=False),
    Column("weight", Float, nullable=False),
    Column("status", Text, nullable=False),
    Column("created_at", Time, nullable=False),
)

batches = Table(
    "batches",
    metadata,
    Column("batch", Text, primary_key=True),
    Column("serial", BigInteger, nullable=False),
    Column("tenant", Text, ForeignKey("tenants.slug"), nullable=False),
    Column("day", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("registered", Integer, nullable=False),
    Column("decided", BigInteger, nullable=False),  # counts changes of decided rows
    Column("manifest", BigInteger, nullable=False),  # the count that the manifest shows
    Index(None, "tenant", "day", "number"),
    Index(
        "ix_batches_stale_manifest",
        "batch",
        sqlite_where=text("decided <> manifest"),
        postgresql_where=text("decided <> manifest"),
    ),
)

tallies = Table(
    "tallies",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("object_state", Text, primary_key=True),
    Column("pipeline_status", Text, primary_key=True),
    Column("verdict", Text, primary_key=True),  # empty: none
    Column("failure_class", Text, primary_key=True),  # empty: none
    Column("people", Text, primary_key=True),  # a person's verdict; lapsed; empty: none
    Column("part", BigInteger, primary_key=True),  # 0, or the transaction that wrote it
    Column("n", BigInteger, nullable=False),
)
"""How many images are where: the sum over parts. Triggers on `images` keep it."""

images = Table(
    "images",
    metadata,
    Column("image_id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("bucket", Text, nullable=False),
    Column("key", Key, nullable=False),
    Column("version", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("batch", Text, nullable=False),
    Column("landed_at", Time, nullable=False),
    Column("arrived_at", Time, nullable=False),
    Column("updated_at", Time, nullable=False),
    Column("object_state", Text, nullable=False),
    Column("pipeline_status", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("retries", Integer, nullable=False),
    Column("retry_since", Time),
    Column("not_before", Time, nullable=False),
    Column("due_at", Time),
    Column("lease_owner", Text),
    Column("lease_until", Time),
    Column("fence", BigInteger, nullable=False),
    Column("suspect", Boolean, nullable=False),
    Column("preview_bucket", Text),
    Column("preview_key", Text),
    Column("thumbnail_key", Text),
    Column("sha256", Text),
    Column("phash", Text),
    Column("evidence", Json, nullable=False),
    Column("verdict", Text),
    Column("reasons", Json, nullable=False),
    Column("policy", Text),
    Column("failure_class", Text),
    Column("failure_reason", Text),
    Column("failed_stage", Text),
    Column("target", Text),
    Column("replaced_by", Text),
    Column("person_verdict", Text),
    Column("person", Text),
    Column("reviewed_at", Time),
    Column("reviewed_under", Text),
    Column("reviews", Integer, nullable=False, server_default=text("0")),
    Column("lapsed", Boolean, nullable=False, server_default=false()),
    Index(None, "batch", "image_id"),
    Index("ix_images_key", "key"),
    Index(
        "ix_images_tally",
        "tenant",
        "object_state",
        "pipeline_status",
        "verdict",
        "failure_class",
        "person_verdict",
        "lapsed",
    ),
    Index(
        "ix_images_review",
        "tenant",
        "landed_at",
        "image_id",
        sqlite_where=text(FOR_REVIEW),
        postgresql_where=text(FOR_REVIEW),
    ),
    Index(
        "ix_images_present",
        "tenant",
        "image_id",
        sqlite_where=text("object_state = 'present'"),
        postgresql_where=text("object_state = 'present'"),
    ),
    Index(
        "ix_images_by_key",
        "tenant",
        "key",
        sqlite_where=text("object_state = 'present'"),
        postgresql_where=text("object_state = 'present'"),
    ),
    Index(
        "ix_images_due",
        "pipeline_status",
        "batch",
        "due_at",
        sqlite_where=text("due_at IS NOT NULL"),
        postgresql_where=text("due_at IS NOT NULL"),
    ),
    Index(
        "ix_images_leased",
        "lease_until",
        sqlite_where=text("lease_owner IS NOT NULL"),
        postgresql_where=text("lease_owner IS NOT NULL"),
    ),
    Index(
        "ix_images_failed",
        "tenant",
        "failure_class",
        "image_id",
        sqlite_where=text(FAILED),
        postgresql_where=text(FAILED),
    ),
    Index(
        "ix_images_troubled",
        "updated_at",
        sqlite_where=text(TROUBLED),
        postgresql_where=text(TROUBLED),
    ),
    Index(
        "ix_images_decided",
        "tenant",
        "policy",
        "batch",
        sqlite_where=text(DECIDED),
        postgresql_where=text(DECIDED),
    ),
    Index(
        "ix_images_target",
        "batch",
        sqlite_where=text(TARGETED),
        postgresql_where=text(TARGETED),
    ),
    Index(
        "ix_images_twins",
        "tenant",
        "sha256",
        "landed_at",
        "image_id",
        sqlite_where=text("sha256 IS NOT NULL"),
        postgresql_where=text("sha256 IS NOT NULL"),
    ),
)

evidence = Table(
    "evidence",
    metadata,
    Column("image_id", Text, primary_key=True),
    Column("stage", Text, primary_key=True),
    Column("fingerprint", Text, primary_key=True),
    Column("body", Json, nullable=False),
    Column("engine", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("revision", Text, nullable=False),
    Column("determinism", Text, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("created_at", Time, nullable=False),
)

likenesses = Table(  # what near duplicates are found by: a row per image and key
    "likenesses",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("landed_at", Time, primary_key=True),
    Column("image_id", Text, primary_key=True),
    Column("view", BigInteger, nullable=False),  # the hash that has the key
    sqlite_with_rowid=False,
)

events = Table(
    "events",
    metadata,
    Column("event_id", Serial, primary_key=True, autoincrement=True),
    Column("image_id", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("batch", Text, nullable=False),
    Column("at", Time, nullable=False),
    Column("kind", Text, nullable=False),
    Column("from_status", Text),
    Column("to_status", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("policy", Text),
    Column("fence", BigInteger, nullable=False),
    Column("changes", Json, nullable=False),
    Index(None, "image_id", "event_id"),
)

reviews = Table(
    "reviews",
    metadata,
    Column("image_id", Text, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("tenant", Text, nullable=False),
    Column("batch", Text, nullable=False),
    Column("at", Time, nullable=False),
    Column("who", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("evidence", Json, nullable=False),
    Column("policy", Text),
    Column("policy_verdict", Text),
    Column("sha256", Text),
    Column("request_id", Text, nullable=False),
)

review_claims = Table(  # for whom an image is kept; it means nothing once it is past
    "review_claims",
    metadata,
    Column("image_id", Text, primary_key=True),
    Column("who", Text, nullable=False),
    Column("until", Time, nullable=False),
)

locations = Table(
    "locations",
    metadata,
    Column("location", Text, primary_key=True),  # of a version other than the row's first
    Column("image_id", Text, ForeignKey("images.image_id"), nullable=False),
)

replays = Table(
    "replays",
    metadata,
    Column("replay_id", Text, primary_key=True),
    Column("batch", Text, primary_key=True),
    Column("stage", Text, primary_key=True),
    Column("at", Time, nullable=False),
    Column("rows", Integer, nullable=False),
)

policies = Table(
    "policies",
    metadata,
    Column("ref", Text, primary_key=True),
    Column("hash", Text, nullable=False),
    Column("document", Json, nullable=False),
    Column("published_at", Time, nullable=False),
)

regrades = Table(
    "regrades",
    metadata,
    Column("replay_id", Text, primary_key=True),
    Column("policy", Text, nullable=False),
    Column("tenants", Json, nullable=False),
    Column("since", Text, nullable=False),
    Column("until", Text, nullable=False),
    Column("started_at", Time, nullable=False),
    Column("reset_at", Time),
    Index(
        "ix_regrades_open",
        "replay_id",
        sqlite_where=text("reset_at IS NULL"),
        postgresql_where=text("reset_at IS NULL"),
    ),
)

releases = Table(
    "releases",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("release_id", Text, nullable=False),
    Column("selection", Json, nullable=False),
    Column("counts", Json, nullable=False),
    Column("images", BigInteger, nullable=False),
    Column("created_at", Time, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("attended_until", Time, nullable=False),
    Column("completed_at", Time),
    Column("files", BigInteger, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("sums", Text, nullable=False),
    Column("withdrawn_at", Time),
    Column("withdrawn_by", Text, nullable=False),
    Column("withdrawn_why", Text, nullable=False),
    Column("held", Json, nullable=False),
    Index(
        "ix_releases_open",
        "tenant",
        sqlite_where=text("completed_at IS NULL AND withdrawn_at IS NULL"),
        postgresql_where=text("completed_at IS NULL AND withdrawn_at IS NULL"),
    ),
)

withdrawals = Table(  # images that may not be passed on
    "withdrawals",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("sha256", Text, primary_key=True),
    Column("at", Time, nullable=False),
    Column("who", Text, nullable=False),
    Column("reason", Text, nullable=False),
)

uploads = Table(
    "uploads",
    metadata,
    Column("upload_id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("bucket", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("content_type", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("requested_at", Time, nullable=False),
    Column("expires_at", Time, nullable=False),
    Column("token_id", Text, nullable=False),
    Column("origin", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("due_at", Time),
    Column("settled_at", Time),
    Column("reason", Text, nullable=False),
    Column("image_id", Text),
    Index(
        "ix_uploads_due",
        "due_at",
        sqlite_where=text("due_at IS NOT NULL"),
        postgresql_where=text("due_at IS NOT NULL"),
    ),
)

tokens = Table(
    "tokens",
    metadata,
    Column("token_id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("hash", Text, nullable=False),
    Column("created_at", Time, nullable=False),
    Column("revoked_at", Time),
    Index("ix_tokens_tenant", "tenant"),
)

# What the platform must not forget about its own work: see `truth.records`.

declarations = Table(
    "declarations",
    metadata,
    Column("lane", Text, primary_key=True),
    Column("identity", Json, nullable=False),
    Column("at", Time, nullable=False),
)

identities = Table(
    "identities",
    metadata,
    Column("lane", Text, primary_key=True),
    Column("digest", Text, primary_key=True),
    Column("identity", Json, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("at", Time, nullable=False),
)

books = Table(
    "books",
    metadata,
    Column("run_id", Text, primary_key=True),
    Column("stage", Text, primary_key=True),
    Column("accounts", Json, nullable=False),
    Column("closed", Boolean, nullable=False),
    Column("at", Time, nullable=False),
)

ledgers = Table(
    "ledgers",
    metadata,
    Column("account", Text, primary_key=True),
    Column("amounts", Json, nullable=False),
    Column("folded", Json, nullable=False),
    Column("at", Time, nullable=False),
)

messages = Table(
    "messages",
    metadata,
    Column("message_id", Text, primary_key=True),
    Column("lane", Text, nullable=False),
    Column("stages", Json, nullable=False),
    Column("batches", Json, nullable=False),
    Column("regrade", Boolean, nullable=False),
    Column("sent_at", Time, nullable=False),
    Column("taken_at", Time),
)

holders = Table(
    "holders",
    metadata,
    Column("owner", Text, primary_key=True),
    Column("until", Time, nullable=False),
    Column("hand", Json, nullable=False),
)

regrade_holds = Table(
    "regrade_holds",
    metadata,
    Column("replay_id", Text, primary_key=True),
    Column("attended_at", Time, nullable=False),
    Column("hold_until", Time, nullable=False),
)

known_buckets = Table(
    "known_buckets",
    metadata,
    Column("bucket", Text, primary_key=True),
    Column("identity", Text, nullable=False),
    Column("adopted_at", Time, nullable=False),
)

bucket_sweeps = Table(
    "bucket_sweeps",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("after", Text, nullable=False),
    Column("began", Time, nullable=False),
    Column("at", Time, nullable=False),
    Column("departures", Boolean, nullable=False),
    Column("present", BigInteger, nullable=False),
    Column("missing", BigInteger, nullable=False),
    Column("first_missing", Json, nullable=False),
    Column("rest_after", Text),
    Column("hidden", Json, nullable=False),
)

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("source", Text, primary_key=True),
    Column("messages", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("example", Text, nullable=False),
    Column("first_at", Time, nullable=False),
    Column("last_at", Time, nullable=False),
)

departure_holds = Table(
    "departure_holds",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("missing", BigInteger, nullable=False),
    Column("present", BigInteger, nullable=False),
    Column("since", Time, nullable=False),
    Column("confirmed_at", Time),
)

reconciliations = Table(  # one row
    "reconciliations",
    metadata,
    Column("loop", Text, primary_key=True),
    Column("at", Time, nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("watching_since", Time, nullable=False),
    Column("totals", Json, nullable=False),
    Column("heard", Json, nullable=False),
)

preflights = Table(
    "preflights",
    metadata,
    Column("stage", Text, primary_key=True),
    Column("ok", Boolean, nullable=False),
    Column("engine", Text, nullable=False),
    Column("problem", Text, nullable=False),
    Column("identity", Json, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("at", Time, nullable=False),
    Column("since", Time),
    Column("times", Integer, nullable=False),
)

paces = Table(
    "paces",
    metadata,
    Column("stage", Text, primary_key=True),
    Column("seconds_per_row", Time, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("at", Time, nullable=False),
)

group_notes = Table(
    "group_notes",
    metadata,
    Column("lane", Text, primary_key=True),
    Column("group", Text, nullable=False),
    Column("desired", Integer, nullable=False),
    Column("in_service", Integer, nullable=False),
    Column("nothing_since", Time),
    Column("said", Text, nullable=False),
    Column("quiet_since", Time, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("at", Time, nullable=False),
)

heartbeats = Table(  # Belief: all of it may be deleted at any moment
    "heartbeats",
    metadata,
    Column("name", Text, primary_key=True),
    Column("at", Time, nullable=False),
    Column("payload", Json, nullable=False),
)
