"""What an operator asks: which rows failed, and which are in trouble. Each reads its own index."""

from __future__ import annotations

import time

from sqlalchemy import func, select, text

from parjanya_dagster.truth.models import PRESENT, ImageRow
from parjanya_dagster.truth.sql.engine import reading
from parjanya_dagster.truth.sql.mapping import Base, row_of
from parjanya_dagster.truth.sql.schema import FAILED, TROUBLED, images


class Trouble(Base):
    """The part of the store that lists failed and troubled rows."""

    def failed(
        self, tenant: str, failure_class: str, after: str = "", limit: int = 1000
    ) -> list[ImageRow]:
        query = (
            select(images)
            .where(
                images.c.tenant == tenant,
                images.c.failure_class == failure_class,
                text(FAILED),
                images.c.object_state == PRESENT,
                images.c.image_id > after,
            )
            .order_by(images.c.image_id)
            .limit(limit)
        )
        with reading(self.engine) as connection:
            return [row_of(row) for row in connection.execute(query)]

    def troubled(self, before: float, limit: int = 200) -> list[ImageRow]:
        query = (
            select(images)
            .where(text(TROUBLED), images.c.updated_at <= before)
            .order_by(images.c.updated_at)
            .limit(limit)
        )
        with reading(self.engine) as connection:
            return [row_of(row) for row in connection.execute(query)]

    def clock_skew(self) -> float | None:
        if self.engine.dialect.name != "postgresql":
            return None  # an embedded database has the clock of this process
        with reading(self.engine) as connection:
            asked = time.time()
            theirs = float(
                connection.scalar(select(func.extract("epoch", func.clock_timestamp()))) or 0.0
            )
            answered = time.time()
        return theirs - (asked + answered) / 2
