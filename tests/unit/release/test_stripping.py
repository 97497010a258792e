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
