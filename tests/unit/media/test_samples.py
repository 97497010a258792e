"""Samples of rare kinds: each becomes the scene, or is refused with its true reason."""

from __future__ import annotations

import io
import struct

import numpy as np
import pillow_heif
import pytest
import tifffile
from PIL import Image, ImageCms, ImageFilter
from skimage.color import rgb2lab
from test_colour_matrix import NEAR_ENOUGH, psnr
from test_formats import dng_with_preview

from parjanya_dagster.media import Limits, Rejected, pixels, validate
from tests.support.encoded import profile_of


@pytest.fixture(scope="module")
def scene(photo) -> Image.Image:
    return photo.crop((0, 0, 512, 384)).resize((160, 120)).filter(ImageFilter.GaussianBlur(2))


def tiff(pixels: np.ndarray, photometric: str = "rgb", **options) -> bytes:
    out = io.BytesIO()
    tifffile.imwrite(out, pixels, photometric=photometric, **options)
    return out.getvalue()


def shows(data: bytes, wanted: np.ndarray) -> bool:
    return psnr(validate(data).preview, np.asarray(wanted, np.float64)) >= NEAR_ENOUGH


def half_over_white(rgb: np.ndarray) -> np.ndarray:
    return (rgb * 128.0 + 255 * 127) / 255


@pytest.mark.parametrize("depth", [8, 16])
def test_lab(scene, depth):
    lab = rgb2lab(np.asarray(scene))
    if depth == 8:
        # L from 0 to 255; a and b signed.
        light = np.rint(lab[..., :1] * 2.55).astype(np.uint8)
        pixels = np.dstack([light, np.rint(lab[..., 1:]).astype(np.int8).view(np.uint8)])
    else:
        light = np.rint(lab[..., :1] * 655.35).astype(np.uint16)
        pixels = np.dstack([light, np.rint(lab[..., 1:] * 256).astype(np.int16).view(np.uint16)])

    assert shows(tiff(pixels, "cielab"), scene)


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("alpha", ["none", "opaque", "half"])
def test_cmyk_with_and_without_alpha(scene, alpha, depth):
    """The reference is what the same inks give without alpha, through Pillow's file."""
    inks = np.asarray(scene.convert("CMYK"))
    out = io.BytesIO()
    Image.fromarray(inks, "CMYK").save(out, "TIFF")
    plain = np.asarray(Image.open(io.BytesIO(validate(out.getvalue()).preview)), np.float64)
    pixels = inks.astype(np.uint16) * 257 if depth == 16 else inks
    options = {}
    if alpha != "none":
        level = {"opaque": 255, "half": 128}[alpha] * (257 if depth == 16 else 1)
        pixels = np.dstack([pixels, np.full(pixels.shape[:2], level, pixels.dtype)])
        options["extrasamples"] = ["unassalpha"]

    data = tiff(pixels, "separated", **options)

    assert shows(data, half_over_white(plain) if alpha == "half" else plain)


@pytest.mark.parametrize(
    "samples",
    [
        lambda rgb: (rgb * 16_843_009).astype(np.uint32),
        lambda rgb: (rgb * 128.5).astype(np.int16),
        lambda rgb: (rgb * 257 - 32768).astype(np.int16),
        lambda rgb: (rgb - 128).astype(np.int8),
        lambda rgb: (rgb * 16_843_009 - 2**31).astype(np.int32),
    ],
    ids=["unsigned 32", "signed 16, none below 0", "signed 16", "signed 8", "signed 32"],
)
@pytest.mark.parametrize("grey", [False, True])
def test_signed_and_long_whole_numbers_span_their_type(scene, samples, grey):
    rgb = np.asarray(scene.convert("L") if grey else scene, np.int64)

    data = tiff(samples(rgb), "minisblack" if grey else "rgb")

    assert shows(data, rgb if not grey else np.dstack([rgb] * 3))


@pytest.mark.parametrize("profile", ["srgb", "swapped"])
def test_floats_with_a_profile_are_samples_of_its_space(scene, profile):
    rgb = np.asarray(scene, np.float32) / 255
    pixels = rgb[..., ::-1] if profile == "swapped" else rgb

    assert shows(tiff(np.ascontiguousarray(pixels), iccprofile=profile_of(profile)), scene)


def test_floats_beyond_light_are_refused_by_their_range(scene):
    with pytest.raises(Rejected) as refused:
        validate(tiff(np.asarray(scene, np.float32)))

    assert refused.value.failure_class == "unsupported_format"
    assert "floats" in refused.value.reason


def test_associated_alpha_is_divided_out(scene):
    rgb = np.asarray(scene, np.float64)
    pixels = np.dstack([np.rint(rgb * 128 / 255), np.full(rgb.shape[:2], 128)]).astype(np.uint8)

    assert shows(tiff(pixels, extrasamples=["assocalpha"]), half_over_white(rgb))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
def test_grey_of_either_sense(scene, dtype, photometric):
    grey = np.asarray(scene.convert("L"))
    stored = 255 - grey if photometric == "miniswhite" else grey
    pixels = stored.astype(dtype) * (257 if dtype is np.uint16 else 1)

    assert shows(tiff(pixels, photometric), np.dstack([grey] * 3))


def test_grey_with_a_profile_of_grey_or_of_colours(scene, encode):
    grey = scene.convert("L")
    for profile in (profile_of("srgb"), b"damaged"):
        assert shows(encode(grey, "PNG", icc_profile=profile), np.dstack([np.asarray(grey)] * 3))


def test_a_profile_of_lab_does_not_turn_colours(scene, encode):
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()

    assert shows(encode(scene, "PNG", icc_profile=lab), scene)


@pytest.mark.parametrize("extra", [0, 1])
def test_a_thumbnail_in_front_is_not_taken_for_the_picture(scene, extra):
    out = io.BytesIO()
    with tifffile.TiffWriter(out) as writer:
        small = np.asarray(scene.resize((40, 30)))
        writer.write(255 - small, photometric="rgb", subfiletype=1)
        for _ in range(1 + extra):
            writer.write(np.asarray(scene), photometric="rgb", subfiletype=0, metadata=None)

    body = validate(out.getvalue()).body

    assert (body["width"], body["height"], body["frames"]) == (160, 120, 1 + extra)
    assert shows(out.getvalue(), scene)


def test_a_picture_among_the_sub_directories_of_its_thumbnail(scene):
    out = io.BytesIO()
    with tifffile.TiffWriter(out) as writer:
        small = np.asarray(scene.resize((40, 30)))
        writer.write(255 - small, photometric="rgb", subfiletype=1, subifds=1)
        writer.write(np.asarray(scene), photometric="rgb", subfiletype=0)

    assert shows(out.getvalue(), scene)


def bmp_v5(scene: Image.Image, alpha: int) -> bytes:
    """32 bits with a mask for alpha, as screen grabbers write them."""
    rgb = np.asarray(scene)[::-1]
    pixels = np.dstack([rgb[..., ::-1], np.full(rgb.shape[:2], alpha, np.uint8)]).tobytes()
    width, height = scene.size
    head = struct.pack("<IiiHHIIiiII", 124, width, height, 1, 32, 3, len(pixels), 0, 0, 0, 0)
    head += struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000) + b"BGRs"
    head = head.ljust(124, b"\0")
    return struct.pack("<2sIHHI", b"BM", 138 + len(pixels), 0, 0, 138) + head + pixels


@pytest.mark.parametrize("alpha", [0, 128, 255])
def test_a_bmp_whose_alpha_is_all_zero_is_opaque(scene, alpha):
    rgb = np.asarray(scene, np.float64)

    assert shows(bmp_v5(scene, alpha), half_over_white(rgb) if alpha == 128 else rgb)


@pytest.mark.parametrize(
    ("compression", "name"),
    [(50002, "JPEG XL"), (34712, "JPEG 2000"), (50000, "Zstandard"), (34887, "LERC")],
)
def test_a_sound_tiff_of_a_rare_compression_is_named(scene, compression, name):
    data = bytearray(tiff(np.asarray(scene)))
    entry = data.index(struct.pack("<HHI", 259, 3, 1))
    struct.pack_into("<H", data, entry + 8, compression)

    with pytest.raises(Rejected) as refused:
        validate(bytes(data))

    assert refused.value.failure_class == "unsupported_format"
    assert name in refused.value.reason


def test_a_dng_of_jpeg_xl_shows_its_embedded_preview(photo, encode):
    landscape = photo.resize((1600, 1000))
    data = dng_with_preview(encode(landscape, "JPEG", quality=90), landscape.size, 1)
    plain = struct.pack("<HHIH", 259, 3, 1, 1)
    sensor = data.rindex(plain)
    data = data[:sensor] + struct.pack("<HHIH", 259, 3, 1, 52546) + data[sensor + len(plain) :]

    result = validate(data)

    assert result.body["decoded_from"] == "embedded_preview"
    wanted = np.asarray(landscape.resize((1024, 640)), np.float64)
    assert psnr(result.preview, wanted) >= NEAR_ENOUGH - 4  # a sharp photograph, twice a JPEG


@pytest.mark.parametrize("kind", ["png", "png with alpha", "16-bit tiff"])
def test_a_picture_beyond_memory_is_the_same_picture(scene, encode, monkeypatch, kind):
    large = scene.resize((4400, 3300), Image.Resampling.BICUBIC)
    if kind == "16-bit tiff":
        data = tiff(np.asarray(large).astype(np.uint16) * 257, iccprofile=profile_of("srgb"))
    else:
        if kind == "png with alpha":
            large.putalpha(128)
        data = encode(large, "PNG", compress_level=1)
    whole = validate(data)

    monkeypatch.setattr(pixels, "MOST_IN_MEMORY", 1_000_000)
    small = validate(data)

    assert psnr(small.preview, np.asarray(Image.open(io.BytesIO(whole.preview)))) > 40
    facts = ("width", "height", "bit_depth", "alpha", "channels")
    assert [small.body[f] for f in facts] == [whole.body[f] for f in facts]
    for measure in ("flat_share", "blockiness"):
        apart = small.body["technical"][measure] - whole.body["technical"][measure]
        assert abs(apart) < 0.02, measure


def test_a_limit_names_the_setting_that_raises_it(scene, encode):
    with pytest.raises(Rejected, match="PARJANYA_MEDIA__MAX_PIXELS"):
        validate(encode(scene, "PNG"), Limits(max_pixels=100))


@pytest.mark.parametrize("compression", ["lzw", "deflate", "packbits"])
@pytest.mark.parametrize("side", [64, 256])
def test_a_tile_that_cannot_be_decoded_is_not_shown_black(scene, compression, side):
    tiles = {"tile": True, "tile_width": side, "tile_height": side}
    image = pixels.from_array(np.asarray(scene), "srgb")
    data = bytearray(image.tiffsave_buffer(compression=compression, **tiles))
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        at, size = file.pages[0].dataoffsets[0], file.pages[0].databytecounts[0]
    data[at : at + size // 2] = b"\x80" * (size // 2)  # of packbits: nothing follows

    with pytest.raises(Rejected) as refused:
        validate(bytes(data))

    assert refused.value.failure_class == "corrupt"


def test_a_sound_tiff_of_tiles_of_a_rare_compression_is_named(scene):
    data = tiff(np.asarray(scene), compression="lzma", tile=(64, 64))

    with pytest.raises(Rejected, match="compressed with") as refused:
        validate(data)

    assert refused.value.failure_class == "unsupported_format"


def test_a_sound_tiff_of_separate_tiles_is_unsupported_not_damaged(scene):
    planes = np.moveaxis(np.asarray(scene), 2, 0)
    data = tiff(planes, planarconfig="separate", tile=(64, 64))

    with pytest.raises(Rejected) as refused:
        validate(data)

    assert refused.value.failure_class == "unsupported_format"


def test_tags_that_nobody_knows_are_no_damage(scene):
    tags = [(65000, "H", 1, 5, True), (37724, "B", 4, b"abcd", True), (700, "B", 3, b"abc", True)]

    assert shows(tiff(np.asarray(scene), extratags=tags, tile=(64, 64)), scene)


@pytest.mark.parametrize("size", [(1, 3000), (3000, 1), (3, 9000)])
def test_a_line_of_pixels_is_a_whole_jpeg(encode, size):
    body = validate(encode(Image.new("RGB", size, "red"), "JPEG")).body

    assert (body["width"], body["height"]) == size


@pytest.mark.parametrize("fmt", ["avif", "heic"])
def test_colours_multiplied_by_alpha_are_divided_by_it(scene, fmt):
    rgb = np.asarray(scene, np.float64)
    half = np.full((*rgb.shape[:2], 1), 128, np.uint8)
    out = io.BytesIO()
    if fmt == "avif":  # its encoder multiplies
        straight = Image.fromarray(np.dstack([rgb.astype(np.uint8), half]))
        straight.save(out, "AVIF", quality=95, alpha_premultiplied=True)
    else:
        multiplied = np.dstack([np.rint(rgb * 128 / 255).astype(np.uint8), half])
        picture = pillow_heif.from_bytes("RGBa", scene.size, multiplied.tobytes())
        picture.save(out, quality=95)

    assert b"prem" in out.getvalue()
    assert shows(out.getvalue(), half_over_white(rgb))
