"""The table's stream as hints: which batches got rows that wait for a stage.

Hints are Belief. They make the reconciler faster and cheaper. Only the index of due work is
authoritative. So a stream that is missing, closed, trimmed or throttled gives None: look at the
index. Rows also become due as time passes, which no stream tells.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from parjanya_dagster.errors import ParjanyaError
from parjanya_dagster.truth.dynamo.wire import Wire
from parjanya_dagster.truth.stages import WORKABLE

MOST_RECORDS, MOST_SECONDS = 50, 5.0
LOOK_AGAIN = 60.0  # seconds until a stream that could not be read is looked for again
PAGES = 4  # of one shard in one poll
_PENDING = frozenset(map(str, WORKABLE))


def crossed(record: Mapping[str, Any]) -> str | None:
    """The batch of a row that this record lets wait for another stage. None: no such row."""
    change = record["dynamodb"]
    if change["Keys"]["sk"]["S"] != "row" or "NewImage" not in change:
        return None
    status = change["NewImage"]["pipeline_status"]["S"]
    before = change.get("OldImage", {}).get("pipeline_status", {}).get("S")
    if status not in _PENDING or status == before or "lease_owner" in change["NewImage"]:
        return None  # who keeps a row for its next stage needs no run for it
    return str(change["NewImage"]["batch"]["S"])


@dataclass
class MicroBatch:
    """Collects batches until there are enough records, or the first has waited long enough."""

    most: int = MOST_RECORDS
    seconds: float = MOST_SECONDS
    batches: set[str] = field(default_factory=set)
    records: int = 0
    since: float | None = None

    def add(self, batch: str, now: float) -> None:
        self.batches.add(batch)
        self.records += 1
        self.since = now if self.since is None else self.since

    def take(self, now: float) -> frozenset[str]:
        """The collected batches, if there are enough or it is time. Otherwise empty."""
        if self.since is None or (self.records < self.most and now - self.since < self.seconds):
            return frozenset()
        taken = frozenset(self.batches)
        self.batches, self.records, self.since = set(), 0, None
        return taken


@dataclass
class Shard:
    """Our position in one shard."""

    iterator: str
    last: str = ""  # the sequence number of the last record that was read


class Stream:
    """Reads the stream of a table from now on. One per process. Not thread-safe."""

    def __init__(
        self,
        wire: Wire,
        client: Any,
        clock: Callable[[], float],
        collected: MicroBatch | None = None,
    ) -> None:
        self._wire, self._client, self._clock = wire, client, clock
        self._collected = collected or MicroBatch()
        self._arn = ""
        self._shards: dict[str, Shard] = {}
        self._finished: set[str] = set()
        self._again_at = float("-inf")

    def poll(self) -> frozenset[str] | None:
        """Batches with new work, once enough is collected. None: look at the index."""
        now = self._clock()
        if not self._arn:
            self._open(now)
            return None  # the stream has nothing from before
        missed = False
        try:
            for name in list(self._shards):
                missed |= self._read(name, now)
        except (BotoCoreError, ClientError) as error:
            if _code(error) == "ResourceNotFoundException":  # it was switched off, or replaced
                self._close(now)
            return None
        if not self._shards:
            self._close(now)
            return None
        return None if missed else self._collected.take(now)

    # --- shards ---

    def _read(self, name: str, now: float) -> bool:
        """Read the new records of a shard. True: some may have been missed."""
        shard = self._shards[name]
        for _ in range(PAGES):
            try:
                answer = self._client.get_records(ShardIterator=shard.iterator, Limit=1000)
            except ClientError as error:
                if _code(error) not in ("ExpiredIteratorException", "TrimmedDataAccessException"):
                    raise
                return self._reopen(name, _code(error))
            for record in answer["Records"]:
                shard.last = record["dynamodb"]["SequenceNumber"]
                if batch := crossed(record):
                    self._collected.add(batch, now)
            following = answer.get("NextShardIterator")
            if following is None:
                self._finish(name)
                return False
            shard.iterator = following
            if not answer["Records"]:
                break
        return False

    def _reopen(self, name: str, code: str) -> bool:
        """Go on in a shard whose iterator is lost. True: with a gap."""
        last = self._shards[name].last
        if code == "ExpiredIteratorException" and last:
            try:
                self._shards[name] = self._shard(name, "AFTER_SEQUENCE_NUMBER", last)
            except ClientError as error:
                if _code(error) != "TrimmedDataAccessException":  # even the last record is gone
                    raise
            else:
                return False
        self._shards[name] = self._shard(name, "TRIM_HORIZON")
        return True

    def _finish(self, name: str) -> None:
        """A closed shard is read to its end. Go on with its children, from their beginning."""
        del self._shards[name]
        self._finished.add(name)
        for described in self._described():
            child = described["ShardId"]
            if described.get("ParentShardId") in self._finished - {child} and not (
                child in self._shards or child in self._finished
            ):
                self._shards[child] = self._shard(child, "TRIM_HORIZON")

    def _open(self, now: float) -> None:
        if now < self._again_at:
            return
        self._again_at = now + LOOK_AGAIN
        try:
            table = self._wire.describe() or {}
            if not table.get("StreamSpecification", {}).get("StreamEnabled"):
                return
            self._arn = table["LatestStreamArn"]
            for described in self._described():
                if "EndingSequenceNumber" not in described["SequenceNumberRange"]:
                    self._shards[described["ShardId"]] = self._shard(described["ShardId"], "LATEST")
        except (BotoCoreError, ClientError, ParjanyaError):
            self._close(now)

    def _close(self, now: float) -> None:
        self._arn, self._again_at = "", now + LOOK_AGAIN
        self._shards.clear()
        self._finished.clear()

    def _described(self) -> list[dict[str, Any]]:
        shards: list[dict[str, Any]] = []
        asked: dict[str, Any] = {"StreamArn": self._arn}
        while True:
            answer = self._client.describe_stream(**asked)["StreamDescription"]
            shards += answer["Shards"]
            if not (last := answer.get("LastEvaluatedShardId")):
                return shards
            asked["ExclusiveStartShardId"] = last

    def _shard(self, name: str, where: str, after: str = "") -> Shard:
        asked = {"StreamArn": self._arn, "ShardId": name, "ShardIteratorType": where}
        if after:
            asked["SequenceNumber"] = after
        return Shard(self._client.get_shard_iterator(**asked)["ShardIterator"], after)


def _code(error: Exception) -> str:
    if isinstance(error, ClientError):
        return str(error.response["Error"]["Code"])
    return ""
