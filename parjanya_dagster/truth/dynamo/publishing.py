"""Published policy versions. They are added, and never changed."""

from __future__ import annotations

from parjanya_dagster.truth.dynamo import codec, keys
from parjanya_dagster.truth.dynamo.base import Base
from parjanya_dagster.truth.dynamo.wire import ABSENT, Put
from parjanya_dagster.truth.models import Published
from parjanya_dagster.truth.publishing import check_same


class Publishing(Base):
    """The part of the store that keeps policy versions."""

    def publish(self, policy: Published) -> Published:
        self.wire.write(Put(keys.policy(policy.ref), codec.pack(policy), ABSENT))
        recorded = self.policy(policy.ref) or policy
        check_same(recorded, policy)
        return recorded

    def policy(self, ref: str) -> Published | None:
        item = self.wire.get(keys.policy(ref))
        return codec.unpack(Published, item) if item else None

    def policies(self) -> list[Published]:
        return [codec.unpack(Published, item) for item in self.wire.query("policies")]
