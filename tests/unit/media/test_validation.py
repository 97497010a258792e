from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys

import imagehash
import numpy as np
import pytest
from PIL import Image, ImageCms
from PIL.TiffImagePlugin import IFDRational

from parjanya_dagster.media import Limits, Rejected, validate

FORMATS = {
    "jpeg": ("JPEG", {"quality": 92}),
    "png": ("PNG", {}),
    "webp": ("WEBP", {"quality": 90}),
    "tiff": ("TIFF", {"compression": "tiff_lzw"}),
    "bmp": ("BMP", {}),
    "gif": ("GIF", {}),
}


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


@pytest.mark.parametrize("fmt", FORMATS)
def test_every_format_gives_facts_and_a_faithful_preview(photo, encode, fmt):
    name, options = FORMATS[fmt]
    data = encode(photo, name, **options)

    result = validate(data)

    body = result.body
    assert (body["format"], body["width"], body["height"]) == (fmt, 512, 512)
    assert body["mime"] == f"image/{fmt}"
    assert body["bytes"] == len(data)
    assert body["sha256"] == hashlib.sha256(data).hexdigest()
    assert (body["frames"], body["animated"], body["alpha"]) == (1, False, False)
    preview = opened(result.preview)
    assert preview.format == "JPEG"
    difference = np.asarray(preview, float) - np.asarray(photo, float)
    assert np.sqrt((difference**2).mean()) < (12 if fmt == "gif" else 6)
    assert max(opened(result.thumbnail).size) == 256


def test_the_body_is_finite_json(photo, encode):
    body = validate(encode(photo, "PNG")).body

    assert json.loads(json.dumps(body, allow_nan=False)) == body


@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize("share", [0.02, 0.5, 0.9, 0.99])
def test_a_cut_file_is_refused_as_truncated_never_padded(photo, encode, fmt, share):
    name, options = FORMATS[fmt]
    data = encode(photo, name, **options)

    with pytest.raises(Rejected) as refused:
        validate(data[: int(len(data) * share)])

    assert refused.value.failure_class == "truncated"
    assert refused.value.reason.endswith(".")


@pytest.mark.parametrize("progressive", [False, True])
def test_a_large_jpeg_cut_near_its_end_is_found_though_it_is_decoded_smaller(
    photo, encode, progressive
):
    data = encode(photo.resize((4000, 3000)), "JPEG", quality=80, progressive=progressive)
    assert validate(data).body["width"] == 4000

    with pytest.raises(Rejected) as refused:
        validate(data[:-40])

    assert refused.value.failure_class == "truncated"


def test_damage_inside_a_jpeg_is_refused(photo, encode):
    data = bytearray(encode(photo, "JPEG", quality=90, progressive=True))
    data[len(data) // 2 : len(data) // 2 + 20] = bytes(20)

    with pytest.raises(Rejected) as refused:
        validate(bytes(data))

    assert refused.value.failure_class == "corrupt"


def test_bytes_after_the_end_of_a_jpeg_are_harmless(photo, encode):
    assert validate(encode(photo, "JPEG") + b"junk" * 100).body["format"] == "jpeg"


def test_padding_before_the_last_marker_of_a_jpeg_is_harmless_but_not_beside_damage(photo, encode):
    data = encode(photo, "JPEG", quality=90, progressive=True)
    padded = data[:-2] + b"\x12\x34\x56" + data[-2:]
    assert validate(padded).body["phash"] == validate(data).body["phash"]

    half = len(padded) // 2
    with pytest.raises(Rejected) as refused:
        validate(padded[:half] + bytes(20) + padded[half + 20 :])
    assert refused.value.failure_class == "corrupt"


@pytest.mark.parametrize(
    ("data", "failure_class"),
    [
        (b"", "empty"),
        (b"Hello, I am a text file that is called holiday.jpg.\n" * 20, "not_an_image"),
        (b"BM is how this sentence starts, and it is no bitmap at all.", "not_an_image"),
        (b"\0" * 5000, "not_an_image"),
        (b"%PDF-1.7 ...", "unsupported_format"),
        (b"PK\x03\x04" + b"x" * 100, "unsupported_format"),
        (b"\xff\xd8\xff", "truncated"),
        (b"\x89PNG\r\n\x1a\n", "truncated"),
        (b"GIF89a", "truncated"),
    ],
)
def test_what_is_no_image_is_refused_by_its_class(data, failure_class):
    with pytest.raises(Rejected) as refused:
        validate(data)

    assert refused.value.failure_class == failure_class


def test_limits_are_checked_from_the_header(photo, encode):
    data = encode(photo, "PNG")
    for limits, failure_class in [
        (Limits(max_bytes=1000), "too_many_bytes"),
        (Limits(max_pixels=512 * 511), "too_many_pixels"),
        (Limits(max_side=511), "too_large_dimensions"),
    ]:
        # The pixels are gone: only a check before decoding can give this class.
        with pytest.raises(Rejected) as refused:
            validate(data[:40000], limits)
        assert refused.value.failure_class == failure_class


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_comes_out_upright(quadrants, encode, orientation):
    # What a camera stores so that a viewer, obeying the tag, sees `quadrants`.
    stored = {
        1: lambda i: i,
        2: lambda i: i.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        3: lambda i: i.transpose(Image.Transpose.ROTATE_180),
        4: lambda i: i.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
        5: lambda i: i.transpose(Image.Transpose.TRANSPOSE),
        6: lambda i: i.transpose(Image.Transpose.ROTATE_90),
        7: lambda i: i.transpose(Image.Transpose.TRANSVERSE),
        8: lambda i: i.transpose(Image.Transpose.ROTATE_270),
    }[orientation](quadrants)
    exif = Image.Exif()
    exif[0x0112] = orientation

    result = validate(encode(stored, "JPEG", quality=100, subsampling=0, exif=exif))

    assert result.body["orientation"] == orientation
    assert (result.body["width"], result.body["height"]) == (64, 32)
    preview = np.asarray(opened(result.preview), int)
    assert np.abs(preview - np.asarray(quadrants, int)).mean() < 8


def test_the_perceptual_hash_is_imagehash_s(photo, encode):
    assert validate(encode(photo, "PNG")).body["phash"] == str(imagehash.phash(photo))


def test_the_perceptual_hash_survives_resizing_and_recompression(photo, encode):
    first = validate(encode(photo, "PNG")).body["phash"]
    second = validate(encode(photo.resize((300, 300)), "JPEG", quality=50)).body["phash"]

    assert bin(int(first, 16) ^ int(second, 16)).count("1") <= 4


def test_transparent_pixels_are_laid_over_white(encode):
    pixels = np.zeros((64, 64, 4), np.uint8)
    pixels[:, 32:] = (200, 0, 0, 255)

    result = validate(encode(Image.fromarray(pixels), "PNG"))

    assert result.body["alpha"] is True
    assert result.body["channels"] == 4
    preview = opened(result.preview)
    assert min(preview.getpixel((8, 32))) > 250
    assert preview.getpixel((56, 32))[1] < 20


def test_sixteen_bits_become_the_same_picture(encode):
    ramp = np.tile(np.linspace(0, 65535, 256, dtype=np.uint16), (64, 1))

    result = validate(encode(Image.fromarray(ramp), "PNG"))

    assert result.body["bit_depth"] == 16
    grey = np.asarray(opened(result.preview).convert("L"), int)
    assert np.abs(grey - np.arange(256)).max() <= 3


def test_cmyk_is_not_inverted(encode):
    paper_and_red = np.zeros((64, 64, 4), np.uint8)
    paper_and_red[:, 32:] = (0, 255, 255, 0)

    result = validate(encode(Image.fromarray(paper_and_red, "CMYK"), "JPEG", quality=95))

    assert result.body["channels"] == 4
    preview = opened(result.preview)
    assert min(preview.getpixel((8, 32))) > 240
    red, green, blue = preview.getpixel((56, 32))
    assert red > 180
    assert max(green, blue) < 90


def test_an_icc_profile_is_applied(photo, encode):
    """A profile with red and blue exchanged must exchange them back in the preview."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = srgb.replace(b"rXYZ", b"tmp!").replace(b"bXYZ", b"rXYZ").replace(b"tmp!", b"bXYZ")
    stored = Image.fromarray(np.asarray(photo)[..., ::-1].copy())

    result = validate(encode(stored, "PNG", icc_profile=swapped))

    difference = np.asarray(opened(result.preview), float) - np.asarray(photo, float)
    assert np.abs(difference).mean() < 6


def test_previews_carry_no_metadata(photo, encode):
    exif = Image.Exif()
    exif[0x010F] = "SECRETMAKER"
    exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 12.0, 0.0), 3: "E", 4: (11.0, 30.0, 0.0)})
    data = encode(photo, "JPEG", exif=exif, comment=b"SECRETCOMMENT", xmp=b"<SECRETXMP/>")

    result = validate(data)

    assert result.body["exif"]["gps_present"] is True
    for jpeg in (result.preview, result.thumbnail):
        assert b"SECRET" not in jpeg
        assert b"Exif" not in jpeg
        assert not opened(jpeg).getexif()


def test_exif_facts_are_read(photo, encode):
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "Canon", "EOS R5"
    exif.get_ifd(0x8769).update(
        {
            0x829A: IFDRational(1, 250),
            0x829D: IFDRational(28, 10),
            0x8827: 400,
            0x9003: "2024:05:06 07:08:09",
            0x9011: "+02:00",
            0x920A: IFDRational(35, 1),
            0xA434: "RF35mm",
        }
    )

    assert validate(encode(photo, "JPEG", exif=exif)).body["exif"] == {
        "gps_present": False,
        "camera_make": "Canon",
        "camera_model": "EOS R5",
        "lens": "RF35mm",
        "taken_at": "2024-05-06T07:08:09+02:00",
        "exposure_time": 0.004,
        "f_number": 2.8,
        "iso": 400,
        "focal_length_mm": 35.0,
        "sources": {"taken_at": "exif:DateTimeOriginal"},
    }


def test_coordinates_are_told_only_on_request(photo, encode):
    exif = Image.Exif()
    exif.get_ifd(0x8825).update({1: "S", 2: (33.0, 51.0, 30.0), 3: "E", 4: (151.0, 12.0, 36.0)})
    data = encode(photo, "JPEG", exif=exif)

    sources = {"position": "exif"}
    assert validate(data).body["exif"] == {"gps_present": True, "sources": sources}
    assert validate(data, coordinates=True).body["exif"] == {
        "gps_present": True,
        "sources": sources,
        "latitude": -33.858333,
        "longitude": 151.21,
    }


def test_an_animated_gif_shows_its_first_frame_and_says_so(quadrants, photo, encode):
    frames = [photo.resize((64, 32)), quadrants.transpose(Image.Transpose.ROTATE_180)]

    result = validate(encode(quadrants, "GIF", save_all=True, append_images=frames))

    assert (result.body["frames"], result.body["animated"]) == (3, True)
    assert opened(result.preview).getpixel((8, 8))[0] > 200


def test_too_many_frames_are_refused(quadrants, photo, encode):
    frames = [photo.resize((64, 32)).rotate(turn) for turn in range(5)]
    data = encode(quadrants, "GIF", save_all=True, append_images=frames)

    with pytest.raises(Rejected) as refused:
        validate(data, Limits(max_frames=4))

    assert refused.value.failure_class == "too_many_frames"


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1), (7, 5)])
def test_the_smallest_and_thinnest_images_pass(encode, size):
    body = validate(encode(Image.new("RGB", size, "grey"), "PNG")).body

    assert (body["width"], body["height"]) == size


def test_importing_media_loads_no_heavy_module():
    heavy = "{'numpy', 'pyvips', 'PIL', 'scipy', 'torch', 'dagster', 'pillow_heif', 'rawpy'}"
    code = f"import sys, parjanya_dagster.media; print(sorted({heavy} & set(sys.modules)))"

    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert out.stdout.strip() == "[]"
