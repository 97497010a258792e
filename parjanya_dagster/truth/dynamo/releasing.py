"""Releases of tenants' images, and images that were withdrawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from parjanya_dagster.errors import TruthUnavailable
from parjanya_dagster.truth.dynamo import codec, keys
from parjanya_dagster.truth.dynamo.base import ROUNDS, Base
from parjanya_dagster.truth.dynamo.wire import ABSENT, Add, Delete, Put
from parjanya_dagster.truth.releases import COMPLETE, WITHDRAWN, WRITING, Release, Withdrawal


class Releasing(Base):
    """The part of the store that keeps releases."""

    def begin_release(self, release: Release) -> Release:
        listed = codec.attributes(
            {"tenant": release.tenant, "name": release.name, "version": release.version}
        )
        self.wire.transact(
            [Put(_key(release), codec.pack(release), ABSENT), Put(_open(release), listed, ABSENT)]
        )
        return self._recorded(release)

    def find_release(self, tenant: str, name: str, version: int) -> Release | None:
        item = self.wire.get(keys.release(tenant, name, version))
        return codec.unpack(Release, item) if item else None

    def releases(self, tenant: str) -> list[Release]:
        pk, _ = keys.release(tenant, "", 0)
        return [codec.unpack(Release, item) for item in self.wire.query(pk)]

    def open_releases(self) -> list[Release]:
        wanted = [
            keys.release(
                codec.text(item, "tenant"), codec.text(item, "name"), codec.number(item, "version")
            )
            for item in self.wire.query(keys.OPEN_RELEASES)
        ]
        items = self.wire.get_all(wanted)
        known = [codec.unpack(Release, items[key]) for key in wanted if key in items]
        return [release for release in known if release.state == WRITING]

    def attend_release(self, release: Release, until: float) -> None:
        attended = codec.attributes({"attended_until": until})
        self.wire.write(Add(_key(release), {}, attended, {"state": WRITING}))

    def complete_release(
        self, release: Release, *, files: int, size: int, sums: str, now: float
    ) -> Release:
        ended = codec.attributes(
            {"state": COMPLETE, "files": files, "size": size, "sums": sums, "completed_at": now}
        )
        self.wire.transact(
            [Add(_key(release), {}, ended, {"state": WRITING}), Delete(_open(release))]
        )
        return self._recorded(release)

    def withdraw_release(
        self, release: Release, *, who: str, reason: str, held: Sequence[str], now: float
    ) -> Release:
        for _ in range(ROUNDS):
            known = self._recorded(release)
            values: dict[str, Any] = {"held": sorted({*known.held, *held})}
            if known.state != WITHDRAWN:
                values |= {"state": WITHDRAWN, "withdrawn_at": now, "withdrawn_by": who}
                values |= {"withdrawn_why": reason}
            new = replace(known, **{**values, "held": tuple(values["held"])})
            expected = {"state": known.state, "held": known.held}
            if not self.wire.transact(
                [Put(_key(release), codec.pack(new), expected), Delete(_open(release))]
            ):
                return new
        raise TruthUnavailable(f"The release {release.key} is changed by others all the time.")

    def withdraw_image(self, withdrawal: Withdrawal) -> Withdrawal:
        key = keys.withdrawal(withdrawal.tenant, withdrawal.sha256)
        there = self.wire.write(Put(key, codec.pack(withdrawal), ABSENT))
        return codec.unpack(Withdrawal, there) if there else withdrawal

    def withdrawals(self, tenant: str) -> dict[str, Withdrawal]:
        pk, _ = keys.withdrawal(tenant, "")
        found = [codec.unpack(Withdrawal, item) for item in self.wire.query(pk)]
        return {one.sha256: one for one in found}

    def _recorded(self, release: Release) -> Release:
        recorded = self.find_release(release.tenant, release.name, release.version)
        assert recorded is not None, "releases are never deleted"
        return recorded


def _key(release: Release) -> keys.Key:
    return keys.release(release.tenant, release.name, release.version)


def _open(release: Release) -> keys.Key:
    return keys.OPEN_RELEASES, f"{release.tenant}/{release.name}@{release.version:06d}"
