"""Attention of the vision tower over many packed pictures or windows at once.

The library's own `sdpa` calls the kernel once per picture, and with windows once per window: a
thousand small calls per layer. Here those of equal length go into one call.
"""

from __future__ import annotations

import math
from typing import Any

# The library hands whole packed sequences only to implementations whose name holds "flash".
NAME = "flash_by_length"


def install(model: Any) -> None:
    """Make a loaded model's vision tower use `by_length`. The text goes on with `sdpa`.

    Set on the configuration afterwards: while a model is built, every name with "flash" in it is
    taken for a package to import or to download.
    """
    from transformers import AttentionInterface

    AttentionInterface.register(NAME, by_length)
    model.base_model.visual.config._attn_implementation = NAME


def by_length(
    module: Any,
    query: Any,
    key: Any,
    value: Any,
    attention_mask: Any = None,
    *,
    scaling: float,
    cu_seq_lens_q: Any,
    **_: Any,
) -> tuple[Any, None]:
    """Attention within each packed sequence.

    `query`, `key`, `value` are (1, heads, tokens, size); `cu_seq_lens_q` are the sequences' bounds,
    (sequences + 1). Returns (1, tokens, heads, size).
    """
    import torch
    from torch.nn.functional import scaled_dot_product_attention

    if query.device.type == "cuda" and query.dtype in (torch.bfloat16, torch.float16):
        from torch.nn.attention.varlen import varlen_attn

        assert math.isclose(scaling, query.shape[-1] ** -0.5)  # all that its first versions know
        bounds, longest = _bounds(cu_seq_lens_q)
        q, k, v = (tensor[0].transpose(0, 1).contiguous() for tensor in (query, key, value))
        attended: Any = varlen_attn(q, k, v, bounds, bounds, longest, longest)
        return attended[None], None
    output = torch.empty_like(query[0].transpose(0, 1))  # (tokens, heads, size)
    tokens = [tensor[0].transpose(0, 1) for tensor in (query, key, value)]
    for length, places in _places(cu_seq_lens_q).items():
        # (sequences, heads, length, size)
        q, k, v = (tensor[places].unflatten(0, (-1, length)).transpose(1, 2) for tensor in tokens)
        seen = scaled_dot_product_attention(q, k, v, scale=scaling)
        output[places] = seen.transpose(1, 2).flatten(0, 1)
    return output[None], None


def _bounds(bounds: Any) -> tuple[Any, int]:
    """The bounds as the kernel wants them, and the longest length. Stored with the bounds."""
    import torch

    kept = getattr(bounds, "_bounds_and_longest", None)
    if kept is None:
        kept = (bounds.to(torch.int32), int((bounds[1:] - bounds[:-1]).max()))
        bounds._bounds_and_longest = kept
    return kept


def _places(bounds: Any) -> dict[int, Any]:
    """Length -> the positions of all tokens that are in sequences of that length.

    The layers of one pass share their bounds, so the answer is stored with the bounds.
    """
    import torch

    kept = getattr(bounds, "_places_by_length", None)
    if kept is None:
        starts = bounds[:-1].tolist()
        lengths = (bounds[1:] - bounds[:-1]).tolist()
        by_length: dict[int, list[int]] = {}
        for start, length in zip(starts, lengths, strict=True):
            if length:
                by_length.setdefault(length, []).append(start)
        kept = {
            length: (
                torch.tensor(first)[:, None] + torch.arange(length)
            ).flatten().to(bounds.device)
            for length, first in by_length.items()
        }  # fmt: skip
        bounds._places_by_length = kept
    return kept
