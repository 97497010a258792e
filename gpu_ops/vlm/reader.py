"""A loaded model that answers all questions about a batch of pictures.

One forward pass reads pictures and questions. The prefix that all share was read once, when the
model was loaded. What is written goes on from the same cache. Works on pictures and tokens; knows
nothing of evidence. Greedy: nothing is drawn at random.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpu_ops.torchvision_cure import cure
from gpu_ops.vlm import attention, description, kernels
from gpu_ops.vlm.constrained import Grammar, Rows
from gpu_ops.vlm.layout import Layout, lay_out
from gpu_ops.vlm.pictures import Picture
from gpu_ops.vlm.prompts import Prompt
from gpu_ops.vlm.questions import UnfitModel, ask
from gpu_ops.vlm.steps import USUAL, Steps, length_for, told


@dataclass(frozen=True)
class Answer:
    """What the model said of one picture."""

    letters: list[list[float]]  # log-likelihood of each letter, per order of the labels
    written: str | None  # the description as written, None where none was asked


class Reader:
    """Loads in its constructor. Raises OSError or UnfitModel where the folder does not do.

    Not safe to use from several threads at once.
    """

    def __init__(self, folder: Path, prompt: Prompt, *, describe: bool, device: str) -> None:
        cure()
        import torch
        import transformers
        import transformers.utils.logging

        library: Any = transformers  # it leaves much without types
        library.utils.logging.disable_progress_bar()
        self.device = torch.device(device)
        self.processor = library.AutoProcessor.from_pretrained(folder, local_files_only=True)
        self.model = library.AutoModelForImageTextToText.from_pretrained(
            folder,
            dtype="auto",
            local_files_only=True,
            use_safetensors=True,
            attn_implementation="sdpa",
        )
        self.model.eval().to(self.device)
        self.dtype = self.model.dtype
        self._bind(prompt, describe)

    @classmethod
    def around(cls, model: Any, processor: Any, prompt: Prompt, *, describe: bool) -> Reader:
        """A reader of a model that is in memory already (random weights, for a benchmark)."""
        self = cls.__new__(cls)
        self.device, self.dtype = model.device, model.dtype
        self.model, self.processor = model, processor
        self._bind(prompt, describe)
        return self

    def asking(self, prompt: Prompt, *, describe: bool) -> Reader:
        """A reader of the same model with other questions."""
        return Reader.around(self.model, self.processor, prompt, describe=describe)

    def _bind(self, prompt: Prompt, describe: bool) -> None:
        text = self.model.config.get_text_config()
        if any(kind != "full_attention" for kind in getattr(text, "layer_types", None) or ()):
            raise UnfitModel("models with sliding windows cannot answer branched questions")
        attention.install(self.model)
        kernels.align(self.model)
        kernels.fuse_norms(self.model)
        self._kept: Steps | None = None
        self._head = self.model.get_output_embeddings()
        vocabulary = self._head.weight.shape[0]
        schema = description.json_schema()
        tokenizer = self.processor.tokenizer
        self._grammar = Grammar(schema, tokenizer, vocabulary) if describe else None
        opening = self._grammar.opening if self._grammar else None
        self.questions = ask(self.processor, prompt, opening)
        self._opening = opening or []
        self._most = prompt.description.cap
        self._prefix = self._read_prefix()

    @property
    def tokens_besides_picture(self) -> int:
        """What each row holds beside its picture and the shared prefix, a usual answer included."""
        asked = len(self.questions.trunk) + sum(len(b) for b in self.questions.branches)
        return asked + (self._usual if self.questions.describes else 0)

    @property
    def _usual(self) -> int:
        return min(self._most, USUAL)

    def answer(self, pictures: Sequence[Picture]) -> list[Answer]:
        """Answer every question about each picture, in order."""
        import torch

        questions = self.questions
        with torch.inference_mode():
            layout = lay_out(
                [picture.tokens for picture in pictures],
                prefix=len(questions.prefix),
                trunk=questions.trunk,
                branches=questions.branches,
                picture=self.model.config.image_token_id,
                padding=self.processor.tokenizer.pad_token_id,
            )
            hidden, cache = self._read(pictures, layout)
            first = 1 if questions.describes else 0
            asked = hidden[:, list(layout.ends[first:])]
            logits = self._head(asked).float()
            whole = logits.logsumexp(-1, keepdim=True)
            letters = (logits[..., questions.letters] - whole).tolist()
            written: Sequence[str | None] = [None] * len(pictures)
            if self._grammar:
                written = self._write(hidden[:, layout.ends[0]], layout, cache)
        return [Answer(*pair) for pair in zip(letters, written, strict=True)]

    def _read_prefix(self) -> list[tuple[Any, Any]]:
        """Keys and values of the shared prefix, per layer, of shape (1, heads, tokens, size)."""
        import torch

        tokens = torch.tensor([self.questions.prefix], device=self.device)
        with torch.inference_mode():
            cache = self._forward(tokens, torch.arange(tokens.shape[1]).expand(3, 1, -1), None,
                                  self._empty()).past_key_values  # fmt: skip
        return [(layer.keys, layer.values) for layer in cache.layers]

    def _read(self, pictures: Sequence[Picture], layout: Layout) -> tuple[Any, Any]:
        """Hidden states (rows, columns, size), and the cache with the prefix before the columns."""
        import torch

        cache = self._empty()
        for number, (keys, values) in enumerate(self._prefix):
            shape = (len(pictures), -1, -1, -1)
            cache.update(keys.expand(shape), values.expand(shape), number)
        output = self._forward(
            layout.tokens.to(self.device, non_blocking=True),
            layout.positions,
            layout.mask,
            cache,
            pixel_values=torch.cat(
                [picture.patches.to(self.device, non_blocking=True) for picture in pictures]
            ),
            image_grid_thw=torch.tensor([picture.grid for picture in pictures]).to(self.device),
        )
        return output.last_hidden_state, cache

    def _write(self, hidden: Any, layout: Layout, cache: Any) -> list[str]:
        """Go on from the description branch, the likeliest allowed token each time."""
        assert self._grammar
        rows, _, columns, _ = layout.mask.shape
        end = layout.ends[0]
        # The category branches come after and are seen by nobody: they are dropped.
        cache.crop(end + 1 - columns)
        seen = layout.mask[:, :, end : end + 1, : len(self.questions.prefix) + end + 1]
        read = seen.shape[3]
        longest = length_for(read + self._most - len(self._opening))
        steps = self._steps(rows, min(longest, length_for(read + self._usual)))
        steps.begin(cache, seen.to(self.device), layout.next_position[:, 0].to(self.device))
        answers = self._grammar.rows(rows, self.device)
        written = [list(self._opening) for _ in range(rows)]
        self._go_on(steps, range(rows), self._head(hidden), answers, written, longest)
        texts: list[str] = self.processor.tokenizer.batch_decode(
            written, skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return texts

    def _go_on(
        self,
        steps: Steps,
        rows: Sequence[int],
        logits: Any,
        answers: Rows,
        written: Sequence[list[int]],
        longest: int,
    ) -> None:
        """Write the answers `rows`, which stand in `steps`, until each has ended or has all the
        tokens it may have. `logits` are of their next token."""
        going: list[int | None] = list(rows)
        count = len(written[rows[0]])
        while True:
            # Computed while the device is still busy with the logits.
            allowed = answers.allowed(going)
            chosen = logits.masked_fill(~allowed, -math.inf).argmax(-1)
            tokens = told(chosen)
            count += 1
            is_full = steps.is_full
            if count < self._most and not is_full:  # begun before anything here knows the tokens
                logits = steps(chosen)
            arrived = tokens()
            for place, row in enumerate(going):
                if row is not None:
                    written[row].append(arrived[place])
                    if answers.take(row, arrived[place]):
                        going[place] = None
            left = [place for place, row in enumerate(going) if row is not None]
            if not left or count == self._most:
                return
            if is_full:
                break
        # Few are this long. Half as many rows, in memory twice as long, need no more of it.
        half = -(-steps.rows // 2)
        for start in range(0, len(left), half):
            some = left[start : start + half]
            longer = steps.onward(some, min(longest, 2 * steps.length))
            rows = [row for place in some if (row := going[place]) is not None]
            self._go_on(longer, rows, longer(chosen[some]), answers, written, longest)

    def _steps(self, rows: int, length: int) -> Steps:
        """Those of the last batch, where its shape was the same."""
        if self._kept is None or (self._kept.rows, self._kept.length) != (rows, length):
            self._kept = None  # freed before as much is taken again
            self._kept = Steps(self.model, rows, length)
        return self._kept

    def release(self) -> None:
        """Free the memory that is kept from one batch to the next."""
        self._kept = None

    def _forward(self, tokens: Any, positions: Any, mask: Any, cache: Any, **pictures: Any) -> Any:
        return self.model.base_model(
            input_ids=tokens,
            position_ids=positions.to(self.device, non_blocking=True),
            attention_mask=None if mask is None else mask.to(self.device, non_blocking=True),
            past_key_values=cache,
            use_cache=True,
            **pictures,
        )

    def _empty(self) -> Any:
        from transformers import DynamicCache

        return DynamicCache(config=self.model.config.get_text_config())
