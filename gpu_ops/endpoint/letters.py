"""Reading one answered category question: the likelihood of each letter, or the letter alone."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from gpu_ops.vlm.categories import LETTERS


def log_likelihoods(choice: Mapping[str, Any], count: int) -> list[float] | None:
    """Log-likelihood of the first `count` letters as the first token of an answer.

    None if the server gives no log-probabilities. A letter that is not among the listed tokens is
    less likely than all of them. It gets the likelihood of the least listed one, which errs towards
    doubt.
    """
    listed = _listed(choice)
    if not listed:
        return None
    floor = min(value for _, value in listed)
    likelihoods = dict.fromkeys(LETTERS[:count], -math.inf)
    for token, value in listed:
        letter = token.strip()
        if letter in likelihoods:  # " A" and "A" are both A
            likelihoods[letter] = _log_add(likelihoods[letter], value)
    return [max(value, floor) for value in likelihoods.values()]


def mass(choice: Mapping[str, Any], count: int) -> float:
    """The probability that the server gives to one of the first `count` letters.

    Without log-probabilities: 1 where the answer is one of them, and 0 where it is not.
    """
    listed = _listed(choice)
    if not listed:
        return 0.0 if letter(choice, count) is None else 1.0
    return sum(math.exp(value) for token, value in listed if token.strip() in set(LETTERS[:count]))


def letter(choice: Mapping[str, Any], count: int) -> int | None:
    """The position of the letter that an answer is, or None where it is none."""
    text = str(choice["message"].get("content") or "").strip().rstrip(".):")
    return LETTERS.index(text) if len(text) == 1 and text in LETTERS[:count] else None


def shares(votes: Sequence[str | None], labels: Sequence[str]) -> dict[str, float]:
    """Label -> probability from the labels that were answered, one per order asked.

    Rule of succession: as if each label had been answered once more. An answer without its
    likelihood does not say how sure it is, so the result stays far from certain.
    """
    count = Counter(vote for vote in votes if vote is not None)
    total = sum(count.values()) + len(labels)
    return {label: (count[label] + 1) / total for label in labels}


def _listed(choice: Mapping[str, Any]) -> list[tuple[str, float]]:
    try:
        first = choice["logprobs"]["content"][0]
        tokens = [(str(entry["token"]), float(entry["logprob"])) for entry in first["top_logprobs"]]
    except (KeyError, IndexError, TypeError, ValueError):
        return []
    return [(token, value) for token, value in tokens if math.isfinite(value)]


def _log_add(a: float, b: float) -> float:
    if a == -math.inf:
        return b
    highest = max(a, b)
    return highest + math.log(math.exp(a - highest) + math.exp(b - highest))
