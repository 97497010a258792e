"""Releases of tenants' images, and images that were withdrawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, and_, select, update

from parjanya_dagster.truth.releases import COMPLETE, WITHDRAWN, WRITING, Release, Withdrawal
from parjanya_dagster.truth.sql.engine import insert_if_new, reading, writing
from parjanya_dagster.truth.sql.mapping import Base, columns_of
from parjanya_dagster.truth.sql.schema import releases, withdrawals

_ORDER = (releases.c.tenant, releases.c.name, releases.c.version)


class Releasing(Base):
    """The part of the store that keeps releases."""

    def begin_release(self, release: Release) -> Release:
        values = {**columns_of(release), "held": list(release.held)}
        with writing(self.engine) as connection:
            connection.execute(insert_if_new(connection, releases), [values])
        return self._recorded(release)

    def find_release(self, tenant: str, name: str, version: int) -> Release | None:
        with reading(self.engine) as connection:
            row = connection.execute(select(releases).where(_is(tenant, name, version))).first()
        return _release_of(row) if row else None

    def releases(self, tenant: str) -> list[Release]:
        query = select(releases).where(releases.c.tenant == tenant).order_by(*_ORDER)
        with reading(self.engine) as connection:
            return [_release_of(row) for row in connection.execute(query)]

    def open_releases(self) -> list[Release]:
        query = select(releases).where(releases.c.completed_at.is_(None), _UNENDED)
        with reading(self.engine) as connection:
            return [_release_of(row) for row in connection.execute(query.order_by(*_ORDER))]

    def attend_release(self, release: Release, until: float) -> None:
        self._update(release, {"attended_until": until}, WRITING)

    def complete_release(
        self, release: Release, *, files: int, size: int, sums: str, now: float
    ) -> Release:
        ended = {"state": COMPLETE, "files": files, "size": size, "sums": sums, "completed_at": now}
        self._update(release, ended, WRITING)
        return self._recorded(release)

    def withdraw_release(
        self, release: Release, *, who: str, reason: str, held: Sequence[str], now: float
    ) -> Release:
        with writing(self.engine) as connection:
            query = select(releases).where(_is_this(release)).with_for_update()
            known = _release_of(connection.execute(query).one())
            values: dict[str, Any] = {"held": sorted({*known.held, *held})}
            if known.state != WITHDRAWN:
                values |= {"state": WITHDRAWN, "withdrawn_at": now, "withdrawn_by": who}
                values |= {"withdrawn_why": reason}
            connection.execute(update(releases).where(_is_this(release)).values(values))
        return self._recorded(release)

    def withdraw_image(self, withdrawal: Withdrawal) -> Withdrawal:
        with writing(self.engine) as connection:
            statement = insert_if_new(connection, withdrawals)
            connection.execute(statement, [columns_of(withdrawal)])
        return self.withdrawals(withdrawal.tenant)[withdrawal.sha256]

    def withdrawals(self, tenant: str) -> dict[str, Withdrawal]:
        query = select(withdrawals).where(withdrawals.c.tenant == tenant)
        with reading(self.engine) as connection:
            found = [Withdrawal(**row._mapping) for row in connection.execute(query)]
        return {one.sha256: one for one in found}

    def _update(self, release: Release, values: dict[str, Any], state: str) -> None:
        with writing(self.engine) as connection:
            where = and_(_is_this(release), releases.c.state == state)
            connection.execute(update(releases).where(where).values(values))

    def _recorded(self, release: Release) -> Release:
        recorded = self.find_release(release.tenant, release.name, release.version)
        assert recorded is not None, "releases are never deleted"
        return recorded


_UNENDED = releases.c.withdrawn_at.is_(None)


def _is(tenant: str, name: str, version: int) -> Any:
    return and_(releases.c.tenant == tenant, releases.c.name == name, releases.c.version == version)


def _is_this(release: Release) -> Any:
    return _is(release.tenant, release.name, release.version)


def _release_of(row: Row[Any]) -> Release:
    columns = dict(row._mapping)
    columns["held"] = tuple(columns["held"])  # JSON has no tuples
    return Release(**columns)
