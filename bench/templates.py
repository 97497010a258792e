"""Invoices, letters, certificates and shirts: several layouts, each filled with other content.

Drawn from a seed, so the same number gives the same page. Pages of one layout are different
documents, and none may be taken for another.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from PIL import Image, ImageDraw

VOCABULARY = """
Smith Okafor Haddad Nguyen Alvarez Kowalski Ito Baker Singh Moreau Lund Petrov
Anna Ben Chidi Dana Emil Farah Grace Hugo Ines Jonas Kira Liam Mona Noor
order while river market the payment of your garden with delivery signal old harbour we box station
Paper Toner Chair Lamp Desk Cable Screen Stand Clip Folder Stapler Mat
LOVE HOPE RUN 1987 TOKYO SURF JAZZ CODE WAVE PARIS NORTH BREW
"""
NAMES, FIRST, WORDS, GOODS, PRINTS = (line.split() for line in VOCABULARY.strip().splitlines())
INKS = ("black", "#202a44", "#333333", "#3b2314")
PAPERS = ("white", "#f5f5f5", "#fffaf0", "#f2f6ff")
Content = random.Random


def invoice(layout: random.Random, content: Content) -> Image.Image:
    page, draw = _page(layout, (1240, 1754))
    size, left, ink = layout.choice((26, 30, 34)), layout.randint(80, 160), layout.choice(INKS)
    draw.rectangle(
        (0, 0, 1240, layout.randint(60, 160)), fill=layout.choice(("#224466", "#884422"))
    )
    draw.text((left, 220), "INVOICE", fill=ink, font_size=2 * size)
    at = 360
    for label in ("Number", "Date", "Customer"):
        value = {
            "Number": f"{content.randint(10000, 99999)}",
            "Date": f"{content.randint(1, 28):02}.{content.randint(1, 12):02}.2025",
            "Customer": f"{content.choice(FIRST)} {content.choice(NAMES)}",
        }[label]
        draw.text((left, at), f"{label}:", fill=ink, font_size=size)
        draw.text((left + 260, at), value, fill=ink, font_size=size)
        at += 2 * size
    at, total = at + 80, 0
    for item in layout.sample(GOODS, layout.randint(4, 9)):  # the same goods, other numbers
        count, price = content.randint(1, 20), content.randint(200, 99999)
        total += count * price
        draw.line((left, at - 10, 1140, at - 10), fill="#999999", width=2)
        draw.text((left, at), item, fill=ink, font_size=size)
        draw.text((700, at), f"{count}", fill=ink, font_size=size)
        draw.text((920, at), f"{count * price / 100:.2f}", fill=ink, font_size=size)
        at += 2 * size
    draw.text((700, at + 40), f"Total {total / 100:.2f} EUR", fill=ink, font_size=size + 8)
    return page


def letter(layout: random.Random, content: Content) -> Image.Image:
    page, draw = _page(layout, (1240, 1754))
    size, left, ink = layout.choice((24, 28, 32)), layout.randint(80, 180), layout.choice(INKS)
    draw.text((left, 150), "Dear Sir or Madam,", fill=ink, font_size=size + 4)
    for line in range(layout.randint(5, 22)):
        text = " ".join(content.choices(WORDS, k=10))[: int(1000 / size * 1.7)]
        draw.text((left, 270 + line * round(1.6 * size)), text, fill=ink, font_size=size)
    return page


def certificate(layout: random.Random, content: Content) -> Image.Image:
    page, draw = _page(layout, (1200, 850))
    edge, ink = layout.randint(25, 60), layout.choice(INKS)
    draw.rectangle(
        (edge, edge, 1200 - edge, 850 - edge),
        outline=layout.choice(("#b8860b", "#224466", "#7a1f3d")),
        width=layout.randint(6, 18),
    )
    draw.text((600, 210), "Certificate", fill=ink, font_size=layout.randint(70, 110), anchor="mm")
    name = f"{content.choice(FIRST)} {content.choice(NAMES)}"
    draw.text((600, 425), name, fill="#000080", font_size=layout.randint(54, 76), anchor="mm")
    draw.text((600, 630), "has completed the course", fill=ink, font_size=46, anchor="mm")
    return page


def shirt(layout: random.Random, content: Content) -> Image.Image:
    page, draw = _page(layout, (1000, 1000))
    top, cloth = (
        layout.randint(140, 220),
        layout.choice(("#1c2a4a", "#7a1f3d", "#222222", "#ffd500")),
    )
    outline = [(400, top), (600, top), (750, top + 70), (850, top + 240), (740, top + 300),
               (700, top + 220), (700, 850), (300, 850), (300, top + 220), (260, top + 300),
               (150, top + 240), (250, top + 70)]  # fmt: skip
    draw.polygon(outline, fill=cloth)
    size, at = layout.randint(56, 96), (500, top + layout.randint(200, 320))
    ink = "black" if cloth == "#ffd500" else "white"
    draw.text(at, content.choice(PRINTS), fill=ink, font_size=size, anchor="mm")
    return page


KINDS: dict[str, Callable[[random.Random, Content], Image.Image]] = {
    "invoice": invoice,
    "letter": letter,
    "certificate": certificate,
    "shirt": shirt,
}


def pages(kind: str, layout: int, count: int) -> Iterator[Image.Image]:
    """So many pages of one layout, no two with the same content."""
    shown: set[bytes] = set()
    seed = 0
    while len(shown) < count:
        seed += 1
        page = KINDS[kind](random.Random(f"{kind} {layout}"), random.Random(f"{layout} {seed}"))
        if (pixels := page.tobytes()) not in shown:
            shown.add(pixels)
            yield page


def _page(layout: random.Random, size: tuple[int, int]) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    page = Image.new("RGB", size, layout.choice(PAPERS))
    return page, ImageDraw.Draw(page)
