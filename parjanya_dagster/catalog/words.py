"""Text as words that can be searched. Pure.

A word is a run of letters and digits, without case and accents. Scripts without spaces are cut
into pairs of characters, so that a part of a sentence is found.
"""

from __future__ import annotations

import re
import unicodedata

LONGEST = 40  # characters of a word that are searched
_WORD = re.compile(r"[^\W_]+")
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]+"
)


def words(text: str) -> list[str]:
    """The words of a text, in its order, with repetitions."""
    found = []
    for word in _WORD.findall(_plain(text)):
        rest = 0
        for run in _UNSPACED.finditer(word):
            if run.start() > rest:
                found.append(word[rest : run.start()][:LONGEST])
            found += _pairs(run.group())
            rest = run.end()
        if rest < len(word):
            found.append(word[rest:][:LONGEST])
    return found


def _plain(text: str) -> str:
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    bare = "".join(c for c in decomposed if not unicodedata.combining(c))
    return unicodedata.normalize("NFC", bare)  # Hangul syllables stay whole


def _pairs(run: str) -> list[str]:
    return [run] if len(run) == 1 else [run[n : n + 2] for n in range(len(run) - 1)]
