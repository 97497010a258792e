"""Which tokens may come next, so that the model writes JSON of a schema (llguidance)."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any


class Grammar:
    """A JSON schema over a tokenizer. Building one takes about a second; `rows` are cheap.

    Raises ValueError where the schema cannot be turned into a grammar.
    """

    def __init__(self, schema: Mapping[str, Any], tokenizer: Any, vocabulary: int) -> None:
        import llguidance
        import llguidance.hf

        options: Any = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
        self._grammar = llguidance.LLMatcher.grammar_from_json_schema(
            json.dumps(schema), overrides=options
        )
        self._tokenizer = llguidance.hf.from_tokenizer(tokenizer, n_vocab=vocabulary)
        self._vocabulary, self._end = vocabulary, tokenizer.eos_token_id
        matcher = self._matcher()
        if matcher.is_error():
            raise ValueError(f"no grammar for the schema: {matcher.get_error()}")

    def _matcher(self) -> Any:
        import llguidance

        return llguidance.LLMatcher(self._tokenizer, self._grammar)

    def rows(self, count: int) -> Rows:
        """`count` answers that have not begun."""
        return Rows([self._matcher() for _ in range(count)], self._vocabulary, self._end)


class Rows:
    """The answers of a batch, each with its place in the grammar: a logits processor of one
    `generate`. An answer that is complete may only end.

    Raises ValueError where a token was written that the grammar does not allow.
    """

    def __init__(self, matchers: Sequence[Any], vocabulary: int, end: int) -> None:
        import llguidance

        self._matchers, self._vocabulary, self._end = matchers, vocabulary, end
        self._executor = llguidance.LLExecutor()
        self._begun = False

    def __call__(self, ids: Any, scores: Any) -> Any:
        """Scores (rows, vocabulary) of the next token after `ids` (rows, tokens); -inf where it is
        not allowed."""
        import torch

        if self._begun:
            for matcher, token in zip(self._matchers, ids[:, -1].tolist(), strict=True):
                if not matcher.is_stopped() and not matcher.consume_token(token):
                    raise ValueError(f"token {token} is not allowed here: {matcher.get_error()}")
        self._begun = True
        bits = torch.zeros((len(scores), (self._vocabulary + 31) // 32), dtype=torch.int32)
        going = [(one, at) for at, one in enumerate(self._matchers) if not one.is_stopped()]
        row = bits.shape[1] * 4
        if going:
            self._executor.unsafe_compute_mask_ptr(going, bits.data_ptr(), row, len(bits))
        # Unpacked on the device of the model, so only a 32nd of the bytes are copied.
        words = bits.to(scores.device)[:, :, None]
        places = torch.arange(32, device=scores.device, dtype=torch.int32)
        allowed = ((words >> places) & 1).reshape(len(bits), -1)[:, : self._vocabulary].bool()
        for at, matcher in enumerate(self._matchers):
            allowed[at, self._end] |= matcher.is_stopped()
        return scores.masked_fill(~allowed, -math.inf)
