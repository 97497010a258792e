"""Reading Truth, and the few things that are not images: tenants, batches and heartbeats."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any

from parjanya_dagster.errors import UnknownTenant
from parjanya_dagster.truth.dynamo import codec, keys
from parjanya_dagster.truth.dynamo.base import Base
from parjanya_dagster.truth.dynamo.codec import Item
from parjanya_dagster.truth.dynamo.wire import ABSENT, READS, Add, Delete, Put
from parjanya_dagster.truth.models import (
    PRESENT,
    Heartbeat,
    ImageRow,
    PresentKey,
    Tenant,
    check_slug,
)

MOST_FOUND = 100  # rows of one key that `find` returns
_HEX = "0123456789abcdef"
_KEYS = 128
"""Keys that are read at once of each of 16 partitions: about 30 KB. A sweep that stops has read
half of them for nothing."""


class Reads(Base):
    """The part of the store that answers questions."""

    def put_tenant(self, tenant: Tenant) -> Tenant:
        check_slug(tenant.slug)
        there = self.wire.write(Put(keys.tenant(tenant.slug), codec.pack(tenant), ABSENT))
        return tenant if there is None else self.tenant(tenant.slug) or tenant

    def tenant(self, slug: str) -> Tenant | None:
        item = self.wire.get(keys.tenant(slug))
        return codec.unpack(Tenant, item) if item else None

    def tenants(self) -> list[Tenant]:
        return [codec.unpack(Tenant, item) for item in self.wire.query("tenants")]

    def pin(self, slug: str, policy: str) -> None:
        pinned = Add(keys.tenant(slug), {}, codec.attributes({"policy": policy}), {"slug": slug})
        if self.wire.write(pinned) is not None:
            raise UnknownTenant.named(slug)

    def get(self, image_id: str) -> ImageRow | None:
        return next(iter(self._rows([image_id])), None)

    def get_many(self, image_ids: Sequence[str]) -> dict[str, ImageRow]:
        return {row.image_id: row for row in self._rows(image_ids)}

    def find(self, key: str, tenant: str | None = None) -> list[ImageRow]:
        pages = self.wire.query(keys.named(key), index="named", backwards=True)
        ids = (item["pk"]["S"].partition("#")[2] for item in pages)
        rows: list[ImageRow] = []
        while len(rows) < MOST_FOUND and (page := list(islice(ids, READS))):
            rows += [
                row for row in self._rows(page) if row.key == key and tenant in (None, row.tenant)
            ]
        rows.sort(key=lambda row: (row.landed_at, row.arrived_at), reverse=True)
        return rows[:MOST_FOUND]

    def starting_with(
        self, prefix: str, tenant: str | None = None, limit: int = 20
    ) -> list[ImageRow]:
        if not prefix:
            return []
        slugs = [tenant] if tenant else [one.slug for one in self.tenants()]

        def listed(slug: str) -> list[str]:
            pk = keys.listed(slug, prefix)
            items = self.wire.query(pk, ("begins", prefix), index="listed", most=limit)
            return [codec.text(item, "image_id") for item in items]

        ids = heapq.merge(*self.wire.each(listed, slugs))
        rows = self._rows(islice(ids, limit))
        return [row for row in rows if row.object_state == PRESENT]

    def rows(self, batches: Sequence[str], after: str = "", limit: int = 1000) -> list[ImageRow]:
        """A member whose row was put into another batch is left out: who wrote it had died."""

        def members(batch: str) -> list[str]:
            pk, _ = keys.member(batch, "")
            where = (">", after) if after else None
            return [codec.text(item, "sk") for item in self.wire.query(pk, where, most=limit)]

        asked = list(dict.fromkeys(batches))
        found: list[ImageRow] = []
        while True:  # whoever gets fewer than the limit takes them for the last
            named = list(islice(heapq.merge(*self.wire.each(members, asked)), limit))
            rows = [row for row in self._rows(dict.fromkeys(named)) if row.batch in asked]
            found += rows[: limit - len(found)]
            if len(found) == limit or len(named) < limit:
                return found
            after = named[-1]

    def present(self, tenant: str, after: str = "", limit: int = 1000) -> list[ImageRow]:
        ids = self._listed(tenant, after)
        rows: list[ImageRow] = []
        while len(rows) < limit and (page := list(islice(ids, limit - len(rows)))):
            rows += [row for row in self._rows(page) if row.object_state == PRESENT]
        return rows

    def _listed(self, tenant: str, after: str) -> Iterator[str]:
        for first in _HEX:
            if first < after[:1]:
                continue
            where = (">", after) if first == after[:1] else None
            pk = keys.listed(tenant, first)
            for item in self.wire.query(pk, where, index="listed"):
                yield codec.text(item, "image_id")

    def present_keys(self, tenant: str, prefix: str, after: str = "") -> Iterator[PresentKey]:
        where = (">", after) if after >= prefix else (">=", prefix)

        def part(first: str) -> Iterator[Item]:
            items = self.wire.query(
                keys.listed(tenant, first),
                where if where[1] else None,
                index="by_key",
                page=_KEYS,
            )
            return chain(list(islice(items, 1)), items)  # so that all begin at the same time

        parts = self.wire.each(part, list(_HEX))
        for item in heapq.merge(*parts, key=lambda item: codec.text(item, "key")):
            if not codec.text(item, "key").startswith(prefix):
                return
            own = item["pk"]["S"].partition("#")[2]
            lying = codec.text(item, "lying") if "lying" in item else own
            yield PresentKey(codec.text(item, "key"), lying, own, lying != keys.UNSETTLED)

    def batches(self, tenant: str | None = None) -> list[str]:
        if tenant is None:
            return [codec.text(item, "batch") for item in self.wire.query("batches")]
        items = list(self.wire.query(f"tenant#{tenant}", ("begins", "batch#")))
        items.sort(key=lambda item: codec.number(item, "serial"))
        return [codec.text(item, "batch") for item in items]

    def stale_manifests(self) -> dict[str, int]:
        listed = self.wire.query("stale", index="stale")
        items = self.wire.get_all((item["pk"]["S"], item["sk"]["S"]) for item in listed)
        return {
            codec.text(item, "batch"): codec.number(item, "decided")
            for item in items.values()
            if codec.number(item, "decided") != codec.number(item, "manifest")
        }

    def decided(self, batch: str) -> int:
        return codec.number(self.wire.get(keys.batch(batch)) or {}, "decided")

    def manifest_written(self, batch: str, decided: int) -> None:
        while True:
            item = self.wire.get(keys.batch(batch))
            if item is None or codec.number(item, "manifest") >= decided:
                return
            known = codec.number(item, "decided")
            expect = {"decided": known, "manifest": codec.number(item, "manifest")}
            new = dict(item) | codec.attributes({"manifest": decided})
            if known == decided:
                new.pop("stale_pk", None)
            registered = {"registered": codec.number(item, "registered")}
            if self.wire.write(Put(keys.batch(batch), new, expect | registered)) is None:
                return

    def batch_marks(self) -> dict[str, str]:
        def marks(tenant: str) -> dict[str, str]:
            items = self.wire.query(f"tenant#{tenant}", ("begins", "batch#"))
            return {
                codec.text(item, "batch"): f"{codec.number(item, 'registered')}"
                f".{codec.number(item, 'decided')}"
                for item in items
            }

        tenants = [codec.text(item, "slug") for item in self.wire.query("tenants")]
        return {
            batch: mark for each in self.wire.each(marks, tenants) for batch, mark in each.items()
        }

    def beat(self, name: str, now: float, payload: Mapping[str, Any]) -> None:
        self.wire.put(keys.beat(name), codec.pack(Heartbeat(name, now, dict(payload))))

    def heartbeats(self, family: str = "") -> dict[str, Heartbeat]:
        items = self.wire.query(f"beats#{family}")
        return {beat.name: beat for beat in (codec.unpack(Heartbeat, item) for item in items)}

    def forget(self, names: Sequence[str]) -> None:
        self.wire.each(lambda name: self.wire.write(Delete(keys.beat(name))), names)
