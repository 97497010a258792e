"""What every backend can store, for any JSON value."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parjanya_dagster.truth.storable import storable, storable_text

ANY_TEXT = st.text(st.characters() | st.sampled_from("\0\ud800\udfff"), max_size=8)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=4),
    max_leaves=12,
)


@given(value=ANY_JSON)
def test_any_json_becomes_storable(value: Any) -> None:
    stored = storable(value)
    written = json.dumps(stored, allow_nan=False, ensure_ascii=False)
    written.encode()  # no lone surrogate
    assert "\0" not in written
    assert "\\u0000" not in written.replace("\\\\", "")
    assert storable(stored) == stored


@pytest.mark.parametrize("value", [{"a": [1, 2.5, None]}, "Żółw 日本 \U0001f600", "\\u0000", []])
def test_what_is_storable_comes_back_as_it_is(value: Any) -> None:
    assert storable(value) == value


def test_what_is_replaced_can_be_seen() -> None:
    assert storable_text("50mm\0") == "50mm\ufffd"
    assert storable({"x": float("nan"), "y": [float("-inf")]}) == {"x": None, "y": [None]}


def test_what_is_not_json_is_refused() -> None:
    with pytest.raises(TypeError, match="not JSON serializable"):
        storable({"x": object()})
