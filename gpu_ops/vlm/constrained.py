"""Which tokens may come next, so that the model writes JSON of a schema (llguidance)."""

from __future__ import annotations

import json
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
        self._executor = llguidance.LLExecutor()
        self._words = (vocabulary + 31) // 32
        self._vocabulary = vocabulary
        matcher = self._matcher()
        if matcher.is_error():
            raise ValueError(f"no grammar for the schema: {matcher.get_error()}")
        self.opening: list[int] = matcher.compute_ff_tokens()

    def _matcher(self) -> Any:
        import llguidance

        return llguidance.LLMatcher(self._tokenizer, self._grammar)

    def rows(self, count: int) -> Rows:
        """`count` answers, each just begun, after `opening`: the tokens that all begin with."""
        matchers = [self._matcher() for _ in range(count)]
        for matcher in matchers:
            matcher.consume_tokens(self.opening)
        return Rows(matchers, self._executor, self._words, self._vocabulary)


class Rows:
    """The answers of a batch, each with its place in the grammar."""

    def __init__(self, matchers: Sequence[Any], executor: Any, words: int, vocabulary: int) -> None:
        self._matchers = matchers
        self._executor = executor
        self._words = words
        self._vocabulary = vocabulary

    def allowed(self, rows: Sequence[int], device: Any) -> Any:
        """bool (rows, vocabulary): the tokens that may come next in each of these answers."""
        import numpy as np
        import torch

        bits = np.zeros((len(rows), self._words), dtype=np.int32)
        self._executor.unsafe_compute_mask_ptr(
            [(self._matchers[row], position) for position, row in enumerate(rows)],
            bits.ctypes.data,
            self._words * 4,
            len(rows),
        )
        # Unpacked on the device of the model, so only a 32nd of the bytes are copied.
        words = torch.from_numpy(bits).to(device, non_blocking=True)
        spread = (words[:, :, None] >> torch.arange(32, device=device, dtype=torch.int32)) & 1
        return spread.reshape(len(rows), -1)[:, : self._vocabulary].bool()

    def take(self, row: int, token: int) -> bool:
        """Add a token to an answer. Return whether the answer is complete.

        Raises ValueError if the grammar does not allow the token.
        """
        matcher = self._matchers[row]
        if not matcher.consume_token(token):
            raise ValueError(f"token {token} is not allowed here: {matcher.get_error()}")
        return bool(matcher.is_accepting() or matcher.is_stopped())
