"""Words in what was recorded of an image: text, captions, tags, objects, recognised lines.

Texts are compared without regard to case, width and the length of blanks. A list is its items, one
a line: those of tags are their names, those of recognised lines their text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

TOLD: Final = 500  # characters of a text that a decision keeps
_LONGEST: Final = 100_000  # characters that are looked at
_NAMES: Final = ("name", "text")


def text_of(value: Any) -> str | None:
    """The text at a path, or the items of a list, one a line. None: it is neither."""
    if isinstance(value, str):
        return " ".join(value[:_LONGEST].split())
    if not isinstance(value, Sequence) or isinstance(value, (bytes, bytearray)):
        return None
    items = [_item(item) for item in value]
    known = [" ".join(item.split()) for item in items if item is not None]
    return "\n".join(known)[:_LONGEST] if len(known) == len(items) else None


def _item(value: Any) -> str | None:
    if isinstance(value, Mapping):
        value = next((value[name] for name in _NAMES if name in value), None)
    return value if isinstance(value, str) else None


def told(text: str) -> str:
    """The text as a decision keeps it."""
    return text if len(text) <= TOLD else text[: TOLD - 1] + "…"


def is_phrase(text: str) -> bool:
    """Whether it has a word that can be looked for."""
    return bool(fold(text).split())


def contains(text: str, phrases: Sequence[str]) -> bool:
    """Whether one of the phrases stands in it, as whole words: "sale" is not in "wholesale"."""
    folded = fold(text)
    return any(_phrase(phrase).search(folded) for phrase in phrases)


def matches(text: str, pattern: str) -> bool:
    """Whether the pattern is found in it. RE2: its time grows with the text, whatever the pattern.

    A dot does not go on to the next item. Raises ValueError where the pattern is not valid.
    """
    import pyarrow as pa
    import pyarrow.compute as compute

    try:
        found = compute.match_substring_regex(pa.array([text]), pattern=pattern)
    except pa.ArrowInvalid as error:
        raise ValueError(str(error).partition("\n")[0]) from None
    return bool(found[0].as_py())


def fold(text: str) -> str:
    """In one spelling: NFKC, without case."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


@lru_cache(maxsize=1024)
def _phrase(phrase: str) -> re.Pattern[str]:
    words = [re.escape(word) for word in fold(phrase).split()]
    folded = "".join(fold(phrase).split())
    before = r"(?<!\w)" if _ends_a_word(folded[0]) else ""
    after = r"(?!\w)" if _ends_a_word(folded[-1]) else ""
    return re.compile(before + " ".join(words) + after)


def _ends_a_word(character: str) -> bool:
    """Whether blanks stand around words that have it. Chinese and Japanese are written without."""
    return character.isalnum() and unicodedata.east_asian_width(character) not in ("W", "F")
