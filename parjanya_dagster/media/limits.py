"""How much of one image we are willing to read."""

from __future__ import annotations

from dataclasses import dataclass

from .errors import Rejected


@dataclass(frozen=True)
class Limits:
    """Bounds on one image, checked as soon as they can be: most before any pixel is decoded."""

    max_bytes: int = 256 * 1024 * 1024
    # 128 megapixels admit every camera on sale in one shot, and cost about 0.4 GB as 8-bit RGB.
    max_pixels: int = 128_000_000
    max_side: int = 65_500
    max_frames: int = 5_000
    max_metadata_bytes: int = 16 * 1024 * 1024

    def check_bytes(self, size: int) -> None:
        if size > self.max_bytes:
            raise Rejected(
                "too_many_bytes",
                f"The file has {size:,} bytes; at most {self.max_bytes:,} are accepted.",
            )

    def check_size(self, width: int, height: int) -> None:
        if width < 1 or height < 1:
            raise Rejected("corrupt", f"The header gives the size as {width} × {height} pixels.")
        if width * height > self.max_pixels:
            raise Rejected(
                "too_many_pixels",
                f"The image is {width} × {height} = {width * height:,} pixels; "
                f"at most {self.max_pixels:,} are accepted.",
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
