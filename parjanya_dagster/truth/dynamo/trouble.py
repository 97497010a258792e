"""Which rows failed, and which are in trouble. Each query reads its own index."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime
from itertools import chain, islice

from parjanya_dagster.truth.dynamo import codec, keys
from parjanya_dagster.truth.dynamo.base import Base
from parjanya_dagster.truth.dynamo.codec import Item
from parjanya_dagster.truth.models import PRESENT, ImageRow
from parjanya_dagster.truth.stages import Status


class Trouble(Base):
    """The part of the store that lists failed and troubled rows."""

    def failed(
        self, tenant: str, failure_class: str, after: str = "", limit: int = 1000
    ) -> list[ImageRow]:
        where = (">", after) if after else None
        pk = keys.failed(tenant, failure_class)
        pages = self.wire.query(pk, where, index="failed")
        ids = (codec.text(item, "image_id") for item in pages)
        rows: list[ImageRow] = []
        while len(rows) < limit and (page := list(islice(ids, limit - len(rows)))):
            rows += [
                row
                for row in self._rows(page)
                if row.object_state == PRESENT
                and row.pipeline_status == Status.FAILED
                and row.failure_class == failure_class
            ]
        return rows

    def troubled(self, before: float, limit: int = 200) -> list[ImageRow]:
        def read(shard: int) -> list[Item]:
            where = ("<=", before)
            items = self.wire.query(str(shard), where, index="troubled", most=limit)
            return list(items)

        items = chain.from_iterable(self.wire.each(read, range(keys.SHARDS)))
        rows = self._rows(item["pk"]["S"].partition("#")[2] for item in items)
        still = [
            row
            for row in rows
            if row.due_at is not None
            and (row.retry_since is not None or row.suspect)
            and row.updated_at <= before
        ]
        return sorted(still, key=lambda row: row.updated_at)[:limit]

    def clock_skew(self) -> float | None:
        """From the date header of an answer, which is exact to half a second."""
        asked = time.time()
        answer = self.wire.call("get_item", Key={"pk": {"S": "schema"}, "sk": {"S": "schema"}})
        answered = time.time()
        date = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
        if not date:
            return None
        theirs = parsedate_to_datetime(date).timestamp() + 0.5
        return theirs - (asked + answered) / 2
