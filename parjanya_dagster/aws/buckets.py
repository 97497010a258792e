"""The account's buckets, where tenants are known by how theirs are named."""

from __future__ import annotations

from parjanya_dagster.aws.clients import calling, client


def buckets(prefix: str) -> list[str]:
    """The buckets of the account whose names begin so. Raises CloudUnavailable."""
    with calling("s3:ListAllMyBuckets", "this account"):
        pages = client("s3").get_paginator("list_buckets").paginate(Prefix=prefix)
        names = [bucket["Name"] for page in pages for bucket in page.get("Buckets", ())]
    return [name for name in names if name.startswith(prefix)]  # not every server filters
