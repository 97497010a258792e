"""Batches by budget, and halves where memory does not suffice."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_ops.vlm.batching import batches, halving


@given(
    sizes=st.lists(st.integers(1, 500), max_size=40),
    extra=st.integers(0, 300),
    budget=st.integers(1, 4000),
)
def test_every_image_is_in_one_batch_and_no_batch_of_several_exceeds_the_budget(
    sizes: list[int], extra: int, budget: int
) -> None:
    found = list(batches(sizes, extra, budget))
    assert sorted(position for batch in found for position in batch) == list(range(len(sizes)))
    for batch in found:
        padded = len(batch) * (max(sizes[position] for position in batch) + extra)
        assert len(batch) == 1 or padded <= budget


def test_a_budget_that_has_room_is_used() -> None:
    assert len(list(batches([100] * 10, 0, 1000))) == 1


@given(items=st.lists(st.integers(), max_size=30), most=st.integers(1, 30))
def test_halving_keeps_the_order_and_answers_everything(items: list[int], most: int) -> None:
    def work(some: list[int]) -> list[int]:  # type: ignore[misc]
        if len(some) > most:
            raise MemoryError("too many")
        return [2 * item for item in some]

    relieved: list[None] = []
    found = halving(
        items,
        work,
        lambda e: isinstance(e, MemoryError),
        lambda: relieved.append(None),  # type: ignore[arg-type]
    )
    assert found == [2 * item for item in items]
    assert bool(relieved) == (len(items) > most)


def test_an_item_that_alone_is_too_much_gets_the_error_and_the_others_their_answers() -> None:
    def work(some):
        if 13 in some:
            raise MemoryError("unlucky")
        return list(some)

    found = halving([1, 13, 2], work, lambda e: isinstance(e, MemoryError), lambda: None)
    assert found[0::2] == [1, 2]
    assert isinstance(found[1], MemoryError)


def test_other_errors_go_through() -> None:
    def work(some):
        raise KeyError("a bug")

    with pytest.raises(KeyError):
        halving([1, 2], work, lambda e: isinstance(e, MemoryError), lambda: None)
