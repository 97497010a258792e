"""Logistic regression with an L2 penalty, by Newton's method. Pure, and without chance: the same
columns give the same weights.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
STEPS: Final = 50
_CLOSE: Final = 1e-6  # a step that moves no weight by more is the last: what is left is its square


def sigmoid(logits: Floats) -> Floats:
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * logits)))


def log_loss(logits: Floats, target: Floats) -> float:
    """The mean of -log of the probability that was given to what is true."""
    return float(np.logaddexp(0.0, np.where(target > 0.5, -logits, logits)).mean())


def fit(columns: Floats, target: Floats, penalty: float, start: Floats | None = None) -> Floats:
    """Weights, the intercept last. Shape: (columns + 1,).

    Least: the sum of log losses + penalty / 2 * the sum of squared weights. The intercept is free.
    `target` is 0 or 1. `start`: weights to begin with.
    """
    x = np.concatenate([columns, np.ones((len(columns), 1))], axis=1)
    ridge = np.full(x.shape[1], penalty)
    ridge[-1] = 1e-6  # enough to be solvable where all decisions are alike
    weights = np.zeros(x.shape[1]) if start is None else start

    def cost(weights: Floats) -> float:
        return log_loss(x @ weights, target) * len(x) + float(ridge @ weights**2) / 2

    now = cost(weights)
    for _ in range(STEPS):
        p = sigmoid(x @ weights)
        gradient = x.T @ (p - target) + ridge * weights
        curvature = (x.T * (p * (1.0 - p))) @ x + np.diag(ridge)
        step = np.linalg.solve(curvature, gradient)
        length = 1.0
        while (then := cost(weights - length * step)) > now + 1e-12 * abs(now) and length > 1e-6:
            length /= 2
        weights, now = weights - length * step, then
        if np.abs(step).max() < _CLOSE:
            break
    return weights
