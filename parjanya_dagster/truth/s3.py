"""Buckets of S3 and of servers that speak its protocol, through obstore.

Credentials, region and endpoint come from the usual AWS variables (`AWS_ENDPOINT_URL` too).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from parjanya_dagster.errors import ObjectGone, StorageUnavailable
from parjanya_dagster.truth.objects import Object, ObjectInfo


class S3Objects:
    """See `truth.objects.Objects`. The version is the ETag."""

    def get(self, bucket: str, key: str) -> Object:
        with _named(bucket, key):
            result = _store(bucket).get(key)
            return Object(bytes(result.bytes()), _etag(result.meta))

    def put(self, bucket: str, key: str, data: bytes, content_type: str) -> None:
        with _named(bucket, key):
            _store(bucket).put(key, data, attributes={"Content-Type": content_type})

    def head(self, bucket: str, key: str) -> ObjectInfo:
        with _named(bucket, key):
            return _info(_store(bucket).head(key))

    def listing(self, bucket: str, prefix: str) -> Iterator[ObjectInfo]:
        with _named(bucket, prefix):
            for page in _store(bucket).list(prefix.rstrip("/") or None):
                for meta in page:
                    if meta["path"].startswith(prefix):
                        yield _info(meta)

    def buckets(self) -> list[str]:
        return []  # tenants name their buckets; listing all of an account is not ours to do

    def complete(self, bucket: str, info: ObjectInfo, now: float) -> bool:
        return True  # S3 shows an object only when it is whole


@lru_cache(maxsize=256)
def _store(bucket: str) -> Any:
    from obstore.store import S3Store

    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    if endpoint is None:
        return S3Store(bucket)
    return S3Store(
        bucket,
        endpoint=endpoint,
        virtual_hosted_style_request=False,
        client_options={"allow_http": endpoint.startswith("http://")},
    )


@contextmanager
def _named(bucket: str, key: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise ObjectGone(f"{key!r} is not in the bucket {bucket!r}.") from error
    except Exception as error:
        if isinstance(error, GeneratorExit):
            raise
        raise StorageUnavailable(f"s3://{bucket}/{key}: {type(error).__name__}: {error}") from error


def _info(meta: Any) -> ObjectInfo:
    return ObjectInfo(meta["path"], _etag(meta), meta["size"], meta["last_modified"].timestamp())


def _etag(meta: Any) -> str:
    return str(meta["e_tag"] or "").strip('"')
