"""Looking at one picture through a server: one question, and more of them where it is in doubt."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gpu_ops.endpoint import letters, questions
from gpu_ops.vlm import categories
from gpu_ops.vlm.prompts import Prompt

_NONE: tuple[float, ...] = ()
Ask = Callable[[dict[str, Any]], dict[str, Any]]
"""From the payload of a chat completion to its answer."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """What a server said about one picture."""

    labels: tuple[str, ...]  # the kinds there are
    first: Mapping[str, Any]  # the first answer, as it came
    kinds: tuple[tuple[tuple[str, ...], letters.Listed, int | None], ...]
    """Of each answer: the order asked, what was listed for the letter, and the letter itself."""
    masses: tuple[float, ...]
    """Probability of a letter at all, of the answers that no schema forced."""
    words: str | None  # the description as the model wrote it

    @property
    def mass(self) -> float | None:
        """None: only a schema was asked, and it allows nothing but letters."""
        return sum(self.masses) / len(self.masses) if self.masses else None

    def by_order(self) -> list[dict[str, float]]:
        """Label -> log-likelihood, lettered as they stand, for each order that gives them."""
        return [
            categories.by_label(order, likelihoods)
            for order, listed, _ in self.kinds
            if (likelihoods := letters.log_likelihoods(listed, len(order))) is not None
        ]

    def scores(self) -> dict[str, float] | None:
        """Label -> mean log-likelihood over the orders; None if the server gives none."""
        known = self.by_order()
        return categories.scores(known) if known else None

    def votes(self) -> dict[str, float]:
        """Label -> probability, from the letters alone."""
        said = [None if place is None else order[place] for order, _, place in self.kinds]
        return letters.shares(said, self.labels)


def look(
    ask: Ask,
    model: str,
    prompt: Prompt,
    orders: Sequence[tuple[str, ...]],
    url: str,
    *,
    describe: bool,
    doubtful: Callable[[Look], bool],
    longest: int | None = None,
) -> Look:
    """Ask one question. Where the look is `doubtful`, ask for the kind in the other orders too.

    Whether models prefer some letters is so seen on those pictures on which it can matter. An
    answer that has no letter at its place counts for nothing, and its order is asked again.
    `longest`: see `questions.whole`.
    Raises what `ask` raises.
    """
    first, masses = orders[0], _NONE
    if describe:
        answer = ask(questions.whole(model, prompt, first, url, longest))
        choice = answer["choices"][0]
        one = (first, letters.in_json(choice), letters.letter(choice, len(first)))
        words = letters.without_letter(letters.content(choice))
    else:
        answer = ask(questions.kind(model, prompt, first, url))
        one, masses = _alone(answer, first)
        words = None
    readable = bool(one[1]) or one[2] is not None or not describe
    seen = Look(
        labels=first, first=answer, kinds=(one,) if readable else (), masses=masses, words=words
    )
    if readable and not doubtful(seen):
        return seen
    others = [
        _alone(ask(questions.kind(model, prompt, order, url)), order)
        for order in orders[1 if readable else 0 :]
    ]
    return Look(
        labels=first,
        first=answer,
        kinds=(*seen.kinds, *(kind for kind, _ in others)),
        masses=(*masses, *(mass for _, some in others for mass in some)),
        words=words,
    )


def _alone(answer: Mapping[str, Any], order: tuple[str, ...]) -> tuple[Any, tuple[float, ...]]:
    choice = answer["choices"][0]
    count = len(order)
    kind = (order, letters.alone(choice), letters.letter(choice, count))
    return kind, (letters.mass(choice, count),)
