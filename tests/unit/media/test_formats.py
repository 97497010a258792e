"""The formats beyond the six of every day, and the odd corners of those."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pillow_heif
import pytest
import tifffile
from PIL import Image

from parjanya_dagster.media import Limits, Rejected, validate
from tests.support.raw import dng


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def error_of(preview: bytes, expected: Image.Image) -> float:
    """Mean difference in grey levels."""
    shown = opened(preview)
    assert shown.size == expected.size
    return float(np.abs(np.asarray(shown, float) - np.asarray(expected, float)).mean())


def heic(image: Image.Image, **options) -> bytes:
    out = io.BytesIO()
    pillow_heif.from_pillow(image).save(out, format="HEIF", quality=90, **options)
    return out.getvalue()


def ifd(entries: list[tuple[int, int, tuple[int, ...]]], at: int) -> tuple[bytes, bytes]:
    """One TIFF directory at offset `at`: (the directory, its values that do not fit inline)."""
    directory, outside = struct.pack("<H", len(entries)), b""
    after = at + 2 + 12 * len(entries) + 4
    for tag, kind, values in sorted(entries):
        code = {1: "B", 2: "B", 3: "H", 4: "I", 5: "I", 10: "i"}[kind]
        body = struct.pack(f"<{len(values)}{code}", *values)
        count = len(values) // 2 if kind in (5, 10) else len(values)
        if len(body) > 4:
            place = struct.pack("<I", after + len(outside))
            outside += body + b"\0" * (len(body) % 2)
        else:
            place = body.ljust(4, b"\0")
        directory += struct.pack("<HHI", tag, kind, count) + place
    return directory + b"\0\0\0\0", outside


def dng_with_preview(preview: bytes, size: tuple[int, int], orientation: int) -> bytes:
    """A DNG whose first directory is a JPEG, and whose SubIFD is a flat grey sensor."""
    width, height = size
    sensor = struct.pack("<H", 4000) * (width * height)
    text = tuple(b"Test Camera\0")
    matrix = (1, 1, 0, 1, 0, 1, 0, 1, 1, 1, 0, 1, 0, 1, 0, 1, 1, 1)

    def build(sub_at: int, preview_at: int, sensor_at: int) -> tuple[bytes, bytes]:
        first = ifd(
            [
                (254, 4, (1,)),
                (256, 4, (width,)),
                (257, 4, (height,)),
                (258, 3, (8, 8, 8)),
                (259, 3, (7,)),
                (262, 3, (6,)),
                (271, 2, text),
                (272, 2, text),
                (273, 4, (preview_at,)),
                (274, 3, (orientation,)),
                (277, 3, (3,)),
                (278, 4, (height,)),
                (279, 4, (len(preview),)),
                (330, 4, (sub_at,)),
                (50706, 1, (1, 4, 0, 0)),
                (50707, 1, (1, 1, 0, 0)),
                (50708, 2, text),
                (50721, 10, matrix),
                (50728, 5, (1, 1, 1, 1, 1, 1)),
                (50778, 3, (21,)),
            ],
            8,
        )
        second = ifd(
            [
                (254, 4, (0,)),
                (256, 4, (width,)),
                (257, 4, (height,)),
                (258, 3, (16,)),
                (259, 3, (1,)),
                (262, 3, (32803,)),
                (273, 4, (sensor_at,)),
                (277, 3, (1,)),
                (278, 4, (height,)),
                (279, 4, (len(sensor),)),
                (33421, 3, (2, 2)),
                (33422, 1, (0, 1, 1, 2)),
                (50714, 3, (200,)),
                (50717, 3, (16200,)),
            ],
            sub_at,
        )
        return b"".join(first), b"".join(second)

    first, second = build(0, 0, 0)
    sub_at = 8 + len(first)
    preview_at = sub_at + len(second)
    first, second = build(sub_at, preview_at, preview_at + len(preview))
    return b"II*\0" + struct.pack("<I", 8) + first + second + preview + sensor


@pytest.fixture(scope="module")
def face(photo) -> Image.Image:
    """A part of it, 192×192: HEIC is encoded slowly."""
    return photo.crop((130, 30, 322, 222))


def test_avif(photo, encode):
    result = validate(encode(photo, "AVIF", quality=90))

    assert (result.body["format"], result.body["mime"]) == ("avif", "image/avif")
    assert error_of(result.preview, photo) < 5


def test_heic(face):
    result = validate(heic(face))

    assert (result.body["format"], result.body["mime"]) == ("heic", "image/heic")
    assert (result.body["width"], result.body["height"]) == (192, 192)
    assert error_of(result.preview, face) < 5


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_heic_is_upright_by_its_container(face, orientation):
    landscape = face.crop((0, 0, 192, 120))
    stored = {
        1: lambda i: i,
        2: lambda i: i.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        3: lambda i: i.transpose(Image.Transpose.ROTATE_180),
        4: lambda i: i.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
        5: lambda i: i.transpose(Image.Transpose.TRANSPOSE),
        6: lambda i: i.transpose(Image.Transpose.ROTATE_90),
        7: lambda i: i.transpose(Image.Transpose.TRANSVERSE),
        8: lambda i: i.transpose(Image.Transpose.ROTATE_270),
    }[orientation](landscape)
    exif = Image.Exif()
    exif[0x0112] = orientation

    result = validate(heic(stored, exif=exif.tobytes()))

    assert (result.body["width"], result.body["height"]) == (192, 120)
    assert error_of(result.preview, landscape) < 6


def test_a_heic_of_ten_bits_keeps_its_picture(face):
    pixels = np.asarray(face).astype(np.uint16) * 257
    out = io.BytesIO()
    pillow_heif.options.SAVE_HDR_TO_12_BIT = False
    pillow_heif.encode("RGB;16", face.size, pixels.tobytes(), out, format="HEIF", quality=90)

    result = validate(out.getvalue())

    assert result.body["bit_depth"] == 10
    assert error_of(result.preview, face) < 5


def test_heic_transparency_is_laid_over_white(face):
    clear = face.copy()
    clear.putalpha(0)

    result = validate(heic(clear))

    assert result.body["alpha"] is True
    assert np.asarray(opened(result.preview)).min() > 245


@pytest.mark.parametrize("make", [heic, dng], ids=["heic", "dng"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_cut_files_are_refused_as_truncated(face, make, share):
    data = make(face)

    with pytest.raises(Rejected) as refused:
        validate(data[: int(len(data) * share)])

    assert refused.value.failure_class == "truncated"


def test_a_dng_without_preview_is_developed(photo):
    result = validate(dng(photo))

    body = result.body
    assert (body["format"], body["decoded_from"], body["bit_depth"]) == ("dng", "sensor", 14)
    assert (body["width"], body["height"]) == (512, 512)
    assert body["exif"]["camera_make"] == "Test"
    shown = np.asarray(opened(result.preview).convert("L"), float).ravel()
    meant = np.asarray(photo.convert("L"), float).ravel()
    assert np.corrcoef(shown, meant)[0, 1] > 0.9


def test_a_turned_dng_is_upright(photo):
    landscape = photo.crop((0, 0, 512, 320))
    stored = landscape.transpose(Image.Transpose.ROTATE_90)

    result = validate(dng(stored, orientation=6))

    assert (result.body["width"], result.body["height"]) == (512, 320)
    shown = np.asarray(opened(result.preview).convert("L"), float).ravel()
    meant = np.asarray(landscape.convert("L"), float).ravel()
    assert np.corrcoef(shown, meant)[0, 1] > 0.9


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_a_dng_shows_the_preview_its_camera_embedded(photo, encode, orientation):
    landscape = photo.resize((1600, 1000))
    turn = {1: None, 3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90}
    turn[8] = Image.Transpose.ROTATE_270
    stored = landscape if orientation == 1 else landscape.transpose(turn[orientation])
    data = dng_with_preview(encode(stored, "JPEG", quality=90), stored.size, orientation)

    result = validate(data)

    body = result.body
    assert (body["format"], body["decoded_from"]) == ("dng", "embedded_preview")
    assert (body["width"], body["height"], body["orientation"]) == (1600, 1000, orientation)
    assert error_of(result.preview, landscape.resize((1024, 640))) < 5


def test_a_dng_cut_in_its_sensor_data_is_refused_though_its_preview_is_whole(photo, encode):
    landscape = photo.resize((1600, 1000))
    data = dng_with_preview(encode(landscape, "JPEG"), landscape.size, 1)

    with pytest.raises(Rejected) as refused:
        validate(data[:-1000])

    assert refused.value.failure_class == "truncated"


def test_an_mpo_shows_its_first_picture(photo, quadrants, encode):
    data = encode(photo, "MPO", save_all=True, append_images=[quadrants], quality=90)

    result = validate(data)

    assert (result.body["format"], result.body["frames"]) == ("jpeg", 2)
    assert result.body["animated"] is False
    assert error_of(result.preview, photo) < 6


def test_an_animated_png_says_so(photo, quadrants, encode):
    data = encode(photo, "PNG", save_all=True, append_images=[photo.rotate(90), photo.rotate(180)])

    result = validate(data)

    assert (result.body["frames"], result.body["animated"]) == (3, True)
    assert error_of(result.preview, photo) < 5


def test_an_animated_webp_shows_its_first_frame(photo, encode):
    frames = [photo.rotate(90), photo.rotate(180)]
    data = encode(photo, "WEBP", save_all=True, append_images=frames, lossless=True)

    result = validate(data)

    assert (result.body["frames"], result.body["animated"]) == (3, True)
    assert error_of(result.preview, photo) < 5


def test_a_tiff_of_many_pages_shows_its_first(photo, encode):
    pages = [photo.rotate(90).resize((64, 64))] * 3
    result = validate(encode(photo, "TIFF", save_all=True, append_images=pages))

    assert (result.body["frames"], result.body["animated"]) == (4, False)
    assert error_of(result.preview, photo) < 5


@pytest.mark.parametrize(
    "options",
    [
        {"tile": (64, 64)},
        {"compression": "deflate", "predictor": True},
        {"planarconfig": "separate"},
        {"bigtiff": True},
        {"byteorder": ">"},
    ],
    ids=str,
)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_tiffs_of_many_layouts_and_depths(photo, options, dtype):
    pixels = np.asarray(photo).astype(dtype) * (257 if dtype is np.uint16 else 1)
    if options.get("planarconfig"):
        pixels = np.moveaxis(pixels, -1, 0)
    out = io.BytesIO()
    tifffile.imwrite(out, pixels, photometric="rgb", **options)

    result = validate(out.getvalue())

    assert result.body["bit_depth"] == np.dtype(dtype).itemsize * 8
    assert error_of(result.preview, photo) < 5


@pytest.mark.parametrize(
    "samples",
    [
        lambda grey: grey.astype(np.float32) / 255,
        lambda grey: grey.astype(np.float32),
        lambda grey: grey.astype(np.uint32) * 16_843_009,
        lambda grey: grey.astype(np.int16) * 100 - 12_000,
    ],
    ids=["0 to 1", "0 to 255", "32 bits", "signed"],
)
def test_measurements_are_stretched_to_a_picture(photo, samples):
    grey = photo.convert("L")
    out = io.BytesIO()
    tifffile.imwrite(out, samples(np.asarray(grey)), photometric="minisblack")

    assert error_of(validate(out.getvalue()).preview, grey.convert("RGB")) < 4


def test_pixels_that_are_no_numbers_give_finite_facts():
    out = io.BytesIO()
    tifffile.imwrite(out, np.full((64, 64), np.nan, np.float32), photometric="minisblack")

    assert validate(out.getvalue()).body["technical"]["brightness"] == 0.0


def test_samples_beyond_colour_are_not_taken_for_transparency(photo):
    pixels = np.asarray(photo)
    out = io.BytesIO()
    tifffile.imwrite(out, np.dstack([pixels, pixels[..., :2]]), photometric="rgb")

    result = validate(out.getvalue())

    assert (result.body["alpha"], result.body["channels"]) == (False, 5)
    assert error_of(result.preview, photo) < 5


def test_a_sound_file_of_a_rare_kind_is_unsupported_not_damaged(photo):
    out = io.BytesIO()
    tifffile.imwrite(out, np.asarray(photo), photometric="rgb", compression="lzma")

    with pytest.raises(Rejected) as refused:
        validate(out.getvalue())

    assert refused.value.failure_class == "unsupported_format"


@pytest.mark.parametrize(
    "options",
    [
        {"progressive": True},
        {"subsampling": "4:2:2"},
        {"subsampling": "4:4:4"},
        {"subsampling": "4:1:1"},
        {"restart_marker_blocks": 4},
    ],
    ids=str,
)
def test_jpegs_of_every_kind(photo, encode, options):
    result = validate(encode(photo, "JPEG", quality=95, **options))

    assert error_of(result.preview, photo) < 6


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "I;16"])
def test_pngs_of_every_mode(photo, encode, mode):
    source = photo.convert("L") if "I" in mode else photo
    image = source.convert("I").point(lambda v: v * 257) if mode == "I;16" else source
    image = image.convert(mode)

    result = validate(encode(image, "PNG"))

    expected = photo.convert("P" if mode == "P" else "1" if mode == "1" else "L")
    if mode in ("RGBA", "P"):
        expected = photo
    assert error_of(result.preview, expected.convert("RGB")) < 12


def chunk(kind: bytes, body: bytes) -> bytes:
    crc = zlib.crc32(kind + body)
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", crc)


def test_an_interlaced_png(encode):
    """Pillow cannot write Adam7, so this one is made by hand: 8×8, all passes, one grey."""
    sizes = [(1, 1), (1, 1), (2, 1), (2, 2), (4, 2), (4, 4), (8, 4)]
    rows = b"".join((b"\0" + b"\x80" * width) * height for width, height in sizes)
    header = struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 1)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    data += chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")

    assert np.abs(np.asarray(opened(validate(data).preview), int) - 0x80).max() <= 2


class TestHostile:
    def test_a_bomb_is_refused_from_its_header(self):
        header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
        rows = zlib.compress(b"\0" * 2_000_000)
        data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
        data += chunk(b"IDAT", rows) + chunk(b"IEND", b"")

        with pytest.raises(Rejected) as refused:
            validate(data)

        assert refused.value.failure_class == "too_many_pixels"

    def test_a_gif_that_claims_a_vast_screen_is_refused(self, quadrants, encode):
        data = bytearray(encode(quadrants, "GIF"))
        vast = struct.pack("<HH", 65535, 65535)
        picture = data.index(b",\0\0\0\0" + struct.pack("<HH", 64, 32))
        data[6:10] = data[picture + 5 : picture + 9] = vast

        with pytest.raises(Rejected) as refused:
            validate(bytes(data))

        assert refused.value.failure_class == "too_many_pixels"

    def test_endless_jpeg_metadata_is_refused(self, photo, encode):
        plain = encode(photo, "JPEG")
        segment = b"\xff\xef" + struct.pack(">H", 65535) + b"x" * 65533
        data = plain[:2] + segment * 300 + plain[2:]

        with pytest.raises(Rejected) as refused:
            validate(data)

        assert refused.value.failure_class == "too_much_metadata"

    def test_endless_png_chunks_are_refused(self, photo, encode):
        plain = encode(photo, "PNG")
        data = plain[:33] + chunk(b"tEXt", b"a\0b") * 6000 + plain[33:]

        with pytest.raises(Rejected) as refused:
            validate(data)

        assert refused.value.failure_class == "too_much_metadata"

    def test_a_compressed_text_bomb_in_a_png_does_not_unpack(self, photo, encode):
        plain = encode(photo, "PNG")
        bomb = chunk(b"zTXt", b"a\0\0" + zlib.compress(b"x" * 50_000_000))

        # The pixels are sound, so the bomb is left packed and the picture accepted.
        assert validate(plain[:33] + bomb + plain[33:]).body["width"] == 512

    def test_a_polyglot_is_only_its_image(self, photo, encode):
        archive = b"PK\x03\x04" + b"payload.exe" * 100
        result = validate(encode(photo, "JPEG") + archive)

        assert result.body["format"] == "jpeg"
        assert b"payload" not in result.preview + result.thumbnail

    def test_a_wrong_extension_or_magic_from_another_format_cannot_choose_a_decoder(self, photo):
        with pytest.raises(Rejected) as refused:
            validate(b"\xff\xd8\xff\xe0" + b"\x89PNG\r\n\x1a\n" * 50)

        assert refused.value.failure_class in ("truncated", "corrupt")

    def test_frames_without_end_are_refused(self, photo, encode):
        data = encode(photo, "PNG", save_all=True, append_images=[photo.rotate(90)])
        data = data.replace(b"acTL\0\0\0\x02", b"acTL\x7f\xff\xff\xff", 1)

        with pytest.raises(Rejected) as refused:
            validate(data, Limits())

        assert refused.value.failure_class == "too_many_frames"
