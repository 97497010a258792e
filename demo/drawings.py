"""Illustrations drawn with Pillow: flat scenes, tiles, a character, pixel art, watercolour.

Each drawing is a function of a random source and a palette, painted at twice its size and reduced,
so its edges are smooth. The same seed gives the same pixels.
"""

from __future__ import annotations

import io
import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFilter

Palette = tuple[str, ...]


@dataclass(frozen=True)
class Drawing:
    """One illustration; `data` is PNG bytes."""

    name: str
    tenant: str
    data: bytes


def drawings(seed: int = 7) -> Iterator[Drawing]:
    """Every illustration of the sample set, in order."""
    for scene in _SCENES:
        rng = random.Random(f"{seed} {scene.name}")
        width, height = scene.size
        large = scene.draw(rng, (2 * width, 2 * height), tuple(scene.colors.split()))
        image = large.resize(scene.size, Image.Resampling.LANCZOS)
        buffer = io.BytesIO()
        image.convert("RGB").save(buffer, "PNG", optimize=True)
        yield Drawing(scene.name, scene.tenant, buffer.getvalue())


def _gradient(size: tuple[int, int], top: str, bottom: str) -> Image.Image:
    mask = Image.linear_gradient("L").resize(size)
    return Image.composite(Image.new("RGB", size, bottom), Image.new("RGB", size, top), mask)


def _mountains(rng: random.Random, size: tuple[int, int], palette: Palette) -> Image.Image:
    w, h = size
    image = _gradient(size, palette[0], palette[1])
    pen = ImageDraw.Draw(image)
    x, y, r = rng.uniform(0.25, 0.75) * w, 0.36 * h, 0.11 * h
    pen.ellipse((x - r, y - r, x + r, y + r), fill=palette[2])
    for layer, color in enumerate(palette[3:]):
        base, rough = h * (0.48 + 0.13 * layer), h * 0.09
        phases = [rng.uniform(0, 6.28) for _ in range(4)]
        ridge = [
            (i, base + sum(rough / (k + 1) * math.sin(i / w * 5 * (k + 1) + p)
                           for k, p in enumerate(phases)))
            for i in range(0, w + 8, 8)
        ]  # fmt: skip
        pen.polygon([(0, h), *ridge, (w, h)], fill=color)
    return image


def _forest(rng: random.Random, size: tuple[int, int], palette: Palette) -> Image.Image:
    w, h = size
    image = _gradient(size, palette[0], palette[1])
    pen = ImageDraw.Draw(image)
    for layer, color in enumerate(palette[2:]):
        ground = h * (0.62 + 0.12 * layer)
        for _ in range(16 - 3 * layer):
            x, tall = rng.uniform(0, w), h * rng.uniform(0.22, 0.36) * (1 + 0.25 * layer)
            pen.rectangle(
                (x - tall * 0.03, ground - tall * 0.2, x + tall * 0.03, ground), "#4b3621"
            )
            for step in range(3):
                top = ground - tall + step * tall * 0.24
                half = tall * (0.14 + 0.06 * step)
                low = top + tall * 0.36
                pen.polygon([(x, top), (x - half, low), (x + half, low)], fill=color)
        pen.rectangle((0, ground, w, h), fill=color)
    return image


def _skyline(rng: random.Random, size: tuple[int, int], palette: Palette) -> Image.Image:
    w, h = size
    image = _gradient(size, palette[0], palette[1])
    pen = ImageDraw.Draw(image)
    pen.ellipse((w * 0.7, h * 0.1, w * 0.7 + h * 0.16, h * 0.26), fill=palette[2])
    for layer, color in enumerate(palette[3:5]):
        x = -rng.uniform(0, 60)
        while x < w:
            wide, tall = rng.uniform(0.06, 0.12) * w, h * rng.uniform(0.3, 0.65 - 0.15 * layer)
            pen.rectangle((x, h - tall, x + wide, h), fill=color)
            if layer:
                for row in range(int(tall // 56)):
                    for col in range(int(wide // 44)):
                        if rng.random() < 0.6:
                            cx, cy = x + 16 + col * 44, h - tall + 20 + row * 56
                            pen.rectangle((cx, cy, cx + 20, cy + 30), fill=palette[5])
            x += wide + rng.uniform(2, 30)
    return image


def _tiles(rng: random.Random, size: tuple[int, int], palette: Palette) -> Image.Image:
    w, h = size
    image = Image.new("RGB", size, palette[0])
    pen = ImageDraw.Draw(image)
    side = math.gcd(w, h)
    while side > w // 6:
        side //= 2
    for y in range(0, h, side):
        for x in range(0, w, side):
            ground, shape = rng.sample(palette, 2)
            pen.rectangle((x, y, x + side, y + side), fill=ground)
            turn = rng.randrange(4)
            if rng.random() < 0.4:
                cx, cy = x - side * (turn & 1), y - side * (turn >> 1)
                pen.pieslice((cx, cy, cx + 2 * side, cy + 2 * side), 0, 360, fill=shape)
                # The circle's other three quarters lie on tiles that are painted later or clipped.
                _repaint_outside(pen, x, y, side, turn, ground)
            elif rng.random() < 0.5:
                pen.ellipse((x + side * 0.2, y + side * 0.2, x + side * 0.8, y + side * 0.8), shape)
            else:
                corners = [(x, y), (x + side, y), (x + side, y + side), (x, y + side)]
                del corners[turn]
                pen.polygon(corners, fill=shape)
    return image


def _repaint_outside(
    pen: ImageDraw.ImageDraw, x: int, y: int, side: int, turn: int, ground: str
) -> None:
    dx, dy = -side if turn & 1 else side, -side if turn >> 1 else side
    for ox, oy in ((dx, 0), (0, dy), (dx, dy)):
        pen.rectangle((x + ox, y + oy, x + ox + side, y + oy + side), fill=ground)


def _cubes(rng: random.Random, size: tuple[int, int], palette: Palette) -> Image.Image:
    w, h = size
    image = _gradient(size, palette[0], palette[1])
    pen = ImageDraw.Draw(image)
    s = w / 12
    for row in range(9):
        for col in range(-1, 13):
            x = col * s + (row % 2) * s / 2
            y = h * 0.32 + row * s * 0.44 - rng.choice((0, 0, 1, 2)) * s * 0.4
            half, deep = s / 2, s * 0.29
            top, left, right = rng.choice((palette[2:5], palette[5:8]))
            pen.polygon(
                [(x, y), (x + half, y + deep), (x, y + 2 * deep), (x - half, y + deep)], top
            )
            pen.polygon([(x - half, y + deep), (x, y + 2 * deep), (x, h), (x - half, h)], left)
            pen.polygon([(x + half, y + deep), (x, y + 2 * deep), (x, h), (x + half, h)], right)
    return image


def _robot(rng: random.Random, size: tuple[int, int], palette: Palette) -> Image.Image:
    w, h = size
    image = Image.new("RGB", size, palette[0])
    pen = ImageDraw.Draw(image)
    for _ in range(26):
        x, y, r = rng.uniform(0, w), rng.uniform(0, h), rng.uniform(6, 26)
        pen.ellipse((x - r, y - r, x + r, y + r), fill=palette[1])
    stroke = int(h * 0.008)

    def box(x0: float, y0: float, x1: float, y1: float, radius: float, fill: str) -> None:
        pen.rounded_rectangle(
            (w * x0, h * y0, w * x1, h * y1), h * radius, fill, palette[5], stroke
        )

    pen.ellipse((w * 0.24, h * 0.88, w * 0.76, h * 0.95), fill=palette[1])
    pen.line((w * 0.5, h * 0.2, w * 0.5, h * 0.09), fill=palette[5], width=int(h * 0.012))
    pen.ellipse((w * 0.47, h * 0.05, w * 0.53, h * 0.05 + w * 0.06), palette[4], palette[5], stroke)
    box(0.39, 0.78, 0.46, 0.92, 0.02, palette[3])
    box(0.54, 0.78, 0.61, 0.92, 0.02, palette[3])
    box(0.24, 0.52, 0.34, 0.74, 0.04, palette[3])
    box(0.66, 0.52, 0.76, 0.74, 0.04, palette[3])
    box(0.34, 0.5, 0.66, 0.82, 0.05, palette[2])
    box(0.28, 0.18, 0.72, 0.48, 0.07, palette[2])
    box(0.33, 0.23, 0.67, 0.42, 0.05, palette[5])
    for x in (0.41, 0.54):
        pen.ellipse((w * x, h * 0.27, w * (x + 0.06), h * 0.27 + w * 0.06), fill=palette[4])
    pen.arc((w * 0.44, h * 0.3, w * 0.56, h * 0.39), 20, 160, palette[4], int(h * 0.01))
    for i in range(3):
        box(0.41 + i * 0.07, 0.6, 0.45 + i * 0.07, 0.65, 0.01, palette[4 - i % 2])
    return image


def _pixels(rng: random.Random, size: tuple[int, int], palette: Palette) -> Image.Image:
    """A mirrored sprite field: four by three little creatures."""
    small = Image.new("RGB", (48, 36), palette[0])
    for row in range(3):
        for col in range(4):
            skin, detail = rng.sample(palette[1:], 2)
            for y in range(9):
                for x in range(5):
                    if rng.random() < 0.58 - abs(y - 4) * 0.04:
                        color = detail if rng.random() < 0.25 else skin
                        for px in (x, 9 - x):
                            small.putpixel((col * 12 + 1 + px, row * 12 + 1 + y), _rgb(color))
    return small.resize(size, Image.Resampling.NEAREST)


def _watercolour(rng: random.Random, size: tuple[int, int], palette: Palette) -> Image.Image:
    w, h = size
    image = Image.new("RGB", size, palette[0])
    for _ in range(22):
        wash = Image.new("L", size, 0)
        pen = ImageDraw.Draw(wash)
        cx, cy, r = rng.uniform(0, w), rng.uniform(0, h), rng.uniform(0.08, 0.24) * w
        outline = [
            (cx + math.cos(a / 14 * 6.283) * r * rng.uniform(0.7, 1.15),
             cy + math.sin(a / 14 * 6.283) * r * rng.uniform(0.7, 1.15))
            for a in range(14)
        ]  # fmt: skip
        pen.polygon(outline, fill=rng.randrange(70, 150))
        wash = wash.filter(ImageFilter.GaussianBlur(rng.choice((4, 10, 30))))
        image.paste(Image.new("RGB", size, rng.choice(palette[1:])), (0, 0), wash)
    return image


def _mandala(rng: random.Random, size: tuple[int, int], palette: Palette) -> Image.Image:
    w, h = size
    image = Image.new("RGB", size, palette[0])
    pen = ImageDraw.Draw(image)
    cx, cy = w / 2, h / 2
    for ring in range(9, 0, -1):
        radius, petals = ring * min(w, h) * 0.052, rng.choice((8, 12, 16, 24))
        fill = palette[1 + ring % (len(palette) - 1)]
        for k in range(petals):
            a = 6.283 * k / petals + ring * 0.1
            x, y, r = cx + math.cos(a) * radius, cy + math.sin(a) * radius, radius * 3.4 / petals
            pen.ellipse((x - r, y - r, x + r, y + r), fill=fill, outline=palette[0], width=6)
    return image


def _rgb(color: str) -> tuple[int, int, int]:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


@dataclass(frozen=True)
class _Scene:
    name: str
    tenant: str
    size: tuple[int, int]
    draw: Callable[[random.Random, tuple[int, int], Palette], Image.Image]
    colors: str


_SCENES: tuple[_Scene, ...] = (
    _Scene("dusk-mountains", "acme", (1280, 800), _mountains,
           "#2b2d6e #f3a683 #fff3c9 #7a5c8e #58457a #3a2f5e #221c40"),
    _Scene("green-hills", "globex", (1200, 900), _mountains,
           "#bde0fe #fefae0 #ffd166 #a7c957 #6a994e #386641 #234d2c"),
    _Scene("winter-forest", "acme", (1000, 1000), _forest,
           "#dfe9f3 #ffffff #a9bfcf #6f8ea3 #3f5f75"),
    _Scene("autumn-forest", "globex", (1280, 853), _forest,
           "#ffe8c2 #ffd6a5 #e9a15b #c8691c #7f3b12"),
    _Scene("night-skyline", "acme", (1280, 720), _skyline,
           "#0b1033 #5a3d7a #fdf0c4 #2a2554 #14122f #ffd76a"),
    _Scene("tiles-warm", "acme", (960, 960), _tiles,
           "#f4ebd9 #e4572e #17bebb #ffc914 #2e282a"),
    _Scene("tiles-cool", "globex", (1280, 960), _tiles,
           "#edf2f4 #2b2d42 #8d99ae #ef233c #118ab2"),
    _Scene("cube-town", "globex", (1200, 800), _cubes,
           "#fdf0d5 #f7c59f #efefd0 #ff6b35 #d9480f #9ad1d4 #1a659e #004e89"),
    _Scene("robot", "acme", (800, 1000), _robot,
           "#ffe5ec #ffc2d1 #8ecae6 #219ebc #ffb703 #023047"),
    _Scene("robot-green", "globex", (900, 1000), _robot,
           "#edede9 #d6ccc2 #95d5b2 #52b788 #f4a261 #1b4332"),
    _Scene("pixel-creatures", "globex", (960, 720), _pixels,
           "#1d1128 #ff595e #ffca3a #8ac926 #1982c4 #e0aaff"),
    _Scene("watercolour", "acme", (1100, 850), _watercolour,
           "#fbf8f1 #3d5a80 #98c1d9 #ee6c4d #e0b1cb"),
    _Scene("mandala", "globex", (1000, 1000), _mandala,
           "#10002b #9d4edd #ff9e00 #48cae4 #f72585"),
)  # fmt: skip
