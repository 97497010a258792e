"""A language is told of enough text that is surely in one. Nothing is guessed."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest

from gpu_ops.detectors import language
from gpu_ops.detectors.language import Language
from gpu_ops.embedded.weights import BadWeights

installed = pytest.mark.skipif(
    importlib.util.find_spec(language.PACKAGE) is None, reason="pip install 'parjanya[language]'"
)


SHARED = Language()  # its model is loaded once


def told(*lines: str) -> dict[str, Any]:
    return SHARED.tell(None, {"text": {"lines": [{"text": line} for line in lines]}})


@installed
@pytest.mark.parametrize(
    ("code", "lines"),
    [
        ("en", ["Everyone has the right", "to life, liberty and security"]),
        ("de", ["Alle Menschen sind frei", "und gleich an Würde und Rechten geboren"]),
        ("pl", ["Kazdy cztowiek ma prawo", "do zycia i wolnosci"]),  # as the recogniser read it
        ("zh", ["人人生而自由，在尊严和权利上一律平等"]),
        ("no", ["Alle har rett til liv, frihet", "og personlig sikkerhet"]),  # Bokmål or Nynorsk
    ],
)
def test_the_language_of_enough_text_is_told(code: str, lines: list[str]) -> None:
    found = told(*lines)
    assert found["code"] == code
    assert language.SURE <= found["probability"] <= 1
    assert found["letters"] == sum(map(language.letters, lines))
    assert "unknown" not in found


@installed
@pytest.mark.parametrize(
    "lines",
    [
        ["npeCeOBaHИ, B 「", "paBO ИCKaTb y6ex", "KaK-TO B OTHOWe"],  # Russian, read as Latin
        ["tnv α入入n>oypαpiα tou,", "αU>O KαL TOU TαpExET"],  # Greek
        ["XJ7 KQ-2210 ZRT", "VVB HHK MPLQ RTTW"],
    ],
)
def test_text_that_was_misread_or_is_no_language_has_none(lines: list[str]) -> None:
    assert told(*lines)["unknown"] == "not sure"
    assert told(*lines)["code"] is None


@installed
def test_chinese_is_told_of_a_reader_that_knows_kana() -> None:
    """The embedded one leaves kana out, so it may have been Japanese."""
    lines = [{"text": "人人生而自由，在尊严和权利上一律平等"}]
    found = SHARED.tell(None, {"text": {"lines": lines, "examined": "recognised"}})
    assert (found["code"], found["unknown"]) == (None, "Chinese or Japanese")
    assert SHARED.tell(None, {"text": {"lines": lines, "examined": "model"}})["code"] == "zh"


def test_short_text_has_no_language_and_no_model_is_asked() -> None:
    """No package is needed to know that nothing can be known."""
    assert told("OPEN 24 hours") == {
        "code": None,
        "probability": None,
        "letters": 9,
        "unknown": "too little text",
    }
    for text in ({"lines": []}, {"lines": None}, None):
        assert Language().tell(None, {"text": text})["unknown"] == "no text"


def test_an_ideograph_counts_as_several_letters() -> None:
    assert language.letters("ab1 人人") == 2 + 2 * language.IDEOGRAPH


def test_a_missing_package_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(language, "PACKAGE", "no_such_package_of_languages")
    with pytest.raises(ImportError, match=r"pip install 'parjanya\[language\]'"):
        Language().check()
    assert Language().revision  # is known all the same


@installed
def test_an_altered_model_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(language, "SHA256", "0" * 64)
    with pytest.raises(BadWeights, match="are altered"):
        Language().warm()
