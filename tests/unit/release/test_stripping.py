"""What original bytes say beside the picture is gone, and no pixel is another."""

from __future__ import annotations

import io
import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms, PngImagePlugin

from parjanya_dagster.errors import ReleaseBroken
from parjanya_dagster.release.stripping import STRIPPED, strip

SECRET = b"at home, 52.5 north"
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def saved(fmt: str, orientation: int = 1, **more: object) -> bytes:
    field = Image.radial_gradient("L").resize((60, 40)).convert("RGB")
    exif = Image.Exif()
    exif[0x010E], exif[0x0112] = SECRET.decode(), orientation
    buffer = io.BytesIO()
    if fmt == "png":
        text = PngImagePlugin.PngInfo()
        text.add_text("Comment", SECRET.decode())
        text.add_itxt("XML:com.adobe.xmp", SECRET.decode())
        more["pnginfo"] = text
    if fmt in ("jpeg", "gif"):
        more["comment"] = SECRET
    if fmt in ("jpeg", "webp"):
        more["xmp"] = b"<x>" + SECRET + b"</x>"
    if fmt not in ("gif", "bmp"):
        more |= {"exif": exif, "icc_profile": PROFILE}
    field.save(buffer, fmt, **more)
    data = buffer.getvalue()
    if fmt == "webp":  # what is appended lies within RIFF or behind it
        return data + SECRET
    return data + SECRET


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("fmt", STRIPPED)
def test_nothing_is_left_but_pixels_profile_and_orientation(fmt: str, orientation: int) -> None:
    data = saved(fmt, orientation)
    assert SECRET in data
    bare = strip(data, fmt, orientation)
    assert SECRET not in bare
    before, after = (Image.open(io.BytesIO(one)) for one in (data, bare))
    assert after.convert("RGB").tobytes() == before.convert("RGB").tobytes()
    if fmt not in ("gif", "bmp"):
        assert after.info["icc_profile"] == PROFILE
        assert dict(after.getexif()) == ({} if orientation == 1 else {0x0112: orientation})
        assert "xmp" not in after.info
    assert strip(bare, fmt, orientation) == bare


@pytest.mark.parametrize("more", [{"progressive": True}, {"subsampling": 2}, {"quality": 100}])
def test_every_scan_of_a_jpeg_is_kept(more: dict[str, object]) -> None:
    data = saved("jpeg", **more)
    before, after = (Image.open(io.BytesIO(one)) for one in (data, strip(data, "jpeg")))
    assert after.tobytes() == before.tobytes()


def test_a_thumbnail_of_jfif_and_a_second_picture_behind_the_first_are_left_out() -> None:
    data = saved("jpeg")
    jfif = b"JFIF\0\1\2\0\0\1\0\1\1\1" + SECRET[:3]
    thumbnail = data[:2] + b"\xff\xe0" + struct.pack(">H", len(jfif) + 2) + jfif
    start = data.index(b"\xff\xe1")
    bare = strip(thumbnail + data[start:] + saved("jpeg"), "jpeg")
    assert SECRET[:3] not in bare[:60]
    assert bare.count(b"\xff\xd9") == 1


def segment(marker: int, content: bytes) -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", len(content) + 2) + content


JPEG = saved("jpeg", optimize=True)[: -len(SECRET)]
DAMAGED = {
    "between its segments": JPEG[:20] + SECRET + JPEG[20:],
    "in a segment of nobody's": JPEG[:-2] + segment(0xF0, SECRET) + JPEG[-2:],
    "in a picture behind one without end": JPEG[:-2] + saved("jpeg") + bytes(70_000) + JPEG[-2:],
}


@pytest.mark.parametrize("where", DAMAGED)
def test_what_decoders_overlook_in_a_jpeg_is_left_out(where: str) -> None:
    bare = strip(DAMAGED[where], "jpeg")
    assert SECRET not in bare
    assert Image.open(io.BytesIO(bare)).tobytes() == Image.open(io.BytesIO(JPEG)).tobytes()


def test_what_is_in_a_frame_of_a_webp_beside_its_picture_is_left_out() -> None:
    buffer = io.BytesIO()
    frames = [Image.new("RGB", (9, 9), (60 * n, 9, 9)) for n in range(2)]
    frames[0].save(buffer, "webp", save_all=True, append_images=frames[1:])
    data = buffer.getvalue()
    at = data.index(b"ANMF")
    (size,) = struct.unpack_from("<I", data, at + 4)
    end, more = at + 8 + size, struct.pack("<4sI", b"note", len(SECRET)) + SECRET + b"\0"
    told = data[: at + 4] + struct.pack("<I", size + len(more)) + data[at + 8 : end] + more
    told += data[end:]
    told = told[:4] + struct.pack("<I", len(told) - 8) + told[8:]
    assert strip(told, "webp") == strip(data, "webp") == data


@pytest.mark.parametrize("claimed", [0, 60, 2**32 - 1])
@pytest.mark.parametrize("mode", ["1", "L", "RGB", "RGBA"])
def test_a_bmp_that_is_wrong_of_its_size_keeps_its_pixels_alone(mode: str, claimed: int) -> None:
    buffer = io.BytesIO()
    Image.radial_gradient("L").resize((61, 40)).convert(mode).save(buffer, "bmp")
    data = buffer.getvalue()
    told = data[:2] + struct.pack("<I", claimed) + data[6:] + SECRET
    assert strip(told, "bmp") == data


@pytest.mark.parametrize(
    ("bits", "runs"),
    [(8, b"\x03\x07\0\0\0\x03\x01\x02\x03\0\0\1"), (4, b"\x03\x77\0\0\0\x03\x12\x30\0\1")],
)
def test_a_bmp_of_runs_ends_where_they_end(bits: int, runs: bytes) -> None:
    palette = bytes(4 << bits)
    head = struct.pack("<IiiHHIIiiII", 40, 3, 2, 1, bits, 1 if bits == 8 else 2, 0, 0, 0, 0, 0)
    start = 14 + len(head) + len(palette)
    data = struct.pack("<2sIII", b"BM", start + len(runs), 0, start) + head + palette + runs
    Image.open(io.BytesIO(data)).load()
    assert strip(data + SECRET, "bmp") == data


def test_every_frame_of_a_moving_picture_is_kept() -> None:
    frames = [Image.new("P", (9, 9), n) for n in range(4)]
    for n, frame in enumerate(frames):
        frame.putpalette([60 * n, 9, 9] * 256)
    for fmt in ("gif", "webp", "png"):
        buffer = io.BytesIO()
        frames[0].save(buffer, fmt, save_all=True, append_images=frames[1:], duration=50, loop=0)
        before, after = (
            Image.open(io.BytesIO(one))
            for one in (buffer.getvalue(), strip(buffer.getvalue(), fmt))
        )
        assert (after.n_frames, after.info.get("loop")) == (before.n_frames, 0)  # type: ignore[attr-defined]


@given(cut=st.integers(0, 900), fmt=st.sampled_from(STRIPPED))
def test_what_is_cut_off_is_told_or_is_a_picture_without_secrets(cut: int, fmt: str) -> None:
    data = saved(fmt)
    with suppress(ReleaseBroken):
        assert SECRET not in strip(data[: min(cut, len(data) - len(SECRET))], fmt)


def test_what_cannot_be_taken_apart_is_refused() -> None:
    with pytest.raises(ReleaseBroken):
        strip(b"\0" * 90, "heic")
