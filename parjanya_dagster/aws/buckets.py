"""The account's buckets. A tenant's bucket is recognized by its name."""

from __future__ import annotations

from parjanya_dagster.aws.clients import calling, client


def buckets(prefix: str) -> list[str]:
    """The account's buckets whose names begin with a prefix. Raises CloudUnavailable."""
    with calling("s3:ListAllMyBuckets", "this account"):
        pages = client("s3").get_paginator("list_buckets").paginate(Prefix=prefix)
        names = [bucket["Name"] for page in pages for bucket in page.get("Buckets", ())]
    return [name for name in names if name.startswith(prefix)]  # not every server filters
