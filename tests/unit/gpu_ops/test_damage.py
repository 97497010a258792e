"""Blur and noise, which are counted in whole numbers, beside their definitions in fractions."""

import numpy as np
import pytest

from gpu_ops.embedded import damage


def _pictures():
    random = np.random.default_rng(5)
    soft = np.cumsum(np.cumsum(random.normal(0, 0.3, (97, 150)), axis=0), axis=1)
    yield "soft", np.clip(128 + soft, 0, 255)
    yield "soft and noisy", np.clip(128 + soft + random.normal(0, 6, soft.shape), 0, 255)
    yield "loudest", random.integers(0, 2, (64, 75)) * 255
    yield "edges", np.kron(random.integers(0, 256, (8, 9)), np.ones((8, 8)))


PICTURES = {name: levels.astype(np.uint8) for name, levels in _pictures()}


def _blurred(values, size):
    """Means of size (rows, columns). The border is mirrored without its last line."""
    beyond = [(side // 2, side // 2) for side in size]
    return np.lib.stride_tricks.sliding_window_view(
        np.pad(values.astype(np.float64), beyond, mode="reflect"), size
    ).mean(axis=(2, 3))


def _tiles(values, per_side=damage.BLUR_TILES):
    rows, columns = (np.linspace(0, side, per_side + 1).astype(int)[1:-1] for side in values.shape)
    return [tile for strip in np.split(values, rows) for tile in np.split(strip, columns, axis=1)]


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize("noise", [0.0, 1.3, 900.0])
def test_blur_is_the_share_of_steps_that_blurring_again_leaves(name, noise):
    levels = PICTURES[name]
    grey = _blurred(levels, (3, 3))
    kept, lost, area = (np.zeros(damage.BLUR_TILES**2) for _ in range(3))
    for axis, size in ((0, (9, 1)), (1, (1, 9))):
        step = np.maximum(abs(np.diff(grey, axis=axis)) - 3 * 0.27 * noise, 0)
        again = abs(np.diff(_blurred(grey, size), axis=axis))
        for total, values in ((kept, step), (lost, np.maximum(step - again, 0))):
            total += [tile.sum() for tile in _tiles(values)]
        area += [tile.size for tile in _tiles(step)]
    active = kept / area > damage.ACTIVE
    expected = 1.0
    if active.sum() >= 4:
        expected = np.sort(1 - lost[active] / kept[active])[:4].mean()
    assert damage._blur(levels, noise) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("name", PICTURES)
def test_noise_is_the_mean_response_of_the_calmest_tenth_of_the_lit_tiles(name):
    levels = PICTURES[name]
    padded = np.pad(levels.astype(np.float64), 1, mode="reflect")
    rows = padded[:-2] - 2 * padded[1:-1] + padded[2:]
    response = abs(rows[:, :-2] - 2 * rows[:, 1:-1] + rows[:, 2:])
    deviation, level = (
        np.array([tile.mean() for tile in _tiles(values, damage.NOISE_TILES)])
        for values in (response, levels)
    )
    lit = (level > 20) & (level < 235)
    calm = np.percentile(deviation[lit] if lit.sum() >= 6 else deviation, 10)
    assert damage._noise(levels) == pytest.approx(calm * (np.pi / 2) ** 0.5 / 6, abs=1e-9)
