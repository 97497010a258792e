"""What people do to copies of a picture: `bench.resemblance` asks whether they are recognised."""

from __future__ import annotations

import io
from collections.abc import Callable

from PIL import Image, ImageDraw, ImageEnhance, ImageOps

Change = Callable[[Image.Image], Image.Image]


def cropped(image: Image.Image, *edges: float) -> Image.Image:
    """Without these shares of the left, the top, the right and the bottom."""
    left, top, right, bottom = edges
    w, h = image.size
    return image.crop(
        (round(w * left), round(h * top), round(w * (1 - right)), round(h * (1 - bottom)))
    )


def resized(image: Image.Image, factor: float) -> Image.Image:
    size = (max(16, round(image.width * factor)), max(16, round(image.height * factor)))
    return image.resize(size, Image.Resampling.LANCZOS)


def recompressed(image: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert("RGB")


def brighter(image: Image.Image, factor: float) -> Image.Image:
    return ImageEnhance.Brightness(image).enhance(factor)


def bordered(image: Image.Image, share: float, colour: str) -> Image.Image:
    return ImageOps.expand(image, round(share * min(image.size)), colour)


def captioned(
    image: Image.Image, share: float, *, below: bool, colours: tuple[str, str]
) -> Image.Image:
    ground, ink = colours
    strip = round(share * image.height)
    page = Image.new("RGB", (image.width, image.height + strip), ground)
    page.paste(image, (0, 0 if below else strip))
    at = (image.width / 2, image.height + strip / 2 if below else strip / 2)
    ImageDraw.Draw(page).text(
        at, "A quiet morning, 12 May", fill=ink, font_size=max(6, round(strip * 0.4)), anchor="mm"
    )
    return page


def marked(image: Image.Image, alpha: float, *, tiled: bool) -> Image.Image:
    """With a white text across the middle, or all over it."""
    layer = Image.new("L", image.size, 0)
    draw, (w, h) = ImageDraw.Draw(layer), image.size
    level = round(255 * alpha)
    if tiled:
        for n in range(4):
            for k in range(3):
                at = ((k + 0.5 * (n % 2) + 0.25) * w / 3, (n + 0.5) * h / 4)
                draw.text(at, "SAMPLE", fill=level, font_size=max(6, w // 18), anchor="mm")
    else:
        draw.text((w / 2, h / 2), "© EXAMPLE", fill=level, font_size=max(6, w // 8), anchor="mm")
    return Image.composite(Image.new("RGB", image.size, "white"), image, layer)


def signed(image: Image.Image) -> Image.Image:
    """With a small opaque logo in a corner."""
    copy = image.copy()
    w, h = copy.size
    box = (round(w * 0.78), round(h * 0.88), round(w * 0.97), round(h * 0.97))
    draw = ImageDraw.Draw(copy)
    draw.rectangle(box, fill="#c02020")
    middle = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
    draw.text(middle, "LOGO", fill="white", font_size=max(6, round(h * 0.06)), anchor="mm")
    return copy


CHANGES: dict[str, Change] = {
    "resized to a half, quality 75": lambda i: recompressed(resized(i, 0.5), 75),
    "resized to a quarter, quality 75": lambda i: recompressed(resized(i, 0.25), 75),
    "resized to 0.37, lossless": lambda i: resized(i, 0.37),
    "recompressed, quality 25": lambda i: recompressed(i, 25),
    "greyscale": lambda i: i.convert("L").convert("RGB"),
    "brightness 0.8": lambda i: brighter(i, 0.8),
    "brightness 1.2": lambda i: recompressed(brighter(i, 1.2), 85),
    "watermark across the middle": lambda i: marked(i, 0.5, tiled=False),
    "watermark all over": lambda i: marked(i, 0.35, tiled=True),
    "logo in a corner": signed,
    "white border of 5 %": lambda i: bordered(i, 0.05, "white"),
    "black border of 10 %": lambda i: recompressed(bordered(i, 0.1, "black"), 85),
    "caption below, 12 %": lambda i: captioned(i, 0.12, below=True, colours=("white", "black")),
    "caption above, 15 %": lambda i: recompressed(
        captioned(i, 0.15, below=False, colours=("black", "white")), 85
    ),
    "cropped 5 % per side": lambda i: recompressed(cropped(i, 0.05, 0.05, 0.05, 0.05), 85),
    "cropped 10 % per side": lambda i: recompressed(cropped(i, 0.1, 0.1, 0.1, 0.1), 85),
    "cropped 10 % on the left": lambda i: cropped(i, 0.1, 0, 0, 0),
    "cropped 10 % below": lambda i: cropped(i, 0, 0, 0, 0.1),
    "cropped 7 % on the right and 3 % above": lambda i: cropped(i, 0, 0.03, 0.07, 0),
    "mirrored": lambda i: recompressed(i.transpose(Image.Transpose.FLIP_LEFT_RIGHT), 85),
}
