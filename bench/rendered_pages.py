"""Slides, posters, banners, social cards, infographics and screenshots, rendered from a seed.

Packages ship few of them, so they are made: pages in Chromium, documents in Typst, cards in
Pillow. Each renderer counts as one source, so a model is judged on what it has not seen the
renderer of. Beside them stand the slides of the beamer manual, which people made.
"""

from __future__ import annotations

import html
import json
import random
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.labelled_images import Labelled

PER_LABEL = 16
VOCABULARY = """
river market quarter growth signal harbour station report garden winter season engine
battery orbit volume journey culture studio summit energy network insight delivery coast
village museum festival music science transport forest budget partner design future
"""
WORDS = VOCABULARY.split()
PALETTES = [
    ("#ffffff", "#1f2937", "#2563eb"),
    ("#0f172a", "#e2e8f0", "#38bdf8"),
    ("#fff7ed", "#431407", "#ea580c"),
    ("#f0fdf4", "#14532d", "#16a34a"),
    ("#1e1b4b", "#eef2ff", "#a78bfa"),
    ("#fafafa", "#111111", "#e11d48"),
    ("#fefce8", "#3f3f46", "#ca8a04"),
    ("#111827", "#f9fafb", "#f59e0b"),
]
FONTS = [
    "DejaVu Sans",
    "Liberation Serif",
    "Liberation Sans",
    "DejaVu Serif",
    "Liberation Sans Narrow",
    "DejaVu Sans Condensed",
]


def images(cache: Path, photographs: Sequence[Path]) -> Iterator[Labelled]:
    """Render what is missing under the cache and yield all of it.

    `photographs` serve as backgrounds, as they do in real posters and cards.
    """
    folder = cache / "rendered"
    folder.mkdir(exist_ok=True)
    beamer_slides(cache, folder)
    in_typst(folder)
    in_pillow(folder, photographs)
    in_chromium(folder, photographs)
    yield from kept(cache)


def kept(cache: Path) -> list[Labelled]:
    """Those that were rendered before."""
    paths = sorted((cache / "rendered").glob("*.png"))
    return [Labelled(path, *path.stem.split("-")[1::-1]) for path in paths]


def phrase(draw: random.Random, low: int, high: int) -> str:
    words = " ".join(draw.choice(WORDS) for _ in range(draw.randint(low, high)))
    return words.capitalize()


def beamer_slides(cache: Path, folder: Path) -> None:
    if any(folder.glob("beamer-*")):
        return
    manual = cache / "texlive-latex-recommended-doc/usr/share/doc/texlive-doc/latex/beamer"
    for name in ("lecture-beamer-version", "conference-talk"):
        pdf = manual / f"beamerexample-{name}.pdf"
        prefix = folder / f"beamer-slide-{name.split('-')[0]}"
        command = ["pdftoppm", "-png", "-scale-to", "1280", str(pdf), str(prefix)]
        subprocess.run(command, check=True)
    for path in folder.glob("beamer-slide-*-*.png"):  # pdftoppm adds a dash and the page
        path.rename(path.with_name("_".join(path.name.rsplit("-", 1))))


def in_typst(folder: Path) -> None:
    import typst

    for number in range(PER_LABEL):
        draw = random.Random(1000 + number)
        back, ink, accent = draw.choice(PALETTES)
        font = draw.choice(FONTS)
        for label in ("slide", "poster", "infographic"):
            target = folder / f"typst-{label}-{number:02d}.png"
            if target.exists():
                continue
            wide, tall = {"slide": (25, 14), "poster": (18, 25), "infographic": (14, 28)}[label]
            head = (
                f"#set page(width: {wide}cm, height: {tall}cm, margin: 1.4cm, "
                f'fill: rgb("{back}"))\n#set text(font: "{font}", fill: rgb("{ink}"), '
                f"size: {draw.randint(13, 20)}pt)\n"
            )
            title = f'#text(size: {draw.randint(26, 44)}pt, fill: rgb("{accent}"))[*{{}}*]\n\n'
            body = head + title.format(phrase(draw, 2, 5))
            if label == "infographic":
                for _ in range(draw.randint(4, 7)):
                    share = draw.randint(15, 95)
                    body += (
                        f'#rect(width: {share}%, height: 0.9cm, fill: rgb("{accent}"))'
                        f"{phrase(draw, 1, 2)}: {share} %\n\n"
                    )
            elif label == "poster":
                body += f'#rect(width: 100%, height: {draw.randint(4, 9)}cm, fill: rgb("{accent}"))'
                body += "\n\n" + "\n\n".join(phrase(draw, 8, 26) for _ in range(draw.randint(1, 4)))
            else:
                body += "\n".join(f"- {phrase(draw, 3, 9)}" for _ in range(draw.randint(2, 6)))
            pages = typst.compile(body.encode(), format="png", ppi=130)
            target.write_bytes(pages[0] if isinstance(pages, list) else pages)


def in_pillow(folder: Path, photographs: Sequence[Path]) -> None:
    from PIL import Image, ImageDraw, ImageFont

    sizes = {
        "banner": (1600, 400),
        "social_card": (1200, 630),
        "poster": (1000, 1414),
        "slide": (1280, 720),
    }
    for number in range(PER_LABEL):
        for label, size in sizes.items():
            target = folder / f"pillow-{label}-{number:02d}.png"
            if target.exists():
                continue
            draw = random.Random(f"{label}{number}")
            back, ink, accent = draw.choice(PALETTES)
            canvas = Image.new("RGB", size, back)
            if number % 2 and label != "slide":
                photo = Image.open(draw.choice(photographs)).convert("RGB").resize(size)
                canvas = Image.blend(photo, canvas, draw.uniform(0.0, 0.7))
            pen = ImageDraw.Draw(canvas)
            for _ in range(draw.randint(0, 5)):
                x, y = draw.randint(0, size[0]), draw.randint(0, size[1])
                span = draw.randint(40, size[1] // 2)
                draw.choice([pen.ellipse, pen.rectangle])((x, y, x + span, y + span), fill=accent)
            scale = size[1] // (16 if label == "poster" else 7)
            font = ImageFont.truetype(
                draw.choice(["DejaVuSans-Bold", "DejaVuSerif", "LiberationSans-Bold"]) + ".ttf",
                scale,
            )
            top = draw.randint(size[1] // 10, size[1] // 4)
            for line in range(draw.randint(1, 3 if label != "slide" else 5)):
                pen.text(
                    (size[0] // 14, top + line * scale * 1.3),
                    phrase(draw, 2, 4),
                    fill=ink if line else accent,
                    font=font,
                )
            canvas.save(target)


def in_chromium(folder: Path, photographs: Sequence[Path]) -> None:
    from playwright.sync_api import sync_playwright

    sizes = {
        "slide": [(1280, 720), (1024, 768)],
        "banner": [(1500, 380), (1200, 300)],
        "poster": [(900, 1280), (800, 1000)],
        "social_card": [(1200, 630), (1080, 1080)],
        "infographic": [(800, 1700), (1000, 1400)],
        "screenshot": [(1440, 900), (1280, 800), (390, 844)],
    }
    todo = [
        (label, number)
        for label in sizes
        for number in range(PER_LABEL)
        if not (folder / f"chromium-{label}-{number:02d}.png").exists()
    ]
    if not todo:
        return
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium")
        page = browser.new_page()
        for label, number in todo:
            draw = random.Random(f"chromium{label}{number}")
            wide, tall = draw.choice(sizes[label])
            page.set_viewport_size({"width": wide, "height": tall})
            source = folder / "page.html"
            source.write_text(document(label, draw, photographs))
            page.goto(source.resolve().as_uri())
            page.screenshot(path=str(folder / f"chromium-{label}-{number:02d}.png"))
        browser.close()
    (folder / "page.html").unlink()


def document(label: str, draw: random.Random, photographs: Sequence[Path]) -> str:
    back, ink, accent = draw.choice(PALETTES)
    photo = draw.choice(photographs).resolve().as_uri()
    style = (
        f"body{{margin:0;background:{back};color:{ink};font-family:'{draw.choice(FONTS)}';"
        f"height:100vh;overflow:hidden}}b,h1{{color:{accent}}}"
        f".a{{background:{accent};color:{back}}}"
    )
    body = globals()[f"_{label}"](draw, photo)
    return f"<!doctype html><meta charset=utf-8><style>{style}</style>{body}"


def _slide(draw: random.Random, photo: str) -> str:
    items = "".join(f"<li>{phrase(draw, 3, 9)}</li>" for _ in range(draw.randint(2, 6)))
    picture = f"<img src='{photo}' style='width:34%;float:right'>" if draw.random() < 0.35 else ""
    bar = "<div class=a style='height:5%'></div>" if draw.random() < 0.5 else ""
    return (
        f"{bar}<div style='padding:6%'><h1 style='font-size:{draw.randint(40, 64)}px'>"
        f"{phrase(draw, 2, 5)}</h1>{picture}<ul style='font-size:{draw.randint(24, 36)}px;"
        f"line-height:1.7'>{items}</ul></div><div style='position:absolute;bottom:2%;right:3%'>"
        f"{draw.randint(1, 40)}</div>"
    )


def _banner(draw: random.Random, photo: str) -> str:
    ground = f"background:url({photo});background-size:cover" if draw.random() < 0.5 else ""
    return (
        f"<div style='height:100%;{ground};display:flex;align-items:center;padding-left:7%'>"
        f"<div><h1 style='font-size:{draw.randint(48, 76)}px;margin:0'>{phrase(draw, 2, 4)}"
        f"</h1><p style='font-size:24px'>{phrase(draw, 4, 8)}</p><span class=a style='padding:"
        f"12px 28px;border-radius:8px;font-size:22px'>{phrase(draw, 1, 2)}</span></div></div>"
    )


def _poster(draw: random.Random, photo: str) -> str:
    picture = (
        f"<img src='{photo}' style='width:100%;height:50%;object-fit:cover'>"
        if draw.random() < 0.6
        else "<div class=a style='height:35%'></div>"
    )
    return (
        f"{picture}<div style='padding:5%;text-align:{draw.choice(['left', 'center'])}'><h1 "
        f"style='font-size:{draw.randint(60, 100)}px;margin:0'>{phrase(draw, 2, 4)}</h1>"
        f"<p style='font-size:30px'>{draw.randint(1, 28)} {phrase(draw, 2, 3)}</p>"
        f"<p style='font-size:20px'>{phrase(draw, 10, 30)}</p></div>"
    )


def _social_card(draw: random.Random, photo: str) -> str:
    ground = f"background:url({photo});background-size:cover" if draw.random() < 0.4 else ""
    return (
        f"<div style='height:100%;{ground}'><div style='padding:8%'><b style='font-size:28px'>"
        f"{phrase(draw, 1, 2)}</b><h1 style='font-size:{draw.randint(60, 92)}px'>"
        f"{phrase(draw, 3, 7)}</h1><p style='font-size:28px'>{phrase(draw, 3, 9)}</p></div>"
        f"<div class=a style='position:absolute;bottom:0;height:4%;width:100%'></div></div>"
    )


def _infographic(draw: random.Random, photo: str) -> str:
    blocks = []
    for _ in range(draw.randint(4, 7)):
        share = draw.randint(10, 95)
        blocks.append(
            f"<div style='display:flex;align-items:center;margin:26px'><svg width=130 height=130>"
            f"<circle cx=65 cy=65 r={20 + share // 3} class=a fill='currentColor'/></svg><div>"
            f"<b style='font-size:44px'>{share} %</b><div style='font-size:22px'>"
            f"{phrase(draw, 4, 10)}</div><div class=a style='height:18px;width:{share * 4}px'>"
            f"</div></div></div>"
        )
    return f"<h1 style='font-size:54px;margin:30px'>{phrase(draw, 2, 5)}</h1>{''.join(blocks)}"


def _screenshot(draw: random.Random, photo: str) -> str:
    kind = draw.choice(["table", "code", "chat", "gallery", "article"])
    side = "".join(f"<div style='padding:9px 18px'>{phrase(draw, 1, 2)}</div>" for _ in range(12))
    rows = draw.randint(12, 26)
    if kind == "table":
        main = (
            "<table cellpadding=7 style='border-collapse:collapse;width:100%' border=1>"
            + "".join(
                "<tr>" + "".join(f"<td>{phrase(draw, 1, 2)}</td>" for _ in range(5)) + "</tr>"
                for _ in range(rows)
            )
            + "</table>"
        )
    elif kind == "code":
        lines = [
            json.dumps(
                {draw.choice(WORDS): draw.randint(0, 999), draw.choice(WORDS): phrase(draw, 1, 4)}
            )
            for _ in range(rows + 12)
        ]
        main = "<pre style='font-size:14px'>" + html.escape("\n".join(lines)) + "</pre>"
    elif kind == "chat":
        main = "".join(
            f"<div style='margin:12px;max-width:62%;padding:12px;border-radius:14px;"
            f"{'margin-left:34%' if n % 2 else ''}' class={'a' if n % 2 else 'b'}>"
            f"{phrase(draw, 3, 24)}</div>"
            for n in range(10)
        )
    elif kind == "gallery":
        main = "".join(
            f"<div style='display:inline-block;width:30%;margin:1%'><img src='{photo}'"
            f" style='width:100%'>{phrase(draw, 2, 4)}</div>"
            for _ in range(9)
        )
    else:
        main = "".join(
            f"<h3>{phrase(draw, 2, 4)}</h3><p>{phrase(draw, 30, 90)}</p>" for _ in range(5)
        )
    return (
        f"<div class=a style='padding:12px 20px'>{phrase(draw, 1, 2)} "
        f"<input value='{phrase(draw, 1, 2)}'> <button>{phrase(draw, 1, 1)}</button></div>"
        f"<div style='display:flex'><div style='width:190px;border-right:1px solid #8888;"
        f"font-size:15px'>{side}</div><div style='flex:1;padding:16px;font-size:15px'>{main}"
        f"</div></div>"
    )
