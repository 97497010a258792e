"""A prompt as tokens of one model: what stands before the picture, and what is asked after it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gpu_ops.vlm import categories
from gpu_ops.vlm.layout import split_trunk
from gpu_ops.vlm.prompts import Prompt


class UnfitModel(ValueError):
    """The model or its processor cannot be asked this way."""


@dataclass(frozen=True)
class Questions:
    """Token ids. Branches are the category in each order, after the description if it is asked."""

    prefix: list[int]
    trunk: list[int]
    branches: list[list[int]]
    orders: tuple[tuple[str, ...], ...]  # of the labels, one per category branch
    letters: list[int]  # the tokens A, B, …
    describes: bool  # the first branch asks for the description


def ask(processor: Any, prompt: Prompt, opening: Sequence[int] | None) -> Questions:
    """The prompt in a model's chat template. `opening` is how every description begins, None
    where none is asked. Raises UnfitModel where letters are not single tokens, or the template
    has no single place for the picture.
    """
    orders = categories.orders(prompt.labels, prompt.category.orders)
    rendered = [_rendered(processor, prompt, prompt.category_question(order)) for order in orders]
    if opening is not None:
        rendered.insert(0, _rendered(processor, prompt, prompt.description.question))
    befores = {before for before, _ in rendered}
    if len(befores) != 1:
        raise UnfitModel("the chat template puts the question before the picture")
    branches = [_tokens(processor, after) for _, after in rendered]
    letters = [
        _letter(processor, rendered[-1][1], branches[-1], letter)
        for letter in categories.LETTERS[: len(prompt.labels)]
    ]
    if opening is not None:
        branches[0] += opening
    trunk, branches = split_trunk(branches)
    prefix = _tokens(processor, befores.pop())
    return Questions(prefix, trunk, branches, orders, letters, opening is not None)


def _rendered(processor: Any, prompt: Prompt, question: str) -> tuple[str, str]:
    """The chat up to the picture, and from there to where the answer begins."""
    messages = [
        {"role": "system", "content": [{"type": "text", "text": prompt.system}]},
        {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": question}]},
    ]
    text = processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    parts = text.split(processor.image_token)
    if len(parts) != 2:
        raise UnfitModel(
            f"the chat template names {processor.image_token} {len(parts) - 1} times, not once"
        )
    return parts[0], parts[1]


def _tokens(processor: Any, text: str) -> list[int]:
    return list(processor.tokenizer(text, add_special_tokens=False)["input_ids"])


def _letter(processor: Any, text: str, tokens: list[int], letter: str) -> int:
    """The token that the letter is where the answer begins."""
    longer = _tokens(processor, text + letter)
    if longer[:-1] != tokens:
        raise UnfitModel(
            f"the letter {letter} is not one token after the question, so its likelihood "
            "cannot be read in one pass"
        )
    return longer[-1]
