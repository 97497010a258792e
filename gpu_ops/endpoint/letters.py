"""Reading answers about the kind: the likelihood of each letter, or the letter alone.

A letter is either the whole answer, or the first field of JSON. There it may share its token with
a quotation mark, and a schema forbids everything else: the letters' likelihoods then sum to one
whatever the model wanted to say.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from gpu_ops.endpoint.questions import FIELD
from gpu_ops.vlm.categories import LETTERS

Listed = Sequence[tuple[str, float]]
"""Letters (or what stood in the place of one) and their log-likelihoods; one may come twice."""

FORBIDDEN = -9000.0
"""vLLM writes -9999 for the -inf of a token that the schema forbids."""
_FIELD = re.compile(rf'"{FIELD}"\s*:\s*"')
_WHOLE_FIELD = re.compile(rf'"{FIELD}"\s*:\s*"([^"]*)"\s*,?\s*')
_THOUGHTS = "</think>"


def alone(choice: Mapping[str, Any]) -> Listed:
    """What was listed for the first token of an answer. Empty where nothing was."""
    tokens = _tokens(choice)
    # " A" and "A" are both A
    return [(text.strip(), value) for text, value in tokens[0][1]] if tokens else []


def in_json(choice: Mapping[str, Any]) -> Listed:
    """What was listed for the letter in the first field. Empty where there is no such field."""
    tokens = _tokens(choice)
    text = "".join(token for token, _ in tokens)
    field = _FIELD.search(text, max(0, text.rfind(_THOUGHTS)))
    if not field:
        return []
    began = 0
    for token, listed in tokens:
        if field.end() < began + len(token):
            before = token[: max(0, field.end() - began)]  # such as the quotation mark
            rests = [(t[len(before) :], v) for t, v in listed if t.startswith(before)]
            return [(_leading(rest), value) for rest, value in rests if rest]
        began += len(token)
    return []


def log_likelihoods(listed: Listed, count: int) -> list[float] | None:
    """Log-likelihood of the first `count` letters. None if nothing is listed.

    A letter that is not among the listed tokens is less likely than all of them. It gets the
    likelihood of the least listed one, which errs towards doubt.
    """
    if not listed:
        return None
    floor = min(value for _, value in listed)
    likelihoods = dict.fromkeys(LETTERS[:count], -math.inf)
    for letter, value in listed:
        if letter in likelihoods:
            likelihoods[letter] = _log_add(likelihoods[letter], value)
    return [max(value, floor) for value in likelihoods.values()]


def mass(choice: Mapping[str, Any], count: int) -> float:
    """The probability that an answer without a schema is one of the first `count` letters.

    Without log-probabilities: 1 where the answer is one of them, and 0 where it is not.
    """
    listed = alone(choice)
    if not listed:
        return 0.0 if letter(choice, count) is None else 1.0
    return sum(math.exp(value) for token, value in listed if token in set(LETTERS[:count]))


def letter(choice: Mapping[str, Any], count: int) -> int | None:
    """The position of the letter that an answer is or begins with, or None where it is none."""
    said = content(choice)
    field = _WHOLE_FIELD.search(said, max(0, said.rfind(_THOUGHTS)))
    text = (field[1] if field else said).strip().rstrip(".):")
    return LETTERS.index(text) if len(text) == 1 and text in LETTERS[:count] else None


def content(choice: Mapping[str, Any]) -> str:
    """What the model said, or why it refused to."""
    return str(choice["message"].get("content") or choice["message"].get("refusal") or "")


def without_letter(said: str) -> str:
    """JSON without the field of the letter, and without blanks that only filled it up."""
    field = _WHOLE_FIELD.search(said, max(0, said.rfind(_THOUGHTS)))
    return (said[: field.start()] + said[field.end() :] if field else said).strip()


def shares(votes: Sequence[str | None], labels: Sequence[str]) -> dict[str, float]:
    """Label -> probability from the labels that were answered, one per order asked.

    Rule of succession: as if each label had been answered once more. An answer without its
    likelihood does not say how sure it is, so the result stays far from certain.
    """
    count = Counter(vote for vote in votes if vote is not None)
    total = sum(count.values()) + len(labels)
    return {label: (count[label] + 1) / total for label in labels}


def _leading(text: str) -> str:
    """The letter that a token begins with: of `A`, `A"` and `A",`, but not of `Also`."""
    return text if len(text) > 1 and text[1].isalnum() else text[:1]


def _tokens(choice: Mapping[str, Any]) -> list[tuple[str, list[tuple[str, float]]]]:
    """Each token of an answer, with the tokens that were listed in its place."""
    try:
        return [
            (
                str(token["token"]),
                [
                    (str(entry["token"]), float(entry["logprob"]))
                    for entry in token["top_logprobs"]
                    if math.isfinite(entry["logprob"]) and entry["logprob"] > FORBIDDEN
                ],
            )
            for token in choice["logprobs"]["content"]
        ]
    except (KeyError, TypeError, ValueError):
        return []


def _log_add(a: float, b: float) -> float:
    if a == -math.inf:
        return b
    highest = max(a, b)
    return highest + math.log(math.exp(a - highest) + math.exp(b - highest))
