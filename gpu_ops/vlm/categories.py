"""From the likelihoods of letters to probabilities of labels. Pure arithmetic, no model.

A model asked "A photo, B screenshot, …?" favours some letters whatever the picture. So where that
can matter it is asked in several orders. Over a full set of orders each label stands at each letter
once, so a letter's bias adds the same amount to every label and cancels. Orders start from the
sorted labels, so the order in which a caller lists labels changes nothing.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
SURE = 0.9
"""A kind that is less probable is asked for in the other orders too."""
SAMPLE = 32
"""So is one picture of this many, by its bytes, whatever the answer was."""


def orders(labels: Sequence[str], count: int | None = None) -> tuple[tuple[str, ...], ...]:
    """`count` orders of the labels (all of them by default): rows of a Williams square.

    In the whole square each label stands at each place once and, for an even number of labels,
    follows each other label once. Raises ValueError where labels repeat or count is out of range.
    """
    size = len(labels)
    if len(set(labels)) != size or not 2 <= size <= len(LETTERS):
        raise ValueError(f"pass 2 to {len(LETTERS)} different labels, not {list(labels)}")
    count = size if count is None else count
    if not 1 <= count <= size:
        raise ValueError(f"{count} orders of {size} labels: choose 1 to {size}")
    zigzag = [(i + 1) // 2 if i % 2 else -(i // 2) for i in range(size)]  # 0, 1, -1, 2, -2, …
    base = sorted(labels)
    # Spread over the square, so that few orders still move every label far.
    rows = [row * size // count for row in range(count)]
    return tuple(tuple(base[(step + row) % size] for step in zigzag) for row in rows)


def by_label(order: Sequence[str], letters: Sequence[float]) -> dict[str, float]:
    """Label -> log-likelihood, from those of the letters A, B, … in that order."""
    return dict(zip(order, letters, strict=True))


def scores(answers: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Label -> mean log-likelihood over answers, each normalized over its labels first.

    `answers` are label -> log-likelihood (or logit), one per order asked.
    Raises ValueError where there are none, they name different labels, or one is not finite.
    """
    if not answers or any(answer.keys() != answers[0].keys() for answer in answers):
        raise ValueError("pass at least one answer, and all over the same labels")
    if not all(math.isfinite(value) for answer in answers for value in answer.values()):
        raise ValueError("a log-likelihood is not finite: the model overflowed or was cut off")
    totals = dict.fromkeys(sorted(answers[0]), 0.0)
    for answer in answers:
        whole = _log_sum(list(answer.values()))
        for label, value in answer.items():
            totals[label] += (value - whole) / len(answers)
    return totals


def letter_preference(images: Sequence[Sequence[Mapping[str, float]]]) -> dict[str, float]:
    """Letter -> by how much the model prefers it, whatever the picture: mean log-likelihood above
    what the label at that letter has over all orders.

    `images` are the answers about each, one per order of a whole square, label -> log-likelihood
    in the order asked. Near 0 everywhere: one order does.
    """
    letters: dict[str, list[float]] = {}
    for answers in images:
        means = scores(answers)
        for answer in answers:
            whole = _log_sum(list(answer.values()))
            for letter, (label, value) in zip(LETTERS, answer.items(), strict=False):
                letters.setdefault(letter, []).append(value - whole - means[label])
    return {letter: sum(above) / len(above) for letter, above in letters.items()}


def mass(answers: Sequence[Sequence[float]]) -> float:
    """Mean probability that an answer is a letter at all. `answers` are their log-likelihoods."""
    return sum(math.exp(value) for answer in answers for value in answer) / len(answers)


def probabilities(means: Mapping[str, float], temperature: float = 1.0) -> dict[str, float]:
    """Label -> probability, summing to 1: softmax of mean log-likelihoods over a temperature.

    Above 1 the temperature makes a boastful model modest. Raises ValueError where it is not > 0.
    """
    if not temperature > 0:
        raise ValueError(f"the temperature must be more than 0, not {temperature}")
    scaled = {label: value / temperature for label, value in means.items()}
    whole = _log_sum(list(scaled.values()))
    return {label: math.exp(value - whole) for label, value in scaled.items()}


def fit_temperature(examples: Sequence[tuple[Mapping[str, float], str]]) -> float:
    """The temperature that makes probabilities of labelled examples most truthful.

    `examples` are mean log-likelihoods (see `scores`) and the true label. Minimizes the negative
    log-likelihood between 0.05 and 20. Raises ValueError without examples.
    """
    from scipy.optimize import minimize_scalar

    if not examples:
        raise ValueError("a temperature needs labelled examples")

    def loss(log_temperature: float) -> float:
        temperature = math.exp(log_temperature)
        total = 0.0
        for means, truth in examples:
            scaled = [value / temperature for value in means.values()]
            total += _log_sum(scaled) - means[truth] / temperature
        return total / len(examples)

    bounds = (math.log(0.05), math.log(20.0))
    return float(math.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))


def sampled(picture: bytes) -> bool:
    """Whether it is one of those that are asked about in all orders. Always the same ones."""
    return int(hashlib.sha256(picture).hexdigest(), 16) % SAMPLE == 0


def pooled(answers: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """`scores` over as many orders as would be asked: the first alone where it is sure."""
    first = scores(answers[:1])
    return first if max(probabilities(first).values()) >= SURE else scores(answers)


def _log_sum(values: Sequence[float]) -> float:
    highest = max(values)
    return highest + math.log(sum(math.exp(value - highest) for value in values))
