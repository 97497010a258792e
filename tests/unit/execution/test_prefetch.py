"""The next thing is begun while the last is being dealt with; order and errors keep their place.

Waits are for events and have a generous end, so a slow machine only makes them slow.
"""

from __future__ import annotations

import threading
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor

import pytest

from parjanya_dagster.execution.prefetch import each_ahead, one_ahead

PATIENCE = 600.0


def counted(begun: list[int], most: int) -> Generator[int, None, None]:
    for number in range(most):
        begun.append(number)
        yield number


def test_items_keep_their_order() -> None:
    assert list(one_ahead(counted([], 50))) == list(range(50))


def test_the_next_item_is_made_while_the_caller_holds_the_last() -> None:
    second = threading.Event()

    def items() -> Generator[str, None, None]:
        yield "first"
        second.set()
        yield "second"

    found = one_ahead(items())
    assert next(found) == "first"
    assert second.wait(PATIENCE)
    assert list(found) == ["second"]


def test_an_error_comes_after_the_items_before_it() -> None:
    def items() -> Generator[int, None, None]:
        yield 1
        raise KeyError("broken")

    found = one_ahead(items())
    assert next(found) == 1
    with pytest.raises(KeyError, match="broken"):
        next(found)


def test_closed_early_it_makes_no_further_items_and_leaves_no_thread() -> None:
    begun: list[int] = []
    found = one_ahead(counted(begun, 10_000))
    assert next(found) == 0
    found.close()  # type: ignore[attr-defined]
    made = len(begun)
    assert made < 10
    assert not any(thread.name == "ahead" for thread in threading.enumerate())
    assert len(begun) == made


def test_results_are_in_order_and_no_more_are_begun_than_the_window() -> None:
    held: list[int] = []
    most = 0
    lock = threading.Lock()

    def work(number: int) -> int:
        nonlocal most
        with lock:
            held.append(number)
            most = max(most, len(held))
        return number

    with ThreadPoolExecutor(8) as pool:
        for number in each_ahead(pool, work, range(100), 5):
            with lock:
                assert number in held
                held.remove(number)
    assert held == []
    assert most <= 6  # the window, and the one that the caller has


def test_an_error_of_one_item_is_raised_in_its_place() -> None:
    def work(number: int) -> int:
        return 1 // (number - 2)

    with ThreadPoolExecutor(2) as pool:
        found = each_ahead(pool, work, range(5), 3)
        assert [next(found), next(found)] == [-1, -1]
        with pytest.raises(ZeroDivisionError):
            next(found)
