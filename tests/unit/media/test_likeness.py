"""Likeness: copies are recognised, different pictures and pages of one template are not."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from itertools import combinations, product
from typing import Any

import numpy as np
import pytest
import scipy.fft
from PIL import Image, ImageDraw, ImageOps
from skimage import data

from bench.templates import KINDS, pages
from parjanya_dagster.media import alike, likeness_keys, resemblance
from parjanya_dagster.media.alignment import resample
from parjanya_dagster.media.cells import area_means
from parjanya_dagster.media.likeness import SIDE, VIEWS, apart, content, likeness
from parjanya_dagster.media.phash import phash


def seen(image: Image.Image) -> dict[str, Any]:
    return likeness(np.asarray(image), image.convert("L"))


def photograph(name: str) -> Image.Image:
    return Image.fromarray(getattr(data, name)()).convert("RGB")


def recompressed(image: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert("RGB")


def cropped(image: Image.Image, share: float) -> Image.Image:
    dx, dy = round(image.width * share), round(image.height * share)
    return image.crop((dx, dy, image.width - dx, image.height - dy))


def captioned(image: Image.Image) -> Image.Image:
    width, height = image.size
    page = Image.new("RGB", (width, height + height // 8), "white")
    page.paste(image, (0, 0))
    at = (width / 2, height * 17 / 16)
    ImageDraw.Draw(page).text(at, "A quiet day", fill="black", font_size=height // 20, anchor="mm")
    return page


def watermarked(image: Image.Image) -> Image.Image:
    text = Image.new("L", image.size, 0)
    middle = (image.width / 2, image.height / 2)
    ImageDraw.Draw(text).text(middle, "SAMPLE", fill=110, font_size=image.width // 7, anchor="mm")
    return Image.composite(Image.new("RGB", image.size, "white"), image, text)


def signed(image: Image.Image, left: float = 0.78) -> Image.Image:
    """With an opaque logo of two colours: 2.4 % of the area, in a corner or where `left` says."""
    copy, (width, height) = image.copy(), image.size
    draw = ImageDraw.Draw(copy)
    for top, bottom, colour in ((0.80, 0.86, "black"), (0.86, 0.94, "white")):
        box = (width * left, height * top, width * (left + 0.17), height * bottom)
        draw.rectangle(box, fill=colour)
    return copy


def card(title: str) -> Image.Image:
    """A page of a template: equal but for a line of text."""
    page = Image.new("RGB", (1200, 630), "#223355")
    draw = ImageDraw.Draw(page)
    draw.rectangle((60, 60, 260, 570), fill="#ddaa33")
    draw.rectangle((300, 480, 1100, 500), fill="#ffffff")
    draw.text((300, 200), title, fill="#ffffff", font_size=72)
    return page


NAMES = ("astronaut", "cat", "coffee", "rocket")
COPIES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "resized": lambda im: im.resize((im.width // 3, im.height // 3), Image.Resampling.LANCZOS),
    "recompressed": lambda im: recompressed(im, 40),
    "darker": lambda im: im.point(lambda level: int(level * 0.9)),
    "cropped 3 %": lambda im: cropped(im, 0.03),
    "cropped 6 % and recompressed": lambda im: recompressed(cropped(im, 0.06), 80),
    "cropped 10 % on the left": lambda im: im.crop((im.width // 10, 0, im.width, im.height)),
    "in grey": lambda im: im.convert("L").convert("RGB"),
    "brighter": lambda im: im.point(lambda level: min(255, int(level * 1.2))),
    "in a white border": lambda im: ImageOps.expand(im, im.width // 20, "white"),
    "above a caption": lambda im: captioned(im),
    "with a watermark": lambda im: watermarked(im),
}
KEPT = ("cropped 6 % and recompressed", "in a white border", "above a caption")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("change", COPIES)
def test_a_changed_copy_is_found_and_confirmed(name: str, change: str) -> None:
    original = photograph(name)
    one, other = seen(original), seen(COPIES[change](original))
    mine, its = likeness_keys(one["views"]), likeness_keys(other["views"])
    assert min(apart(mine[key], its[key]) for key in mine.keys() & its.keys()) <= 12
    assert alike(one, other).same


@pytest.mark.parametrize("name", NAMES)
def test_a_logo_in_a_corner_is_left_out(name: str) -> None:
    original = photograph(name)
    match = alike(seen(original), seen(recompressed(signed(original), 85)))
    assert match.same
    assert 0.02 < match.logo <= 0.05


def test_what_differs_elsewhere_is_no_logo() -> None:
    original = photograph("astronaut")
    match = alike(seen(original), seen(signed(original, left=0.4)))
    assert (match.same, match.logo) == (False, 0.0)


def test_one_logo_makes_no_twins_of_different_photographs() -> None:
    one, other = (seen(signed(photograph(name))) for name in ("cat", "rocket"))
    assert not alike(one, other).same


def test_the_order_of_the_two_does_not_matter() -> None:
    one, other = seen(photograph("cat")), seen(cropped(photograph("cat"), 0.05))
    assert alike(one, other).figures() == alike(other, one).figures()


def test_what_is_kept_of_a_picture_changes_no_figure() -> None:
    shown = [seen(COPIES[change](photograph(name))) for name in NAMES for change in KEPT]
    anew = {}
    for pair in product(range(len(shown)), repeat=2):
        resemblance._small.cache_clear()
        anew[pair] = alike(*(shown[at] for at in pair)).figures()
    assert {pair: alike(*(shown[at] for at in pair)).figures() for pair in anew} == anew
    for small in map(resemblance._Small.of, shown):
        for window, samples in product(small.windows, (12, 32, 48)):
            plain = resample(small.luma, window, samples)
            assert np.array_equal(small.through(window, samples), plain)


@pytest.mark.parametrize("pair", list(combinations(NAMES, 2)), ids="-".join)
def test_different_photographs_are_different(pair: tuple[str, str]) -> None:
    assert not alike(*(seen(photograph(name)) for name in pair)).same


def test_two_halves_of_one_photograph_are_different() -> None:
    whole = photograph("astronaut")
    width, height = whole.size
    left = whole.crop((0, 0, int(width * 0.7), height))
    right = whole.crop((int(width * 0.3), 0, width, height))
    assert not alike(seen(left), seen(right)).same


def test_pages_of_one_template_are_different_though_their_hashes_are_near() -> None:
    one, other = seen(card("How we moved house")), seen(card("Seven rules for a quiet night"))
    mine, its = likeness_keys(one["views"]), likeness_keys(other["views"])
    assert any(apart(mine[key], its[key]) <= 12 for key in mine.keys() & its.keys())
    assert not alike(one, other).same


def test_two_colours_of_one_drawing_are_different() -> None:
    page = card("The same words")
    red, green, blue = page.split()
    assert not alike(seen(page), seen(Image.merge("RGB", (blue, green, red)))).same


@pytest.mark.parametrize("kind", KINDS)
def test_pages_of_one_layout_with_other_content_are_different(kind: str) -> None:
    shown = [seen(page) for page in pages(kind, 1, 4)]
    assert [pair for pair in combinations(shown, 2) if alike(*pair).same] == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_is_recognised_when_it_is_resized(kind: str) -> None:
    (page,) = pages(kind, 1, 1)
    assert alike(seen(page), seen(COPIES["resized"](page))).same


def test_a_mirror_image_is_told_as_such() -> None:
    original = photograph("cat")
    one, other = seen(original), seen(original.transpose(Image.Transpose.FLIP_LEFT_RIGHT))
    assert likeness_keys(one["views"]).keys() & likeness_keys(other["views"]).keys()
    match = alike(one, other)
    assert (match.same, match.mirrored) == (True, True)


def older(image: Image.Image) -> dict[str, Any]:
    """What versions before 6 of `validated` recorded: 32×32 cells."""
    now = seen(image)
    packed = base64.b64decode(now["thumbnail"])
    luma = Image.frombytes("L", (SIDE, SIDE), packed[: SIDE * SIDE]).reduce(2)
    old = base64.b64encode(luma.tobytes() + packed[SIDE * SIDE :]).decode()
    return {"views": now["views"][:3], "thumbnail": old}


@pytest.mark.parametrize("name", NAMES)
def test_photographs_are_recognised_by_older_evidence(name: str) -> None:
    original = photograph(name)
    assert alike(older(original), seen(COPIES["cropped 3 %"](original))).same


@pytest.mark.parametrize("colour", ["white", "black", "#336699"])
def test_a_flat_picture_has_no_keys(colour: str) -> None:
    flat = seen(Image.new("RGB", (640, 480), colour))
    assert flat["views"] == []
    assert likeness_keys(flat["views"]) == {}


@pytest.mark.parametrize("size", [(1, 1), (2, 900), (900, 2), (31, 7)])
def test_odd_shapes_have_a_likeness(size: tuple[int, int]) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    one = seen(Image.fromarray(noise))
    assert alike(one, one).marked == 0.0


def test_hashes_that_differ_in_three_bits_share_a_key() -> None:
    random = np.random.default_rng(3)
    for _ in range(200):
        first = int(random.integers(0, 2**64, dtype=np.uint64))
        second = first
        for bit in random.choice(64, 3, replace=False):
            second ^= 1 << int(bit)
        mine, its = likeness_keys([f"{first:016x}"]), likeness_keys([f"{second:016x}"])
        shared = mine.keys() & its.keys()
        assert shared
        assert {apart(mine[key], its[key]) for key in shared} == {3}


def test_an_image_is_filed_under_at_most_55_keys_that_fit_a_signed_column() -> None:
    filed = likeness_keys(seen(captioned(photograph("coffee")))["views"])
    assert 10 <= len(filed) <= 55
    assert all(-(2**63) <= view < 2**63 for view in filed.values())


SYMMETRIC = {
    "flat": Image.new("L", (640, 480), 119),
    "halves": Image.fromarray(np.repeat([[40, 200]], 256, axis=1).astype(np.uint8).repeat(384, 0)),
    "frame": Image.fromarray(np.pad(np.full((256, 256), 200, np.uint8), 128)),
}


@pytest.mark.parametrize("name", SYMMETRIC)
def test_a_hash_does_not_hang_on_what_rounding_leaves(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = phash(SYMMETRIC[name])
    exact, random = scipy.fft.dct, np.random.default_rng(1)

    def otherwise(values: Any, axis: int) -> Any:
        found = exact(values, axis=axis)
        return found + random.uniform(-1e-12, 1e-12, found.shape)

    monkeypatch.setattr(scipy.fft, "dct", otherwise)
    assert phash(SYMMETRIC[name]) == before


@pytest.mark.parametrize("change", [Image.Image.copy, captioned])
@pytest.mark.parametrize("name", ["astronaut", "coffee"])
def test_each_view_is_the_hash_of_its_part_by_itself(name, change):
    image = change(photograph(name))
    fine = area_means(image.convert("L"), 2 * SIDE, 2 * SIDE)
    cells = Image.fromarray(fine)

    def view(of: Image.Image, box: tuple[float, ...]) -> str:
        return phash(of.resize((32, 32), Image.Resampling.LANCZOS, box=box))

    parts = [tuple(2 * SIDE * share for share in part) for part in VIEWS]
    views = [view(cells, part) for part in parts] + [view(ImageOps.mirror(cells), parts[0])]
    if (box := content(fine)) is not None:
        views.append(view(cells, box))

    assert seen(image)["views"] == views
    assert len(views) == len(VIEWS) + (2 if change is captioned else 1)


def test_the_small_picture_is_the_mean_of_four_cells_a_half_rounded_up():
    image = photograph("coffee")
    fine = area_means(image.convert("L"), 2 * SIDE, 2 * SIDE).astype(int)
    means = (fine.reshape(SIDE, 2, SIDE, 2).sum(axis=(1, 3)) + 2) // 4

    small = base64.b64decode(seen(image)["thumbnail"])[: SIDE * SIDE]

    assert small == means.astype(np.uint8).tobytes()
