"""What a server is asked about one picture, as payloads of chat completions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gpu_ops.vlm import description
from gpu_ops.vlm.categories import LETTERS
from gpu_ops.vlm.prompts import Prompt

TOP = 20  # tokens whose likelihood is asked for: the most that servers give
FIELD = "category"
BEGIN = f"The first field, {FIELD}, is the letter of the kind."
"""Said after both questions, where they are asked in one."""
AROUND_LETTER = 16
"""Tokens of the answer that the field with the letter takes."""
GREEDY: Mapping[str, float] = {
    "temperature": 0,
    "top_p": 1,
    "top_k": -1,
    "min_p": 0,
    "repetition_penalty": 1,
    "presence_penalty": 0,
    "frequency_penalty": 0,
    "seed": 0,
}
"""Always sent: what is not, vLLM and SGLang take from the checkpoint's generation_config.json."""


def whole(
    model: str, prompt: Prompt, order: Sequence[str], url: str, longest: int | None = None
) -> dict[str, Any]:
    """Kind and description in one: JSON by a schema, whose first field is the kind's letter.

    `longest` is how many tokens a question and its answer may have together, as the server says.
    vLLM cuts an answer to what is left of them, SGLang refuses a question that asks for more.
    """
    most = prompt.description.cap + AROUND_LETTER
    question = "\n".join([prompt.category_question(order), prompt.description.question, BEGIN])
    schema = {"name": "image", "schema": json_schema(len(order)), "strict": True}
    return {
        **_about(model, prompt, url, question),
        "max_tokens": min(most, longest // 2) if longest else most,
        "response_format": {"type": "json_schema", "json_schema": schema},
    }


def kind(model: str, prompt: Prompt, order: Sequence[str], url: str) -> dict[str, Any]:
    """The kind alone. One token, which no schema forces to be a letter."""
    return {**_about(model, prompt, url, prompt.category_question(order)), "max_tokens": 1}


def json_schema(letters: int) -> dict[str, Any]:
    """The schema of a description, after a first field that is one of the first letters."""
    schema = description.json_schema()
    field = {"type": "string", "enum": list(LETTERS[:letters])}
    return {
        **schema,
        "properties": {FIELD: field, **schema["properties"]},
        "required": [FIELD, *schema["required"]],
    }


def _about(model: str, prompt: Prompt, url: str, question: str) -> dict[str, Any]:
    # The system text and the picture come first in every question, so a server with a prefix
    # cache reads them once.
    return {
        "model": model,
        **GREEDY,
        "logprobs": True,
        "top_logprobs": TOP,
        "messages": [
            {"role": "system", "content": prompt.system},
            {
                "role": "user",
                "content": [
                    {"type": "image_url", "image_url": {"url": url}},
                    {"type": "text", "text": question},
                ],
            },
        ],
    }
