"""Many comparisons at once, on the cores that decoders have.

Comparing is many small steps of Python, so threads would wait for one another. The decoders of a
`DecoderPool` have nothing to do when images are compared, and are processes. They compute what
`first_alike` does, so it is the same wherever it is computed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .child import ChildDied, DeadlinePassed
from .errors import MediaError
from .pool import DecoderPool
from .resemblance import first_alike

Asked = tuple[Mapping[str, Any], Sequence[Mapping[str, Any]]]
"""What `likeness` recorded of an image, and of others it is compared with in their order."""
Found = tuple[int, bool] | None
"""As `first_alike` returns."""

FEW = 40  # comparisons that are made here: about a fifth of a second
TOGETHER = 20  # comparisons that a child is asked for at once
MOST = 500  # comparisons of one image that a child is asked for: seconds, and 4 MB


def compared(asked: Sequence[Asked]) -> list[Found]:
    """`first_alike` of each, in order, in this thread."""
    return [first_alike(*each) for each in asked]


def compared_beside(pool: DecoderPool, asked: Sequence[Asked]) -> list[Found]:
    """The same, by the children of a pool if they were started, and if it is no little work.

    What a child does not answer, because it died or was too slow, is compared here. So nothing is
    lost, and nothing raised that `compared` would not raise.
    """
    if not pool.started or sum(len(others) for _, others in asked) <= FEW:
        return compared(asked)
    found = pool.map(lambda part: _compared_by_child(pool, part), list(_parts(asked)))
    return [one for part in found for one in part]


def _compared_by_child(pool: DecoderPool, asked: Sequence[Asked]) -> list[Found]:
    if len(asked[0][1]) > MOST:
        return compared(asked)
    told = [[_shown(one), [*map(_shown, others)]] for one, others in asked]
    try:
        answer, _ = pool.exchange({"compare": told}, [])
        return _checked(answer.get("found"), asked)
    except (ChildDied, DeadlinePassed, MediaError, ValueError):
        return compared(asked)


def _parts(asked: Sequence[Asked]) -> Iterator[list[Asked]]:
    """In order, each of at least `TOGETHER` comparisons but the last, and of one image or more."""
    part: list[Asked] = []
    left = TOGETHER
    for each in asked:
        if part and (left <= 0 or len(each[1]) > MOST):
            yield part
            part, left = [], TOGETHER
        part.append(each)
        left -= len(each[1])
    if part:
        yield part


def _shown(seen: Mapping[str, Any]) -> dict[str, Any]:
    """What is compared, without the hashes."""
    return {name: seen[name] for name in ("thumbnail", "content") if name in seen}


def _checked(found: Any, asked: Sequence[Asked]) -> list[Found]:
    """An answer of a child, of which nothing is trusted. Raises ValueError."""
    if not isinstance(found, list) or len(found) != len(asked):
        raise ValueError("there is not one answer for each image")
    for one, (_, others) in zip(found, asked, strict=True):
        match one:
            case None:
                continue
            case [int(place), bool()] if 0 <= place < len(others):
                continue
        raise ValueError("an answer is none")
    return [None if one is None else (one[0], one[1]) for one in found]
