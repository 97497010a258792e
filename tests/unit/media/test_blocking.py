"""The blocks of a coder are found wherever their grid lies, and where nobody sees them they are no
damage."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageFilter

from parjanya_dagster.media import validate
from parjanya_dagster.media.blocking import blocking
from parjanya_dagster.media.structure import jpeg_coarseness

NOTICED = 1.0


def jpeg(image: Image.Image, quality: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def blocky(image: Image.Image, quality: int = 8) -> Image.Image:
    return Image.open(io.BytesIO(jpeg(image, quality))).convert("RGB")


def seen(image: Image.Image) -> tuple[float, float]:
    return blocking(np.asarray(image)[::8, :, 1])


@pytest.fixture(scope="module")
def calm(photo: Image.Image) -> dict[str, Image.Image]:
    """What nobody damaged, and in which few steps are larger than those of a JPEG's grid."""
    soft = photo.filter(ImageFilter.GaussianBlur(8))
    return {
        "dark": photo.point(lambda level: level // 6),
        "sea": soft.point(lambda level: int(110 + (level - 128) * 0.3)),
        "fog": soft.point(lambda level: int(170 + (level - 128) * 0.2)),
        "grey": photo.convert("L").convert("RGB"),
    }


def test_blocks_are_found_and_their_absence_is(photo: Image.Image) -> None:
    assert seen(photo)[0] < 0.15
    found = [seen(blocky(photo, quality)) for quality in (5, 10, 20)]
    values = [value for value, _ in found]
    assert values == sorted(values, reverse=True)
    assert values[0] > NOTICED
    assert values[1] > 0.8 * NOTICED
    assert {size for _, size in found} == {8.0}


def test_the_grid_may_start_anywhere(photo: Image.Image) -> None:
    damaged = blocky(photo)
    moved = damaged.crop((3, 5, damaged.width, damaged.height))
    assert seen(moved) == pytest.approx(seen(damaged), rel=0.15)


@pytest.mark.parametrize("factor", [0.75, 0.9, 1.5])
def test_the_grid_may_have_been_resized(photo: Image.Image, factor: float) -> None:
    damaged = blocky(photo, 5)
    size = round(damaged.width * factor), round(damaged.height * factor)
    value, width = seen(damaged.resize(size, Image.Resampling.LANCZOS))
    assert width == pytest.approx(8 * factor, rel=0.02)
    assert value > NOTICED / 2


@pytest.mark.parametrize("kind", ["dark", "sea", "fog", "grey"])
def test_a_grid_that_nobody_sees_is_no_damage(calm: dict[str, Image.Image], kind: str) -> None:
    for image in (calm[kind], blocky(calm[kind], 92), blocky(calm[kind], 75)):
        assert seen(image)[0] < NOTICED / 2


def test_what_is_too_narrow_has_no_blocks(photo: Image.Image) -> None:
    assert seen(photo.resize((63, 400))) == (0.0, 0.0)


def test_a_large_jpeg_is_looked_at_everywhere(photo: Image.Image) -> None:
    """It is decoded at less than its size, and its first rows are often sky."""
    large = photo.resize((2100, 1400), Image.Resampling.LANCZOS)
    large.paste("#88aadd", (0, 0, 2100, 200))
    sound, damaged = (validate(jpeg(large, q)).body["technical"] for q in (90, 6))
    assert sound["blockiness"] < NOTICED / 2
    assert damaged["blockiness"] > NOTICED
    assert damaged["block_size"] == 8


def test_a_jpeg_says_how_coarse_it_is(photo: Image.Image) -> None:
    steps = [jpeg_coarseness(jpeg(photo, quality)) for quality in (90, 50, 10)]
    assert steps == [3, 16, 80]
    assert jpeg_coarseness(jpeg(photo, 50)[:25]) == 0
    assert jpeg_coarseness(b"\xff\xd8\xff\xdb\x00\x03\x10") == 0
