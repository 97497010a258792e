"""Cells are exact area means, whatever the sides are."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from parjanya_dagster.media.cells import area_means


def share(cell: int, cells: int, pixel: int, pixels: int) -> Fraction:
    """The part of a pixel that lies in a cell."""
    first, last = Fraction(cell * pixels, cells), Fraction((cell + 1) * pixels, cells)
    return max(Fraction(0), min(last, Fraction(pixel + 1)) - max(first, Fraction(pixel)))


@pytest.mark.parametrize(("pixels", "cells"), [(1, 3), (3, 2), (7, 4), (10, 7), (64, 64)])
def test_a_cell_is_the_mean_of_what_it_covers(pixels: int, cells: int) -> None:
    row = np.random.default_rng(pixels).integers(0, 256, pixels)
    found = area_means(Image.fromarray(row[None].astype(np.uint8)), 1, cells)[0]
    for cell in range(cells):
        shares = [share(cell, cells, pixel, pixels) for pixel in range(pixels)]
        mean = sum(part * int(level) for part, level in zip(shares, row, strict=True)) / sum(shares)
        assert found[cell] == int(mean + Fraction(1, 2))


def test_a_picture_that_is_reduced_first_keeps_its_means() -> None:
    slope = np.linspace(0, 255, 1001).round().astype(np.uint8)
    found = area_means(Image.fromarray(np.repeat(slope[None], 777, axis=0)), 2, 5)
    assert abs(found.astype(int) - [26, 77, 128, 178, 229]).max() <= 1
