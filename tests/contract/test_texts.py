"""Text from outside that not every backend can store: it is made storable, by all of them alike."""

from __future__ import annotations

import pytest

from parjanya_dagster.truth.store import Store
from tests.support.world import NOON


@pytest.mark.parametrize("evil", ["a\0b", "a\ud800b"])
def test_names_and_payloads_that_a_backend_cannot_store_raise_nowhere(
    store: Store, evil: str
) -> None:
    store.beat(f"blind:{evil}", NOON, {evil: {"keys": [evil]}})
    beats = store.heartbeats("blind")
    (payload,) = (beat.payload for beat in beats.values())
    assert payload == {"a\ufffdb": {"keys": ["a\ufffdb"]}}
    store.forget([f"blind:{evil}"])
    assert store.heartbeats("blind") == {}
    assert store.tenant(evil) is None
    assert store.get(evil) is None
    assert store.token(evil) is None
