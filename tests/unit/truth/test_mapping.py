"""The tables and the dataclasses say the same."""

from __future__ import annotations

import pytest
from sqlalchemy import Table

from parjanya_dagster.truth.models import Event, Evidence, Heartbeat, ImageRow, Tenant
from parjanya_dagster.truth.sql import schema


@pytest.mark.parametrize(
    ("table", "shape", "own"),
    [
        (schema.images, ImageRow, []),
        (schema.evidence, Evidence, []),
        (schema.events, Event, ["event_id"]),
        (schema.tenants, Tenant, []),
        (schema.heartbeats, Heartbeat, []),
    ],
)
def test_columns_are_the_fields_in_their_order(table: Table, shape: type, own: list[str]) -> None:
    fields = list(shape.__slots__)  # type: ignore[attr-defined]
    assert [column.name for column in table.columns] == [*own, *fields]
