"""Writing: one token a row and step, over keys and values in memory of fixed shape.

A step launches some two thousand small kernels, and with shapes that grow it waits for each launch.
Here nothing changes its shape, so on CUDA the kernels are recorded once and replayed as one.
Works on tensors; knows nothing of pictures, grammars or text.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

USUAL = 192  # tokens of an answer that memory is made for at first; few are longer
ROUNDED = 128  # lengths are multiples of this, so that batches of like size share a recording


def length_for(tokens: int) -> int:
    """The length of memory that holds so many tokens."""
    return -(-tokens // ROUNDED) * ROUNDED


class Steps:
    """Memory for `rows` rows of at most `length` tokens, and the step that adds a token to each.

    It stands in for the library's cache: attention layers hand it their keys and values.
    """

    def __init__(self, model: Any, rows: int, length: int) -> None:
        import torch

        self._model = model
        text = model.config.get_text_config()
        size = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
        shape = (rows, text.num_key_value_heads, length, size)
        self.rows, self.length = rows, length
        self._text, self._head = model.base_model.language_model, model.get_output_embeddings()
        self._device = model.device
        kept = [
            [torch.zeros(shape, dtype=model.dtype, device=self._device) for _ in range(2)]
            for _ in range(text.num_hidden_layers)
        ]
        self._kept: Sequence[Sequence[Any]] = kept
        self._tokens = torch.zeros((rows, 1), dtype=torch.long, device=self._device)
        self._positions = torch.zeros((3, rows, 1), dtype=torch.long, device=self._device)
        self._place = torch.zeros(1, dtype=torch.long, device=self._device)
        self._mask = torch.zeros((rows, 1, 1, length), dtype=torch.bool, device=self._device)
        self._held = 0  # tokens in each row, as the host counts them
        self._warm = False
        self._recording: Any = None
        self._logits: Any = None

    def begin(self, cache: Any, seen: Any, positions: Any) -> None:
        """Go on from what was read.

        `cache` is the library's, `seen` bool (rows, 1, 1, tokens read): which of them a row's next
        token looks at. `positions` (rows) is where that token stands.
        """
        read = seen.shape[3]
        for (keys, values), layer in zip(self._kept, cache.layers, strict=True):
            for kept, new in ((keys, layer.keys), (values, layer.values)):
                kept[:, :, :read] = new
                kept[:, :, read:] = 0  # unseen, but 0 times what overflowed once is not 0
        self._mask.zero_()
        self._mask[..., :read] = seen
        self._positions[:] = positions[None, :, None]
        self._place.fill_(read)
        self._held = read

    @property
    def is_full(self) -> bool:
        """Whether no token more has room."""
        return self._held == self.length

    def onward(self, rows: Sequence[int], length: int) -> Steps:
        """Memory of that length, in which these rows go on where they stand."""
        import torch

        chosen, held = torch.tensor(rows, device=self._device), self._held
        longer = Steps(self._model, len(rows), length)
        for kept, more in zip(self._kept, longer._kept, strict=True):
            for old, new in zip(kept, more, strict=True):
                new[:, :, :held] = old[chosen, :, :held]
        longer._mask[..., :held] = self._mask[chosen, ..., :held]
        longer._positions[:] = self._positions[:, chosen]
        longer._place.fill_(held)
        longer._held = held
        return longer

    def __call__(self, tokens: Any) -> Any:
        """Add one token to each row. Returns logits (rows, vocabulary), until the next call."""
        import torch

        self._tokens.copy_(tokens[:, None])
        self._held += 1
        if self._recording is None and self._warm and self._device.type == "cuda":
            recording = torch.cuda.CUDAGraph()
            with torch.cuda.graph(recording):
                self._logits = self._step()
            self._recording = recording
        if self._recording is None:
            # The first step of its shape: libraries choose their kernels, which cannot be recorded.
            self._logits, self._warm = self._step(), True
        else:
            self._recording.replay()
        return self._logits

    def _step(self) -> Any:
        self._mask.index_fill_(3, self._place, True)
        hidden = self._text(
            inputs_embeds=self._text.embed_tokens(self._tokens),
            position_ids=self._positions,
            attention_mask=self._mask,
            past_key_values=self,
            use_cache=True,
        ).last_hidden_state[:, -1]
        self._positions.add_(1)
        self._place.add_(1)
        return self._head(hidden)

    def update(self, keys: Any, values: Any, layer: int, *_: Any, **__: Any) -> tuple[Any, Any]:
        """What an attention layer calls: keep what it adds, and look at everything kept."""
        all_keys, all_values = self._kept[layer]
        all_keys.index_copy_(2, self._place, keys)
        all_values.index_copy_(2, self._place, values)
        return all_keys, all_values


def told(tokens: Any) -> Callable[[], list[int]]:
    """Have tokens copied from the device; the returned function waits for them.

    Work that is launched in between runs meanwhile.
    """
    import torch

    if tokens.device.type != "cuda":
        known: list[int] = tokens.tolist()
        return lambda: known
    copy = torch.empty(tokens.shape, dtype=tokens.dtype, pin_memory=True)
    copy.copy_(tokens, non_blocking=True)
    arrived: Any = torch.cuda.Event()  # type: ignore[no-untyped-call]
    arrived.record()

    def wait() -> list[int]:
        arrived.synchronize()
        numbers: list[int] = copy.tolist()
        return numbers

    return wait
