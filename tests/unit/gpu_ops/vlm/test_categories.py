"""Letters to labels: what a letter's bias and the caller's order cannot change."""

from __future__ import annotations

import itertools
import math
import random

import pytest

from gpu_ops import LABELS
from gpu_ops.vlm import calibration, categories


def answers(liking: dict[str, float], bias: list[float], count: int) -> list[dict[str, float]]:
    """What a model would say that likes labels and, besides, letters."""
    return [
        categories.by_label(
            order, [liking[label] + b for label, b in zip(order, bias, strict=True)]
        )
        for order in categories.orders(LABELS, count)
    ]


def test_in_a_whole_square_each_label_stands_at_each_letter_once() -> None:
    orders = categories.orders(LABELS)
    assert len(orders) == len(LABELS)
    for place in zip(*orders, strict=True):
        assert sorted(place) == sorted(LABELS)


def test_in_a_whole_square_each_label_follows_each_other_label_once() -> None:
    pairs = [pair for order in categories.orders(LABELS) for pair in itertools.pairwise(order)]
    assert len(pairs) == len(set(pairs)) == len(LABELS) * (len(LABELS) - 1)


def test_orders_are_the_same_however_the_labels_are_listed() -> None:
    shuffled = list(LABELS)
    random.Random(3).shuffle(shuffled)
    for count in (1, 2, 5, 8):
        assert categories.orders(shuffled, count) == categories.orders(LABELS, count)
        assert len(set(categories.orders(LABELS, count))) == count


def test_a_liking_for_letters_cancels_over_all_orders_and_not_over_one() -> None:
    draw = random.Random(5)
    liking = {label: draw.gauss(0, 1) for label in LABELS}
    bias = [draw.gauss(0, 3) for _ in LABELS]
    unbiased = categories.probabilities(liking)

    found = categories.probabilities(categories.scores(answers(liking, bias, len(LABELS))))
    one = categories.probabilities(categories.scores(answers(liking, bias, 1)))

    assert found == pytest.approx(unbiased)
    assert one != pytest.approx(unbiased, abs=0.05)


def test_a_liking_for_letters_is_measured_whatever_the_pictures_show() -> None:
    draw = random.Random(5)
    bias = [draw.gauss(0, 3) for _ in LABELS]
    likings = [{label: draw.gauss(0, 1) for label in LABELS} for _ in range(20)]
    biased = [answers(liking, bias, len(LABELS)) for liking in likings]
    fair = [answers(liking, [0.0] * len(LABELS), len(LABELS)) for liking in likings]
    mean = sum(bias) / len(bias)

    found = calibration.label_order(biased)
    preference = found["letter_preference"]
    assert list(preference) == list("ABCDEFGH")
    assert max(preference, key=preference.__getitem__) == "ABCDEFGH"[bias.index(max(bias))]
    assert preference["A"] - preference["B"] == pytest.approx(bias[0] - bias[1], abs=1e-3)
    assert preference["C"] == pytest.approx(bias[2] - mean, abs=1.0)
    assert found["first_alone_differs"] > 0.3

    none = calibration.label_order(fair)
    assert none["first_alone_differs"] == 0
    assert set(none["letter_preference"].values()) <= {0.0, -0.0}


def test_probabilities_sum_to_one_even_at_extreme_likelihoods() -> None:
    found = categories.probabilities({"a": -4000.0, "b": 0.0, "c": 3000.0})
    assert sum(found.values()) == pytest.approx(1)
    assert found["c"] == pytest.approx(1)


def test_a_higher_temperature_is_more_modest() -> None:
    means = {"a": -0.1, "b": -2.5}
    assert categories.probabilities(means, 4)["a"] < categories.probabilities(means)["a"]


def test_the_fitted_temperature_undoes_a_models_boasting() -> None:
    """Labels are drawn from known probabilities; the model states them three times too sharply."""
    draw = random.Random(11)
    examples = []
    for _ in range(4000):
        honest = categories.scores([{label: draw.gauss(0, 1.5) for label in "abcd"}])
        chances = categories.probabilities(honest)
        truth = draw.choices(list(chances), list(chances.values()))[0]
        examples.append(({label: 3 * value for label, value in honest.items()}, truth))
    assert categories.fit_temperature(examples) == pytest.approx(3, rel=0.1)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: categories.orders(["a", "a"]),
        lambda: categories.orders(["a", "b"], 3),
        lambda: categories.scores([]),
        lambda: categories.scores([{"a": 0.0}, {"b": 0.0}]),
        lambda: categories.scores([{"a": math.nan, "b": 0.0}]),
        lambda: categories.probabilities({"a": 0.0}, 0.0),
        lambda: categories.fit_temperature([]),
    ],
)
def test_what_makes_no_sense_is_refused(wrong) -> None:
    with pytest.raises(ValueError):
        wrong()
