"""JSON columns: fast where orjson goes, and never refusing what the standard library wrote."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parjanya_dagster.truth.documents import dumps, loads
from parjanya_dagster.truth.storable import storable

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)  # fmt: skip


@given(values.filter(lambda value: "\ud800" not in str(value)))
def test_what_is_written_is_read_back_as_it_was(value: Any) -> None:
    if _fits(value):
        assert loads(dumps(value)) == storable(value)


@pytest.mark.parametrize("value", [1e-7, 0.1 + 0.2, 1e300, -0.0, 1_760_011_200.123457])
def test_numbers_keep_every_digit(value: float) -> None:
    assert repr(loads(dumps({"x": value}))["x"]) == repr(value)
    assert repr(json.loads(dumps({"x": value}))["x"]) == repr(value)


@pytest.mark.parametrize("text", ['{"a": "\\ud800"}', '{"a": NaN}', '{"a": 1e400}', '{"a": "é"}'])
def test_what_the_standard_library_wrote_is_read(text: str) -> None:
    assert repr(loads(text)) == repr(json.loads(text))


@pytest.mark.parametrize("value", [{1: "a"}, {"a": 10**30}, ("a", "b")])
def test_what_orjson_refuses_is_written_by_the_standard_library(value: Any) -> None:
    assert json.loads(dumps(value)) == json.loads(json.dumps(value))


@pytest.mark.parametrize("text", ["a\ud800b", "a\0b"])
def test_what_some_backend_could_not_store_is_made_storable(text: str) -> None:
    assert loads(dumps({text: [text]})) == {"a\ufffdb": ["a\ufffdb"]}


def test_what_is_no_json_is_refused() -> None:
    @dataclass
    class Thing:
        x: int

    with pytest.raises(TypeError):
        dumps({"a": Thing(1)})
    with pytest.raises(ValueError):
        loads("{")


def _fits(value: Any) -> bool:
    """Whether its integers have 64 bits. Larger ones are read as floats."""
    if isinstance(value, dict):
        return all(map(_fits, value.values()))
    if isinstance(value, list):
        return all(map(_fits, value))
    return not isinstance(value, int) or -(2**63) <= value < 2**64
