"""The registry of policies: versions are added and never change, and tenants point at them."""

from __future__ import annotations

import pytest

from parjanya_dagster.errors import PolicyConflict, UnknownTenant
from parjanya_dagster.truth.models import Published
from parjanya_dagster.truth.store import Store
from tests.support.backends import Backend
from tests.support.world import NOON, tenant

FIRST = Published(
    ref="house@1",
    hash="sha256:aa",
    document={"text": "name: house\n# ä\n", "source": "a"},
    published_at=NOON,
)


def test_a_published_policy_comes_back_as_it_was_published(backend: Backend) -> None:
    assert backend.open().publish(FIRST) == FIRST
    again = backend.open()
    assert again.policy("house@1") == FIRST
    assert again.policies() == [FIRST]
    assert again.policy("house@2") is None


def test_publishing_the_same_again_changes_nothing(store: Store) -> None:
    store.publish(FIRST)
    later = Published(
        ref="house@1",
        hash="sha256:aa",
        document={"text": "other layout\n", "source": "b"},
        published_at=NOON + 9,
    )
    assert store.publish(later) == FIRST
    assert store.policies() == [FIRST]


def test_a_version_with_other_content_is_refused_and_told_the_way_out(store: Store) -> None:
    store.publish(FIRST)
    with pytest.raises(PolicyConflict, match="publish this as house@2"):
        store.publish(
            Published(ref="house@1", hash="sha256:bb", document={"text": "x\n"}, published_at=NOON)
        )
    assert store.policy("house@1") == FIRST


def test_pins_are_per_tenant(store: Store) -> None:
    store.put_tenant(tenant("acme"))
    store.put_tenant(tenant("bolt"))
    store.pin("bolt", "house@1")
    assert {one.slug: one.policy for one in store.tenants()} == {
        "acme": "default@1",
        "bolt": "house@1",
    }
    with pytest.raises(UnknownTenant):
        store.pin("nobody", "house@1")
