"""Promised uploads and tokens, on every backend."""

from __future__ import annotations

from dataclasses import replace

import pytest

from parjanya_dagster.errors import UnknownTenant
from parjanya_dagster.truth.store import Store
from parjanya_dagster.truth.uploads import ARRIVED, EXPIRED, Token
from tests.support.backends import Backend
from tests.support.world import NOON, arrive, promised, tenant

HOUR = 3600.0
TOKEN = Token(token_id="t-1", tenant="acme", name="the web shop", hash="ab" * 32, created_at=NOON)


def test_a_promise_comes_back_as_it_was_made(backend: Backend) -> None:
    one = promised("u-1", origin="https://app.example", size=(1 << 40) + 1)
    backend.open().add_uploads([one])
    assert backend.open().upload("u-1") == one
    assert backend.open().upload("u-2") is None


def test_many_are_read_at_once_and_what_is_not_there_is_left_out(store: Store) -> None:
    made = [promised(f"u-{n:03}") for n in range(120)]
    store.add_uploads(made)
    found = store.uploads_named([*(one.upload_id for one in made), "nobody"])
    assert found == {one.upload_id: one for one in made}
    assert store.uploads_named([]) == {}


def test_images_are_read_at_once(store: Store) -> None:
    ids = arrive(store, 3)
    assert store.get_many([*ids, "nobody"]) == {one: store.get(one) for one in ids}
    assert store.get_many([]) == {}


def test_promising_again_changes_nothing(store: Store) -> None:
    first = promised("u-1")
    store.add_uploads([first])
    store.upload_arrived("u-1", "image", NOON + 1)
    store.add_uploads([replace(first, size=1)])
    again = store.upload("u-1")
    assert again is not None
    assert (again.size, again.status) == (first.size, ARRIVED)


def test_many_may_be_promised_at_once(store: Store) -> None:
    store.add_uploads([promised(f"u-{n:04}") for n in range(600)])
    assert len(store.uploads_due(NOON + HOUR, limit=2000)) == 600


def test_what_is_due_comes_longest_due_first_and_no_sooner(store: Store) -> None:
    store.add_uploads([promised(f"u-{n}", due_at=NOON + HOUR - n) for n in range(5)])
    assert store.uploads_due(NOON) == []
    due = store.uploads_due(NOON + HOUR - 2)
    assert [one.upload_id for one in due] == ["u-4", "u-3", "u-2"]
    assert [one.upload_id for one in store.uploads_due(NOON + HOUR, limit=1)] == ["u-4"]


def test_what_is_postponed_is_due_later_and_a_settled_one_stays_settled(store: Store) -> None:
    store.add_uploads([promised(f"u-{n}") for n in range(3)])
    store.upload_arrived("u-0", "image-0", NOON + 1)
    store.postpone_uploads(["u-0", "u-1", "nobody"], NOON + 2 * HOUR)
    assert [one.upload_id for one in store.uploads_due(NOON + HOUR)] == ["u-2"]
    assert [one.upload_id for one in store.uploads_due(NOON + 2 * HOUR)] == ["u-2", "u-1"]


def test_an_arrival_is_noted_once_and_is_final(store: Store) -> None:
    store.add_uploads([promised("u-1")])
    assert store.upload_arrived("u-1", "image-1", NOON + 5)
    assert not store.upload_arrived("u-1", "image-2", NOON + 6)
    assert not store.upload_expired("u-1", "too late to say so", NOON + 7)
    one = store.upload("u-1")
    assert one is not None
    assert (one.status, one.image_id, one.settled_at, one.due_at) == (
        ARRIVED, "image-1", NOON + 5, None,
    )  # fmt: skip
    assert store.uploads_due(NOON + 2 * HOUR) == []


def test_an_upload_expires_once_with_its_reason_and_may_still_arrive(store: Store) -> None:
    store.add_uploads([promised("u-1")])
    assert store.upload_expired("u-1", "the browser never reached PUT \0", NOON + HOUR)
    assert not store.upload_expired("u-1", "another reason", NOON + HOUR + 1)
    one = store.upload("u-1")
    assert one is not None
    assert (one.status, one.reason) == (EXPIRED, "the browser never reached PUT \ufffd")
    assert store.uploads_due(NOON + 2 * HOUR) == []
    assert store.upload_arrived("u-1", "image-1", NOON + 2 * HOUR)
    late = store.upload("u-1")
    assert late is not None
    assert (late.status, late.image_id, late.reason) == (ARRIVED, "image-1", one.reason)


def test_nothing_settles_an_upload_that_nobody_promised(store: Store) -> None:
    assert not store.upload_arrived("u-1", "image", NOON)
    assert not store.upload_expired("u-1", "never came", NOON)
    assert store.upload("u-1") is None


def test_a_token_is_found_by_its_id_and_belongs_to_one_tenant(store: Store) -> None:
    store.put_tenant(tenant("acme"))
    store.put_tenant(tenant("bolt"))
    other = replace(TOKEN, token_id="t-2", tenant="bolt")
    for one in (TOKEN, other, TOKEN):
        store.add_token(one)
    assert store.token("t-1") == TOKEN
    assert store.token("t-3") is None
    assert store.tokens("acme") == [TOKEN]
    assert store.tokens("bolt") == [other]
    assert store.tokens("nobody") == []


def test_tokens_are_listed_in_the_order_of_their_making(store: Store) -> None:
    store.put_tenant(tenant("acme"))
    made = [replace(TOKEN, token_id=f"t-{9 - n}", created_at=NOON + n) for n in range(4)]
    for one in reversed(made):
        store.add_token(one)
    assert store.tokens("acme") == made


def test_a_token_is_revoked_once_and_only_by_its_tenant(store: Store) -> None:
    store.put_tenant(tenant("acme"))
    store.add_token(TOKEN)
    assert not store.revoke_token("bolt", "t-1", NOON + 1)
    assert store.token("t-1") == TOKEN
    assert store.revoke_token("acme", "t-1", NOON + 1)
    assert not store.revoke_token("acme", "t-1", NOON + 2)
    revoked = store.token("t-1")
    assert revoked is not None
    assert revoked.revoked_at == NOON + 1
    store.add_token(TOKEN)  # adding it again does not bring it back
    assert store.token("t-1") == revoked


def test_nobody_gets_a_token_for_a_tenant_that_is_not_there(store: Store) -> None:
    with pytest.raises(UnknownTenant):
        store.add_token(TOKEN)
    assert store.token("t-1") is None
