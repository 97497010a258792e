"""Text from outside that not every backend can store: it is made storable, by all of them alike."""

from __future__ import annotations

from dataclasses import replace

import pytest

from parjanya_dagster.truth.outcomes import Completed
from parjanya_dagster.truth.store import Store
from tests.support.world import NOON, arrive, claim, found


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


@pytest.mark.parametrize("evil", ["a\0b", "a\ud800b"])
def test_what_a_model_server_calls_itself_is_made_storable(store: Store, evil: str) -> None:
    (image,) = arrive(store, 1)
    (held,) = claim(store)
    body = {evil: evil, "blur": float("nan")}
    evidence = replace(found(held), model=evil, revision=evil, body=body)
    store.commit([(held, Completed(evidence))], NOON, evil)
    (said,) = store.all_evidence(image)
    assert (said.model, said.revision) == ("a\ufffdb", "a\ufffdb")
    assert said.body == {"a\ufffdb": "a\ufffdb", "blur": None}
    assert store.history(image)[-1].run_id == "a\ufffdb"
