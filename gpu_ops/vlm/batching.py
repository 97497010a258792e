"""Batches by what they cost, not by how many images they hold. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def batches(sizes: Sequence[int], extra: int, budget: int) -> Iterator[list[int]]:
    """Positions of images in batches whose padded tokens stay within a budget.

    `sizes` are tokens per image, `extra` what each row has besides. Images of like size go
    together, so little is padded; the largest come first, so that memory that does not suffice
    shows at once. An image that alone exceeds the budget is a batch of its own.
    """
    batch: list[int] = []
    for position in sorted(range(len(sizes)), key=lambda i: -sizes[i]):
        # The first of a batch is its largest: every row is padded to it.
        if batch and (len(batch) + 1) * (sizes[batch[0]] + extra) > budget:
            yield batch
            batch = []
        batch.append(position)
    if batch:
        yield batch


def halving(
    items: Sequence[T],
    work: Callable[[Sequence[T]], Sequence[R]],
    too_much: Callable[[BaseException], bool],
    relieve: Callable[[], None],
) -> list[R | MemoryError]:
    """`work` on all items; where memory does not suffice, on halves, and so on down to one.

    `too_much` tells an error of memory from others; `relieve` frees what can be freed. An item that
    alone is too much gets a MemoryError for a result. Raises whatever else `work` raises.
    """
    try:
        return list(work(items))
    except Exception as error:
        if not too_much(error):
            raise
        reason = str(error)
    # Outside of the handler: the error's traceback holds the memory of the attempt.
    relieve()
    if len(items) == 1:
        return [MemoryError(f"one image alone needs more memory than there is: {reason}")]
    half = len(items) // 2
    return [
        *halving(items[:half], work, too_much, relieve),
        *halving(items[half:], work, too_much, relieve),
    ]
