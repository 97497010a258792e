"""The names of things: tenants, batches, images."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parjanya_dagster.errors import InvalidPartition, InvalidTenant
from parjanya_dagster.truth.models import (
    Arrival,
    batch_key,
    check_slug,
    image_id,
    parse_batch,
)

SLUGS = st.from_regex(r"[a-z0-9][a-z0-9-]{1,62}", fullmatch=True)


@given(slug=SLUGS, number=st.integers(1, 10**6))
def test_a_batch_key_is_read_as_it_was_written(slug: str, number: int) -> None:
    assert parse_batch(batch_key(slug, "2025-10-09", number)) == (slug, "2025-10-09", number)


@pytest.mark.parametrize(
    "key", ["acme", "acme/2025-10-09", "acme/2025-10-09/1", "A/2025-10-09/001"]
)
def test_what_is_no_batch_key_is_refused_with_its_form(key: str) -> None:
    with pytest.raises(InvalidPartition, match="tenant/YYYY-MM-DD/NNN"):
        parse_batch(key)


@pytest.mark.parametrize("slug", ["", "a", "-a", "Acme", "a_b", "a/b", "a" * 64, "ab\n"])
def test_what_is_no_slug_is_refused(slug: str) -> None:
    with pytest.raises(InvalidTenant, match="2 to 63"):
        check_slug(slug)


@given(slug=SLUGS)
def test_a_slug_is_kept(slug: str) -> None:
    assert check_slug(slug) == slug


def test_an_image_id_depends_on_bucket_key_and_version_and_on_nothing_else() -> None:
    one = Arrival(tenant="acme", bucket="b", key="k", version="v", size=1, landed_at=1.0)
    assert (
        one.image_id
        == Arrival(tenant="zeta", bucket="b", key="k", version="v", size=2, landed_at=9.0).image_id
        == image_id("b", "k", "v")
    )
    others = {image_id("b", "k", "w"), image_id("b", "l", "v"), image_id("c", "k", "v")}
    assert len({one.image_id, *others}) == 4
    assert image_id("ab", "c", "v") != image_id("a", "bc", "v")


def test_a_key_that_is_not_utf8_has_an_id_too() -> None:
    assert len(image_id("b", b"\xff.jpg".decode("utf-8", "surrogateescape"), "v")) == 24
