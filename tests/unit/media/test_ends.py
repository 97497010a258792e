"""Every container cut at every tenth, emptied to zeros, and with what makers append."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable

import numpy as np
import pillow_heif
import pytest
import tifffile
from PIL import Image

from parjanya_dagster.media import Rejected, validate
from parjanya_dagster.media.ends import is_cut_short
from tests.support.raw import dng


def saved(fmt: str, **options) -> Callable[[Image.Image], bytes]:
    def make(photo: Image.Image) -> bytes:
        out = io.BytesIO()
        photo.save(out, fmt, **options)
        return out.getvalue()

    return make


def film(fmt: str, **options) -> Callable[[Image.Image], bytes]:
    def make(photo: Image.Image) -> bytes:
        more = [photo.rotate(90), photo.rotate(180), photo.rotate(270)]
        return saved(fmt, save_all=True, append_images=more, **options)(photo)

    return make


def heic(photo: Image.Image) -> bytes:
    out = io.BytesIO()
    pillow_heif.from_pillow(photo).save(out, format="HEIF", quality=80)
    return out.getvalue()


def tiff(**options) -> Callable[[Image.Image], bytes]:
    def make(photo: Image.Image) -> bytes:
        out = io.BytesIO()
        tifffile.imwrite(out, np.asarray(photo), photometric="rgb", **options)
        return out.getvalue()

    return make


# name: (format, maker, whether zeros in place of a rest show)
CONTAINERS = {
    "jpeg": ("jpeg", saved("JPEG", quality=90), True),
    "progressive jpeg": ("jpeg", saved("JPEG", quality=90, progressive=True), True),
    "mpo": ("jpeg", film("MPO"), False),
    "png": ("png", saved("PNG"), True),
    "apng": ("png", film("PNG"), True),
    "gif": ("gif", saved("GIF"), True),
    "animated gif": ("gif", film("GIF"), True),
    "webp": ("webp", saved("WEBP", quality=80), True),
    "lossless webp": ("webp", saved("WEBP", lossless=True), True),
    "animated webp": ("webp", film("WEBP", quality=80), True),
    "lzw tiff": ("tiff", saved("TIFF", compression="tiff_lzw"), True),
    "pages": ("tiff", film("TIFF", compression="tiff_lzw"), False),
    "big tiff": ("tiff", tiff(bigtiff=True, compression="zlib"), True),
    "bmp": ("bmp", saved("BMP"), False),
    "avif": ("avif", saved("AVIF", quality=80), True),
    "animated avif": ("avif", film("AVIF", quality=80), True),
    "heic": ("heic", heic, True),
    "dng": ("dng", dng, False),
}


@pytest.fixture(scope="module")
def files(photo) -> dict[str, bytes]:
    small = photo.resize((200, 160))
    return {name: make(small) for name, (_, make, _) in CONTAINERS.items()}


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_whole_file_is_whole(files, name):
    assert not is_cut_short(files[name], CONTAINERS[name][0])
    validate(files[name])


# Of an MPO, the first picture is whole from the third tenth on; those after it are no part of it.
@pytest.mark.parametrize(
    ("name", "tenth"),
    [(name, tenth) for name in CONTAINERS for tenth in range(1, 3 if name == "mpo" else 10)],
)
def test_a_file_cut_at_any_tenth_is_truncated(files, name, tenth):
    data = files[name]

    with pytest.raises(Rejected) as refused:
        validate(data[: len(data) * tenth // 10])

    assert refused.value.failure_class == "truncated"


@pytest.mark.parametrize("tenth", range(1, 10))
@pytest.mark.parametrize("name", [name for name, row in CONTAINERS.items() if row[2]])
def test_a_file_whose_rest_is_zeros_is_refused(files, name, tenth):
    """As a copy that broke off leaves it on a disk that had set the room aside."""
    data = files[name]
    kept = len(data) * tenth // 10

    with pytest.raises(Rejected) as refused:
        validate(data[:kept] + bytes(len(data) - kept))

    # A decoder that meets the zeros first may call them damage.
    assert refused.value.failure_class in ("truncated", "corrupt")


@pytest.mark.parametrize("trailer", [b"\0" * 5000, b"junk" * 99, b"\0\0\0\x1emoov" + b"x" * 22])
@pytest.mark.parametrize("name", CONTAINERS)
def test_what_makers_append_is_no_part_of_the_picture(files, name, trailer):
    result = validate(files[name] + trailer)

    assert (result.body["width"], result.body["height"]) == (200, 160)


@pytest.mark.parametrize("name", ["avif", "heic"])
def test_a_box_of_a_maker_that_reaches_beyond_the_file_is_not_missed(files, name):
    """As phones of one maker end their files: a length that means something else."""
    assert validate(files[name] + b"\x2f\x3e\x04\x5csefd" + b"x" * 80).body["format"] == name


@pytest.mark.parametrize("pointer", [0xFFFFFFFF, 0xDEADBEE0, 12, 40, 1_000_000])
def test_a_pointer_to_nowhere_after_the_last_directory_is_harmless(photo, pointer):
    data = bytearray(saved("TIFF")(photo))
    (directory,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, directory)
    struct.pack_into("<I", data, directory + 2 + 12 * count, pointer)

    assert validate(bytes(data)).body["width"] == 512


@pytest.mark.parametrize("tail", [b"", b"\0\0", b"\0" * 500])
def test_a_jpeg_without_its_last_marker_is_whole_if_its_pixels_are(photo, tail):
    whole = saved("JPEG", quality=90)(photo)

    assert validate(whole[:-2] + tail).preview == validate(whole).preview

    with pytest.raises(Rejected) as refused:
        validate(whole[:-60] + tail)
    assert refused.value.failure_class == "truncated"


@pytest.mark.parametrize("colour", ["black", "white", "grey", "red"])
@pytest.mark.parametrize("size", [(1, 1), (1000, 1000), (3000, 2000)])
def test_flat_pictures_that_end_in_zeros_are_whole(colour, size):
    flat = Image.new("RGB", size, colour)

    for fmt, options in {"WEBP": {}, "AVIF": {"speed": 10}}.items():
        assert not is_cut_short(saved(fmt, **options)(flat), fmt.lower())
