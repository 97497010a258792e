"""In which language the recognised text is, by py3langid, whose model lies inside its package.

It reads what the engine read, so it knows no more than that: the embedded reader reads at most
four lines, and only scripts that its recogniser knows. What is short, or unlike any language, has
none. docs/detectors.md says with numbers how often it is right.
"""

from __future__ import annotations

import threading
import unicodedata
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from gpu_ops import packaged
from gpu_ops.embedded.weights import checked

if TYPE_CHECKING:
    from pathlib import Path

    from gpu_ops.interface import Image

VERSION = "language@1"
PACKAGE = "py3langid"
FILE = "data/model.npz.xz"
SHA256 = "f4f4a2c3465ca1f081541037f9cac23021d68151c2f709c55ae5eedfca522963"
MISSING = (
    "the detector `language` needs py3langid: pip install 'parjanya[language]', "
    "or take it out of PARJANYA_ENGINES__DETECTORS"
)

LEAST_LETTERS = 20  # less text says too little; an ideograph counts as IDEOGRAPH letters
IDEOGRAPH = 3
SURE = 0.8  # the probability under which no language is told
NO_LANGUAGE = "zxx"  # the model's class of numbers, markup and noise
#: Kinds of one language that short text does not tell apart, by what is told instead.
TOLD_AS = {"nb": "no", "nn": "no", "wuu": "zh", "yue": "zh"}

RECOGNISED = "recognised"  # `text.examined` of the embedded reader
#: Its recogniser leaves out what it does not know, and Japanese without kana looks Chinese.
CONFUSED = {"zh": "Chinese or Japanese"}


class Language:
    """Reads the text of the engine's evidence. Looks at no pixel."""

    name = "language"
    model = "py3langid-0.4.0"

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._identifier: Any = None

    @property
    def revision(self) -> str:
        return repr(
            (VERSION, SHA256, LEAST_LETTERS, IDEOGRAPH, SURE, sorted(TOLD_AS.items()), CONFUSED)
        )

    def check(self) -> None:
        """Raises ImportError where py3langid is missing, `BadWeights` if its model is altered."""
        _model()

    def warm(self) -> None:
        self._load()

    def see(self, image: Image) -> None:
        return None

    def tell(self, seen: Any, body: Mapping[str, Any]) -> dict[str, Any]:
        """`code` (ISO 639), its `probability`, and how many `letters` it rests on.

        Where no language is told both are None, and `unknown` says why.
        """
        lines = list(_lines(body.get("text")))
        counted = sum(map(letters, lines))
        if counted < LEAST_LETTERS:
            return _unknown(counted, "too little text" if counted else "no text")
        code, probability = self._likeliest("\n".join(lines))
        if code == NO_LANGUAGE or probability < SURE:
            return _unknown(counted, "not sure")
        if code in CONFUSED and body["text"].get("examined") == RECOGNISED:
            return _unknown(counted, CONFUSED[code])
        return {"code": code, "probability": round(probability, 4), "letters": counted}

    def _likeliest(self, text: str) -> tuple[str, float]:
        """The language that is likeliest, and its probability with those told as one added."""
        shares: dict[str, float] = {}
        for code, share in self._load().rank(text):
            told = TOLD_AS.get(code, code)
            shares[told] = shares.get(told, 0.0) + float(share)
        return max(shares.items(), key=lambda one: one[1])

    def _load(self) -> Any:
        with self._lock:
            if self._identifier is None:
                path = _model()
                from py3langid.langid import LanguageIdentifier

                identifier = LanguageIdentifier.from_modelpath(path, norm_probs=True)
                identifier.set_languages(
                    {code for code in identifier.labels if len(code) == 2 or code in TOLD_AS}
                    | {NO_LANGUAGE}
                )
                self._identifier = identifier
            return self._identifier


def letters(text: str) -> int:
    """How much text there is: letters, ideographs by as many as they stand for."""
    return sum(
        IDEOGRAPH if unicodedata.east_asian_width(character) == "W" else 1
        for character in text
        if character.isalpha()
    )


def _lines(text: Any) -> Iterator[str]:
    """What was read, line by line. Nothing where nobody looked."""
    lines = text.get("lines") if isinstance(text, Mapping) else None
    return (str(line.get("text", "")) for line in lines or () if isinstance(line, Mapping))


def _unknown(counted: int, why: str) -> dict[str, Any]:
    return {"code": None, "probability": None, "letters": counted, "unknown": why}


def _model() -> Path:
    path = packaged.path_of(PACKAGE, FILE, MISSING)
    checked(path, SHA256)
    return path
