"""One row per image: the picture once, then every question as a branch blind to the others.

    shared prefix | padding, picture, trunk | branch 1 | branch 2 | …

Each branch continues the trunk, as if it were asked alone, so one forward pass answers all of
them. Works on lengths and grids; knows nothing of models or tokenizers. The picture is padded on
its left, so branches stand in the same columns in every row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Layout:
    """Where everything stands. Columns count from the end of the shared prefix."""

    tokens: Any  # int64 (rows, columns): padding, picture placeholders, trunk, branches
    positions: Any  # int64 (3, rows, columns): time, height and width for the rotary embedding
    mask: Any  # bool (rows, 1, columns, prefix + columns): who may look at whom
    ends: tuple[int, ...]  # column of each branch's last token
    next_position: Any  # int64 (rows, branches): position of the token after each branch


def split_trunk(branches: Sequence[Sequence[int]]) -> tuple[list[int], list[list[int]]]:
    """The tokens that all branches begin with, and what each has left (at least one token)."""
    trunk: list[int] = []
    shortest = min(len(branch) for branch in branches)
    while len(trunk) < shortest - 1 and len({branch[len(trunk)] for branch in branches}) == 1:
        trunk.append(branches[0][len(trunk)])
    return trunk, [list(branch[len(trunk) :]) for branch in branches]


def lay_out(
    grids: Sequence[tuple[int, int]],
    *,
    prefix: int,
    trunk: Sequence[int],
    branches: Sequence[Sequence[int]],
    picture: int,
    padding: int,
) -> Layout:
    """Lay out rows of pictures.

    `grids` are (height, width) of each picture in tokens, `prefix` the tokens of the shared prefix;
    `picture` and `padding` are token ids.
    """
    import torch

    rows, widest = len(grids), max(height * width for height, width in grids)
    tail = [*trunk, *(token for branch in branches for token in branch)]
    columns = widest + len(tail)
    tokens = torch.full((rows, columns), picture)
    tokens[:, widest:] = torch.tensor(tail)
    positions = torch.zeros((3, rows, columns), dtype=torch.long)
    real = torch.ones((rows, columns), dtype=torch.bool)

    # How far past the picture each token of the tail stands, and to which branch it belongs.
    steps = [*range(len(trunk)), *(len(trunk) + i for b in branches for i in range(len(b)))]
    segments = [0] * (widest + len(trunk))
    for number, branch in enumerate(branches, 1):
        segments += [number] * len(branch)
    after = torch.empty(rows, dtype=torch.long)
    for row, (height, width) in enumerate(grids):
        start = widest - height * width
        tokens[row, :start] = padding
        real[row, :start] = False
        positions[0, row, start:widest] = prefix
        positions[1, row, start:widest] = prefix + torch.arange(height).repeat_interleave(width)
        positions[2, row, start:widest] = prefix + torch.arange(width).repeat(height)
        after[row] = prefix + max(height, width)
    positions[:, :, widest:] = after[:, None] + torch.tensor(steps)

    segment = torch.tensor(segments)
    below = torch.ones((columns, columns), dtype=torch.bool).tril()
    seen = below & ((segment == 0)[None, :] | (segment[None, :] == segment[:, None]))
    own = seen & real[:, None, :]  # (rows, columns, columns)
    # Padding looks at the prefix, so that no row of the softmax is empty.
    mask = torch.cat([torch.ones((rows, columns, prefix), dtype=torch.bool), own], 2)

    ends, column = [], widest + len(trunk) - 1
    for branch in branches:
        column += len(branch)
        ends.append(column)
    lengths = torch.tensor([len(trunk) + len(branch) for branch in branches])
    return Layout(tokens, positions, mask[:, None], tuple(ends), after[:, None] + lengths)
