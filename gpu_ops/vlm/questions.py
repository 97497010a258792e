"""A prompt as one model reads it: its questions in the chat template."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gpu_ops.vlm import categories
from gpu_ops.vlm.prompts import Prompt


class UnfitModel(ValueError):
    """The model or its processor cannot be asked this way."""


@dataclass(frozen=True)
class Questions:
    """What a model reads about a picture, in its chat template, up to where the answer begins. Each
    names the picture once, by the processor's image token."""

    kinds: tuple[str, ...]  # the category, per order
    orders: tuple[tuple[str, ...], ...]  # of the labels
    letters: list[int]  # the tokens A, B, …
    description: str
    kind_tokens: int  # of one question about the kind, without what becomes of the picture
    description_tokens: int


def ask(processor: Any, prompt: Prompt) -> Questions:
    """The prompt in a model's chat template. Raises UnfitModel where letters are not single tokens,
    or the template has no single place for the picture.
    """
    orders = categories.orders(prompt.labels, prompt.category.orders)
    kinds = [_rendered(processor, prompt, prompt.category_question(order)) for order in orders]
    description = _rendered(processor, prompt, prompt.description.question)
    tokens = _tokens(processor, kinds[-1])
    letters = [
        _letter(processor, kinds[-1], tokens, letter)
        for letter in categories.LETTERS[: len(prompt.labels)]
    ]
    described = len(_tokens(processor, description))
    return Questions(tuple(kinds), orders, letters, description, len(tokens), described)


def _rendered(processor: Any, prompt: Prompt, question: str) -> str:
    messages = [
        {"role": "system", "content": [{"type": "text", "text": prompt.system}]},
        {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": question}]},
    ]
    text: str = processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    if (places := text.count(processor.image_token)) != 1:
        raise UnfitModel(
            f"the chat template names {processor.image_token} {places} times, not once"
        )
    return text


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
