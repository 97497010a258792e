"""Processes that hold rows under long leases: an item for each."""

from __future__ import annotations

from parjanya_dagster.truth.dynamo import codec, keys
from parjanya_dagster.truth.dynamo.base import Base
from parjanya_dagster.truth.dynamo.wire import Delete
from parjanya_dagster.truth.records import Holder


class Holding(Base):
    """The part of the store that knows who holds rows."""

    def note_holder(self, holder: Holder) -> None:
        self.wire.put(keys.record(holder), codec.pack(holder))

    def holders(self) -> dict[str, Holder]:
        found = self.wire.query(keys.KINDS[Holder])
        return {one.owner: one for one in (codec.unpack(Holder, item) for item in found)}

    def drop_holder(self, holder: Holder) -> None:
        self.wire.write(Delete(keys.record(holder), {"until": holder.until}))
