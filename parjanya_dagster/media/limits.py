"""How much of one image we are willing to read."""

from __future__ import annotations

from dataclasses import dataclass

from .errors import Rejected


@dataclass(frozen=True)
class Limits:
    """Bounds on one image, checked as soon as they can be: most before any pixel is decoded."""

    max_bytes: int = 256 * 1024 * 1024
    # Phones of 200 megapixels included. Beyond 64 a picture is made smaller while it is read.
    max_pixels: int = 256_000_000
    max_side: int = 65_500
    max_frames: int = 5_000
    max_metadata_bytes: int = 16 * 1024 * 1024

    def check_bytes(self, size: int) -> None:
        if size > self.max_bytes:
            raise Rejected(
                "too_many_bytes",
                f"The file has {size:,} bytes; at most {self.max_bytes:,} are accepted "
                "(PARJANYA_MEDIA__MAX_BYTES).",
            )

    def check_size(self, width: int, height: int) -> None:
        if width < 1 or height < 1:
            raise Rejected("corrupt", f"The header gives the size as {width} × {height} pixels.")
        if width * height > self.max_pixels:
            raise Rejected(
                "too_many_pixels",
                f"The image is {width} × {height} = {width * height:,} pixels; "
                f"at most {self.max_pixels:,} are accepted (PARJANYA_MEDIA__MAX_PIXELS).",
            )
        if max(width, height) > self.max_side:
            raise Rejected(
                "too_large_dimensions",
                f"The image is {width} × {height} pixels; "
                f"no side may be longer than {self.max_side:,}.",
            )

    def check_frames(self, frames: int) -> None:
        if frames > self.max_frames:
            raise Rejected(
                "too_many_frames",
                f"The image has {frames:,} frames or pages; "
                f"at most {self.max_frames:,} are accepted.",
            )
