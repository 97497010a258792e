"""Pages that a process wrote are kept within bounds."""

from __future__ import annotations

from parjanya_dagster.truth.dynamo.shelf import Shelf


def test_the_oldest_pages_go_first() -> None:
    shelf = Shelf(most=10)
    shelf.put("a", b"1234")
    shelf.put("b", b"1234")
    shelf.put("a", b"1234")  # the same again: it counts once, and is the latest
    shelf.put("c", b"12")
    assert [shelf.get(name) for name in "abc"] == [b"1234", b"1234", b"12"]
    shelf.put("d", b"1")
    assert [shelf.get(name) for name in "abcd"] == [b"1234", None, b"12", b"1"]


def test_a_page_that_is_larger_than_the_shelf_is_not_kept() -> None:
    shelf = Shelf(most=3)
    shelf.put("a", b"1234")
    assert shelf.get("a") is None
    shelf.put("b", b"123")
    assert shelf.get("b") == b"123"
