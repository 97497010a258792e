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
        self._vocabulary = vocabulary
        matcher = self._matcher()
        if matcher.is_error():
            raise ValueError(f"no grammar for the schema: {matcher.get_error()}")
        self.opening: list[int] = matcher.compute_ff_tokens()

    def _matcher(self) -> Any:
        import llguidance

        return llguidance.LLMatcher(self._tokenizer, self._grammar)

    def rows(self, count: int, device: Any) -> Rows:
        """`count` answers, each just begun, after `opening`: the tokens that all begin with."""
        matchers = [self._matcher() for _ in range(count)]
        for matcher in matchers:
            matcher.consume_tokens(self.opening)
        return Rows(matchers, self._executor, self._vocabulary, device)


class Rows:
    """The answers of a batch, each with its place in the grammar."""

    def __init__(
        self, matchers: Sequence[Any], executor: Any, vocabulary: int, device: Any
    ) -> None:
        import torch

        self._matchers, self._executor = matchers, executor
        self._vocabulary, self._device = vocabulary, device
        shape = (len(matchers), (vocabulary + 31) // 32)
        self._bits = torch.empty(shape, dtype=torch.int32, pin_memory=device.type == "cuda")

    def allowed(self, answers: Sequence[int | None]) -> Any:
        """bool (answers, vocabulary): the tokens that may come next in each of these.

        None stands for one that has ended: what it may write is of no account. The last mask must
        have been used before this is called again.
        """
        import torch

        words = self._bits.shape[1]
        some = self._bits[: len(answers)].fill_(-1)
        self._executor.unsafe_compute_mask_ptr(
            [(self._matchers[one], at) for at, one in enumerate(answers) if one is not None],
            some.data_ptr(),
            words * 4,
            len(answers),
        )
        # Unpacked on the device of the model, so only a 32nd of the bytes are copied.
        bits = some.to(self._device, non_blocking=True)
        places = torch.arange(32, device=self._device, dtype=torch.int32)
        spread = (bits[:, :, None] >> places) & 1
        return spread.reshape(len(bits), -1)[:, : self._vocabulary].bool()

    def take(self, row: int, token: int) -> bool:
        """Add a token to an answer. Return whether the answer is complete.

        Raises ValueError if the grammar does not allow the token.
        """
        matcher = self._matchers[row]
        if not matcher.consume_token(token):
            raise ValueError(f"token {token} is not allowed here: {matcher.get_error()}")
        return bool(matcher.is_accepting() or matcher.is_stopped())
