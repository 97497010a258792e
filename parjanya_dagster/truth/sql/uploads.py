"""Promised uploads, and the tokens that may request them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select, update

from parjanya_dagster.errors import UnknownTenant
from parjanya_dagster.truth.sql.engine import reading, writing
from parjanya_dagster.truth.sql.mapping import Base, chunks, columns_of, insert_rows
from parjanya_dagster.truth.sql.schema import tenants, tokens, uploads
from parjanya_dagster.truth.storable import storable_text
from parjanya_dagster.truth.uploads import ARRIVED, EXPIRED, Token, UploadRow


class Uploading(Base):
    """The part of the store that keeps promised uploads and tokens."""

    def add_uploads(self, promised: Sequence[UploadRow]) -> None:
        for chunk in chunks(promised):
            with writing(self.engine) as connection:
                rows = [columns_of(upload) for upload in chunk]
                insert_rows(connection, uploads, rows, if_new=True)

    def upload(self, upload_id: str) -> UploadRow | None:
        with reading(self.engine) as connection:
            query = select(uploads).where(uploads.c.upload_id == upload_id)
            row = connection.execute(query).first()
        return UploadRow(**row._mapping) if row else None

    def uploads_named(self, upload_ids: Sequence[str]) -> dict[str, UploadRow]:
        found: dict[str, UploadRow] = {}
        with reading(self.engine) as connection:
            for chunk in chunks(upload_ids):
                query = select(uploads).where(uploads.c.upload_id.in_(chunk))
                rows = (UploadRow(**row._mapping) for row in connection.execute(query))
                found.update({row.upload_id: row for row in rows})
        return found

    def uploads_due(self, now: float, limit: int = 200) -> list[UploadRow]:
        query = (
            select(uploads)
            .where(uploads.c.due_at.is_not(None), uploads.c.due_at <= now)
            .order_by(uploads.c.due_at, uploads.c.upload_id)
            .limit(limit)
        )
        with reading(self.engine) as connection:
            return [UploadRow(**row._mapping) for row in connection.execute(query)]

    def postpone_uploads(self, upload_ids: Sequence[str], due_at: float) -> None:
        for chunk in chunks(upload_ids):
            statement = update(uploads).where(
                uploads.c.upload_id.in_(chunk), uploads.c.due_at.is_not(None)
            )
            with writing(self.engine) as connection:
                connection.execute(statement.values(due_at=due_at))

    def upload_arrived(self, upload_id: str, image_id: str, now: float) -> bool:
        changes = {"status": ARRIVED, "image_id": image_id, "due_at": None, "settled_at": now}
        statement = update(uploads).where(
            uploads.c.upload_id == upload_id, uploads.c.status != ARRIVED
        )
        with writing(self.engine) as connection:
            return connection.execute(statement.values(changes)).rowcount > 0

    def upload_expired(self, upload_id: str, reason: str, now: float) -> bool:
        changes = {"status": EXPIRED, "reason": storable_text(reason), "due_at": None,
                   "settled_at": now}  # fmt: skip
        statement = update(uploads).where(
            uploads.c.upload_id == upload_id, uploads.c.due_at.is_not(None)
        )
        with writing(self.engine) as connection:
            return connection.execute(statement.values(changes)).rowcount > 0

    def add_token(self, token: Token) -> None:
        with writing(self.engine) as connection:
            known = select(tenants.c.slug).where(tenants.c.slug == token.tenant)
            if connection.execute(known).first() is None:
                raise UnknownTenant.named(token.tenant)
            insert_rows(connection, tokens, [columns_of(token)], if_new=True)

    def token(self, token_id: str) -> Token | None:
        with reading(self.engine) as connection:
            row = connection.execute(select(tokens).where(tokens.c.token_id == token_id)).first()
        return Token(**row._mapping) if row else None

    def tokens(self, tenant: str) -> list[Token]:
        query = (
            select(tokens)
            .where(tokens.c.tenant == tenant)
            .order_by(tokens.c.created_at, tokens.c.token_id)
        )
        with reading(self.engine) as connection:
            return [Token(**row._mapping) for row in connection.execute(query)]

    def revoke_token(self, tenant: str, token_id: str, now: float) -> bool:
        statement = update(tokens).where(
            tokens.c.token_id == token_id,
            tokens.c.tenant == tenant,
            tokens.c.revoked_at.is_(None),
        )
        with writing(self.engine) as connection:
            return connection.execute(statement.values(revoked_at=now)).rowcount > 0
