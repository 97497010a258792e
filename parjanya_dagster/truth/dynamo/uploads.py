"""Promised uploads, and the tokens that may request them.

A pending upload is in the index of due work under a status that no image row has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain

from parjanya_dagster.errors import UnknownTenant
from parjanya_dagster.truth.dynamo import codec, keys
from parjanya_dagster.truth.dynamo.base import Base
from parjanya_dagster.truth.dynamo.codec import Item
from parjanya_dagster.truth.dynamo.keys import Key
from parjanya_dagster.truth.dynamo.wire import ABSENT, Put
from parjanya_dagster.truth.stages import Status
from parjanya_dagster.truth.storable import storable_text
from parjanya_dagster.truth.uploads import ARRIVED, EXPIRED, Token, UploadRow


class Uploading(Base):
    """The part of the store that keeps promised uploads and tokens."""

    def add_uploads(self, promised: Sequence[UploadRow]) -> None:
        puts = [Put(keys.upload(row.upload_id), _item(row), ABSENT) for row in promised]
        self.wire.each(self.wire.write, puts)

    def upload(self, upload_id: str) -> UploadRow | None:
        item = self.wire.get(keys.upload(upload_id))
        return codec.unpack(UploadRow, item) if item else None

    def uploads_named(self, upload_ids: Sequence[str]) -> dict[str, UploadRow]:
        items = self.wire.get_all(keys.upload(upload_id) for upload_id in upload_ids)
        rows = [codec.unpack(UploadRow, item) for item in items.values()]
        return {row.upload_id: row for row in rows}

    def uploads_due(self, now: float, limit: int = 200) -> list[UploadRow]:
        def read(shard: int) -> list[Key]:
            pk = keys.due(Status.PENDING_UPLOAD, shard)
            items = self.wire.query(pk, ("<=", now), index="due", most=limit)
            return [(item["pk"]["S"], item["sk"]["S"]) for item in items]

        waiting = chain.from_iterable(self.wire.each(read, range(keys.SHARDS)))
        rows = [codec.unpack(UploadRow, item) for item in self.wire.get_all(waiting).values()]
        due = [(row.due_at, row.upload_id, row) for row in rows if row.due_at is not None]
        due.sort(key=lambda upload: upload[:2])
        return [row for due_at, _, row in due if due_at <= now][:limit]

    def postpone_uploads(self, upload_ids: Sequence[str], due_at: float) -> None:
        items = self.wire.get_all(keys.upload(upload_id) for upload_id in upload_ids)
        rows = [codec.unpack(UploadRow, item) for item in items.values()]
        self.wire.each(
            self.wire.write,
            [
                Put(keys.upload(row.upload_id), _item(replace(row, due_at=due_at)),
                    {"status": row.status})
                for row in rows
                if row.due_at is not None
            ],
        )  # fmt: skip

    def upload_arrived(self, upload_id: str, image_id: str, now: float) -> bool:
        while (row := self.upload(upload_id)) is not None and row.status != ARRIVED:
            new = replace(row, status=ARRIVED, image_id=image_id, due_at=None, settled_at=now)
            if self._settle(row, new):
                return True
        return False

    def upload_expired(self, upload_id: str, reason: str, now: float) -> bool:
        row = self.upload(upload_id)
        if row is None or row.due_at is None:
            return False
        why = storable_text(reason)
        new = replace(row, status=EXPIRED, reason=why, due_at=None, settled_at=now)
        return self._settle(row, new)

    def _settle(self, row: UploadRow, new: UploadRow) -> bool:
        """Write an upload unless another has settled it since it was read. False: it has."""
        put = Put(keys.upload(row.upload_id), _item(new), {"status": row.status})
        return self.wire.write(put) is None

    def add_token(self, token: Token) -> None:
        if self.wire.get(keys.tenant(token.tenant)) is None:
            raise UnknownTenant.named(token.tenant)
        self.wire.transact(
            [
                Put(keys.token(token.token_id), codec.pack(token), ABSENT),
                Put(keys.token_of(token.tenant, token.token_id), {}),
            ]
        )

    def token(self, token_id: str) -> Token | None:
        item = self.wire.get(keys.token(token_id))
        return codec.unpack(Token, item) if item else None

    def tokens(self, tenant: str) -> list[Token]:
        listed = self.wire.query(keys.token_of(tenant, "")[0])
        items = self.wire.get_all(keys.token(codec.text(item, "sk")) for item in listed)
        tokens = [codec.unpack(Token, item) for item in items.values()]
        return sorted(tokens, key=lambda token: (token.created_at, token.token_id))

    def revoke_token(self, tenant: str, token_id: str, now: float) -> bool:
        token = self.token(token_id)
        if token is None or token.tenant != tenant or token.revoked_at is not None:
            return False
        new = codec.pack(replace(token, revoked_at=now))
        return self.wire.write(Put(keys.token(token_id), new, {"revoked_at": None})) is None


def _item(row: UploadRow) -> Item:
    """The item of an upload. It is in the index of due work while it waits."""
    waits = row.due_at is not None
    partition = keys.due(row.status, keys.shard(row.upload_id)) if waits else None
    return codec.pack(row) | codec.attributes({"due_pk": partition})
