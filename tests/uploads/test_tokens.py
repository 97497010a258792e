"""Bearer tokens: only the whole text opens, only its own tenant, and only until it is revoked."""

from __future__ import annotations

import hmac
from dataclasses import asdict

import pytest

from parjanya_dagster.errors import TokenRefused, UnknownTenant
from parjanya_dagster.platform import Platform
from parjanya_dagster.truth.models import Tenant
from parjanya_dagster.uploads import tokens
from tests.support.clock import NOON


@pytest.fixture
def place(platform: Platform) -> Platform:
    for slug in ("acme", "bolt"):
        platform.store.put_tenant(
            Tenant(slug=slug, bucket=slug, prefix="incoming/", policy="default@1", created_at=NOON)
        )
    return platform


def test_a_token_opens_for_its_own_tenant(place: Platform) -> None:
    token, text = tokens.issue(place.store, "acme", "shop", NOON)
    found, tenant = tokens.check(place.store, text)
    assert (found, tenant.slug) == (token, "acme")


def test_two_tokens_are_never_alike(place: Platform) -> None:
    made = {tokens.issue(place.store, "acme", "", NOON)[1] for _ in range(50)}
    assert len(made) == 50


def test_truth_has_no_secret(place: Platform) -> None:
    token, text = tokens.issue(place.store, "acme", "shop", NOON)
    secret = text.split("_", 2)[2]
    assert len(secret) == 43
    assert secret not in repr(asdict(token))
    written = b"".join(one.read_bytes() for one in place.settings.home.glob("truth.db*"))
    assert token.hash.encode() in written
    assert secret.encode() not in written


def test_no_other_text_opens(place: Platform) -> None:
    token, text = tokens.issue(place.store, "acme", "shop", NOON)
    other, other_text = tokens.issue(place.store, "bolt", "", NOON)
    secret, other_secret = text.split("_", 2)[2], other_text.split("_", 2)[2]
    last = "A" if text[-1] != "A" else "B"
    for forged in (
        "", "x", token.token_id, secret, token.hash,
        text[:-1], text[:-1] + last, text + "A", text + "\n", " " + text, text.upper(),
        f"pjy_{token.token_id}_{other_secret}",  # another's secret
        f"pjy_{other.token_id}_{secret}",
        f"pjy_{'0' * 16}_{secret}",  # nobody's id
        f"pjy_{token.token_id}_{token.hash[:43]}",  # the hash is no secret
        f"pjy_{token.token_id}_" + "Ａ" * 43,  # look-alikes
        "pjy_%_" + "A" * 43,
    ):  # fmt: skip
        with pytest.raises(TokenRefused):
            tokens.check(place.store, forged)


def test_a_revoked_token_opens_no_more(place: Platform) -> None:
    token, text = tokens.issue(place.store, "acme", "shop", NOON)
    _, another = tokens.issue(place.store, "acme", "app", NOON)
    assert place.store.revoke_token("acme", token.token_id, NOON + 1)
    with pytest.raises(TokenRefused):
        tokens.check(place.store, text)
    assert tokens.check(place.store, another)[1].slug == "acme"


def test_a_tenant_that_is_not_active_is_shut_out(platform: Platform) -> None:
    store = platform.store
    store.put_tenant(
        Tenant(
            slug="gone", bucket="gone", prefix="incoming/", policy="default@1", status="suspended"
        )
    )
    _, text = tokens.issue(store, "gone", "", NOON)
    with pytest.raises(TokenRefused):
        tokens.check(store, text)


def test_nobody_gets_a_token_for_a_tenant_that_is_not_there(place: Platform) -> None:
    with pytest.raises(UnknownTenant):
        tokens.issue(place.store, "nobody", "", NOON)


def test_an_unknown_id_takes_the_way_that_a_known_one_takes(
    place: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both compare a hash, in constant time; which of the two it was cannot be told."""
    _, text = tokens.issue(place.store, "acme", "shop", NOON)
    compared = []
    real = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", lambda a, b: compared.append((a, b)) or real(a, b))
    said = set()
    for forged in (text[:-3] + "AAA", f"pjy_{'0' * 16}_{'A' * 43}"):
        with pytest.raises(TokenRefused) as caught:
            tokens.check(place.store, forged)
        said.add(str(caught.value))
    assert len(compared) == 2
    assert {len(part) for pair in compared for part in pair} == {64}
    assert len(said) == 1
