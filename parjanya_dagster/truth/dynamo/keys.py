"""The keys of items, and the index attributes of a row. Pure.

There is one table. What must be consistent is read by key. Indexes lag a moment behind, so they
only give candidates, which are then read by key and checked again.

| item | pk | sk |
|---|---|---|
| image row | `image#id` | `row` |
| events and evidence of some images | `page#name` | `n` |
| decisions of people on it | `image#id` | `review#n` |
| for whom it is kept | `image#id` | `review_claim` |
| a later version of an image | `location#id` | `location` |
| rows of a batch | `batch#key` | image id |
| present version of a key | `key#hash` | `present` |
| batches, oldest first | `batches` | serial |
| counters of a batch | `tenant#slug` | `batch#day#number` |
| counters of a tenant | `tally#slug#shard` | `tally` |
| rows decided under a policy | `decided#slug` | policy and batch |
| rows that a regrade wants | `targeted` | batch |
| what was filed for likeness | `filings#slug` | number of the page |
| the same before version 4 | `like#slug#key` | arrival and image id |
| its events before version 5 | `image#id` | `event#n` |
| its evidence before version 5 | `image#id` | `evidence#stage#fingerprint` |
| parts of that, if large | `part#sha256` | `n` |
| its decisions under a policy, likewise | `image#id` | `under#hash` |
| releases, and withdrawn images | `releases#slug`, `withdrawals#slug` | name and version, sha256 |
| releases that are being written | `open_releases` | tenant, name and version |
| promised uploads, tokens | `upload#id`, `token#id` | `upload`, `token` |
| tokens of a tenant | `tokens#slug` | token id |
| tenants, policies, beats, … | `tenants`, `policies`, `beats#family` | name |
| what `truth.records` has | `declarations`, `ledgers`, … | what the record is of |
"""

from __future__ import annotations

import hashlib
import zlib
from typing import Any

from parjanya_dagster.truth import records
from parjanya_dagster.truth.models import PRESENT, ImageRow, parse_batch
from parjanya_dagster.truth.registration import settled
from parjanya_dagster.truth.stages import Status

SHARDS = 4
"""Partitions that the rows of one index key are spread over, so that none gets hot."""
GROUPS = 16
"""Partitions that work and leases are spread over, batch by batch. A partition key takes 1,000
write units a second, and a stage writes two for a row: it comes, and it is taken."""
TALLIES = 8  # items that count a tenant's rows

# index -> its partition key, its sort key, and what else it repeats
INDEXES: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "queue": ("queue_pk", "queue_sk", ()),  # what waits for a stage and is in nobody's hands
    "due": ("due_pk", "due_at", ("batch",)),  # uploads; and what waited before version 4
    "work": ("work_pk", "due_at", ()),  # nothing since version 4; CloudFormation changes one a time
    "leased": ("lease_pk", "lease_until", ("lease_owner", "tenant", "batch")),
    "troubled": ("trouble_pk", "updated_at", ()),
    "named": ("key_pk", "landed_at", ()),  # rows by the key of their object
    "listed": ("list_pk", "image_id", ()),  # a tenant's present rows
    "by_key": ("list_pk", "key", ("lying",)),  # the same, in the order of keys
    "failed": ("fail_pk", "image_id", ()),
    "twins": ("twin_pk", "twin_sk", ()),
    "review": ("review_pk", "review_sk", ()),  # a tenant's images that wait for a person
    "stale": ("stale_pk", "batch", ()),  # batches whose manifest is out of date
}

Key = tuple[str, str]
SCHEMA: Key = ("schema", "schema")
"""What tells the version of the table."""

KINDS: dict[type[Any], str] = {
    records.Declaration: "declarations",
    records.Identified: "identities",
    records.RunBook: "books",
    records.Ledger: "ledgers",
    records.SentMessage: "messages",
    records.Holder: "holders",
    records.RegradeHold: "regrade_holds",
    records.Reconciliation: "reconciliations",
    records.PreflightVerdict: "preflights",
    records.StagePace: "paces",
    records.GroupNote: "group_notes",
    records.KnownBucket: "known_buckets",
    records.BucketSweep: "bucket_sweeps",
    records.DepartureHold: "departure_holds",
    records.DeadLetters: "dead_letters",
}
"""The partition of each kind of record. They are few, and read whole."""

UNSETTLED = "-"
"""Stands for the version of a row whose object was missing: seeing it again changes something."""
OPEN_RELEASES = "open_releases"
"""The partition of pointers to releases that are being written."""
LAST = "last"  # the name of a record of which there is one


def image(image_id: str) -> Key:
    return f"image#{image_id}", "row"


def location(version_id: str) -> Key:
    """What says of which image a version is another location."""
    return f"location#{version_id}", "location"


def evidence(image_id: str, stage: str, fingerprint: str) -> Key:
    return f"image#{image_id}", f"evidence#{stage}#{fingerprint}"


def under(image_id: str, policy_hash: str) -> Key:
    return f"image#{image_id}", f"under#{policy_hash}"


def review(image_id: str, number: int) -> Key:
    return f"image#{image_id}", f"review#{number:06d}"


def review_claim(image_id: str) -> Key:
    return f"image#{image_id}", "review_claim"


def page(name: str, number: int) -> Key:
    return f"page#{name}", f"{number:04d}"


def part(digest: str, number: int) -> Key:
    return f"part#{digest}", f"{number:04d}"


def member(batch: str, image_id: str) -> Key:
    return f"batch#{batch}", image_id


def present(bucket: str, key: str) -> Key:
    return f"key#{_hash(f'{bucket}/{key}')}", "present"


def batch(key: str) -> Key:
    tenant, day, number = parse_batch(key)
    return f"tenant#{tenant}", f"batch#{day}#{number:06d}"


def serial(number: int) -> Key:
    return "batches", f"{number:012d}"


def tally(batch_key: str) -> Key:
    tenant, _, _ = parse_batch(batch_key)
    return f"tally#{tenant}#{zlib.crc32(batch_key.encode()) % TALLIES}", "tally"


def tallies(tenant: str) -> list[Key]:
    return [(f"tally#{tenant}#{shard}", "tally") for shard in range(TALLIES)]


def decided(row: ImageRow) -> Key:
    return f"decided#{row.tenant}", f"{row.policy} {row.batch}"


def targeted(batch_key: str) -> Key:
    return "targeted", batch_key


def filing(tenant: str, number: int) -> Key:
    return f"filings#{tenant}", f"{number:010d}"


def like(tenant: str, key: str) -> str:
    return f"like#{tenant}#{key}"


def tenant(slug: str) -> Key:
    return "tenants", slug


def policy(ref: str) -> Key:
    return "policies", ref


def beat(name: str) -> Key:
    return f"beats#{family(name)}", name


def family(name: str) -> str:
    return name.partition(":")[0] if ":" in name else ""


def record(record: Any) -> Key:
    """The key of a record of `truth.records`: its kind, and what the record is of."""
    match record:
        case records.Declaration() | records.GroupNote():
            name = record.lane
        case records.Identified():
            name = f"{record.lane}/{record.digest}"
        case records.RunBook():
            name = record.name
        case records.Ledger():
            name = record.account
        case records.SentMessage():
            return message(record.message_id)
        case records.Holder():
            name = record.owner
        case records.RegradeHold():
            return hold(record.replay_id)
        case records.PreflightVerdict():
            return preflight(record.stage)
        case records.StagePace():
            name = record.stage
        case records.KnownBucket():
            name = record.bucket
        case records.DeadLetters():
            return dead_letters(record.source)
        case records.BucketSweep():
            return sweep(record.tenant)
        case records.DepartureHold():
            return departure_hold(record.tenant)
        case records.Reconciliation():
            name = LAST
        case _:
            raise TypeError(f"{record!r} is no record.")
    return KINDS[type(record)], name


def message(message_id: str) -> Key:
    return "messages", message_id


def dead_letters(source: str) -> Key:
    return "dead_letters", source


def sweep(tenant: str) -> Key:
    return "bucket_sweeps", tenant


def departure_hold(tenant: str) -> Key:
    return "departure_holds", tenant


def hold(replay_id: str) -> Key:
    return "regrade_holds", replay_id


def preflight(stage: str) -> Key:
    return "preflights", stage


def replay(replay_id: str, batch_key: str, stage: str) -> Key:
    return f"replay#{replay_id}", f"{batch_key}#{stage}"


def regrade(replay_id: str) -> Key:
    return f"regrade#{replay_id}", "regrade"


def release(tenant_: str, name: str, version: int) -> Key:
    return f"releases#{tenant_}", f"{name}@{version:06d}"


def withdrawal(tenant_: str, sha256: str) -> Key:
    return f"withdrawals#{tenant_}", sha256


def upload(upload_id: str) -> Key:
    return f"upload#{upload_id}", "upload"


def token(token_id: str) -> Key:
    return f"token#{token_id}", "token"


def token_of(tenant_: str, token_id: str) -> Key:
    return f"tokens#{tenant_}", token_id


def shard(image_id: str) -> int:
    return zlib.crc32(image_id.encode()) % SHARDS


def due(status: str, shard_: int) -> str:
    return f"{status}#{shard_}"


def group(batch_key: str) -> str:
    """The partition of a batch's work. Batches that follow each other are in different ones."""
    tenant_, day, number = parse_batch(batch_key)
    return str((zlib.crc32(f"{tenant_}/{day}".encode()) + number) % GROUPS)


def groups() -> list[str]:
    return [str(number) for number in range(GROUPS)]


def line(status: str, batch_key: str, suspect: bool) -> str:
    """What the sort keys of rows begin with that wait for the same, in the order of their time."""
    return f"{status} {batch_key} {'suspect' if suspect else 'calm'} "


def suspects(line_: str) -> str:
    """The line of the same rows after a crash. It lies right behind."""
    return line(*line_of(line_), suspect=True)


def queued(row: ImageRow, due_at: float) -> str:
    return line(row.pipeline_status, row.batch, row.suspect) + moment(due_at)


def moment(at: float) -> str:
    """Sorts as times do. Nanoseconds are finer than a float of today's times."""
    return f"{max(at, 0.0):021.9f}"


def waits(queue_sk: str) -> tuple[str, float]:
    """The line of a sort key of the queue, and when the row is due."""
    start, _, at = queue_sk.rpartition(" ")
    return f"{start} ", float(at)


def line_of(line_: str) -> tuple[str, str]:
    """The status and the batch of a line."""
    status, batch_key, _ = line_.split(" ", 2)
    return status, batch_key


def behind(line_: str) -> str:
    """Sorts after everything in a line, and before every other line that follows it."""
    return f"{line_.rstrip(' ')}!"


def listed(tenant_: str, image_id: str) -> str:
    """The partition of a tenant's present rows by the first character of their ids."""
    return f"{tenant_}#{image_id[:1]}"


def lying(row: ImageRow) -> str | None:
    """The id of the version that lies there. None: it is the row's own, as of almost all rows."""
    if not settled(row, row.location):
        return UNSETTLED
    return row.location if row.location != row.image_id else None


def failed(tenant_: str, failure_class: str) -> str:
    return f"{tenant_}#{failure_class}"


def named(key: str) -> str:
    return _hash(key)


def twin(tenant_: str, sha256: str) -> str:
    return f"{tenant_}#{sha256}"


def arrival(row: ImageRow) -> str:
    """Sorts as (landed_at, image_id) does."""
    return f"{moment(row.landed_at)}#{row.image_id}"


def places(row: ImageRow) -> dict[str, Any]:
    """The index attributes of a row. None: the row is not in that index."""
    is_present = row.object_state == PRESENT
    waiting = row.due_at is not None
    leased = row.lease_owner is not None
    troubled = waiting and (row.retry_since is not None or row.suspect)
    is_failed = row.pipeline_status == Status.FAILED and is_present and row.failure_class
    part = shard(row.image_id)
    return {
        "queue_pk": group(row.batch) if row.due_at is not None and not leased else None,
        "queue_sk": queued(row, row.due_at) if row.due_at is not None and not leased else None,
        "lease_pk": group(row.batch) if leased else None,
        "trouble_pk": str(part) if troubled else None,
        "key_pk": named(row.key),
        "list_pk": listed(row.tenant, row.image_id) if is_present else None,
        "lying": lying(row) if is_present else None,
        "fail_pk": failed(row.tenant, str(row.failure_class)) if is_failed else None,
        "twin_pk": twin(row.tenant, row.sha256) if row.sha256 and is_present else None,
        "twin_sk": arrival(row) if row.sha256 and is_present else None,
        "review_pk": row.tenant if row.waits_for_person else None,
        "review_sk": arrival(row) if row.waits_for_person else None,
    }


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:40]
