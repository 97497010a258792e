from __future__ import annotations

from collections.abc import Iterator

import pytest
from dagster import DagsterInstance

from parjanya_dagster.belief.keys import KeyOrder
from parjanya_dagster.belief.tags import PARTITIONS


@pytest.fixture
def instance() -> Iterator[DagsterInstance]:
    with DagsterInstance.ephemeral() as instance:
        yield instance


def test_keys_come_in_the_order_in_which_they_were_added(instance: DagsterInstance) -> None:
    order = KeyOrder(instance)
    assert order.read() == ()
    instance.add_dynamic_partitions(PARTITIONS, ["b", "a"])
    assert order.read() == ("b", "a")
    instance.add_dynamic_partitions(PARTITIONS, ["c"])
    assert order.read() == ("b", "a", "c")
    assert order.read() == tuple(instance.get_dynamic_partitions(PARTITIONS))


def test_a_list_that_was_wiped_is_read_anew(instance: DagsterInstance) -> None:
    order = KeyOrder(instance)
    instance.add_dynamic_partitions(PARTITIONS, ["a", "b"])
    order.read()
    for key in ("a", "b"):
        instance.delete_dynamic_partition(PARTITIONS, key)
    assert order.read() == ()
    instance.add_dynamic_partitions(PARTITIONS, ["b"])
    assert order.read() == ("b",)


def test_a_key_that_was_deleted_and_added_again_stands_last(instance: DagsterInstance) -> None:
    order = KeyOrder(instance)
    instance.add_dynamic_partitions(PARTITIONS, ["a", "b"])
    order.read()
    instance.delete_dynamic_partition(PARTITIONS, "a")
    instance.add_dynamic_partitions(PARTITIONS, ["a"])
    assert order.read() == ("b", "a")
