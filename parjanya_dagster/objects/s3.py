"""Buckets of S3 and of servers that speak its protocol, through boto3 (docs/decisions/0005).

Credentials, region and endpoint come from the usual AWS variables (`AWS_ENDPOINT_URL` too).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from parjanya_dagster.errors import ObjectGone, SettingsInvalid, StorageUnavailable
from parjanya_dagster.objects.aws_environment import region, s3_addressing
from parjanya_dagster.objects.store import (
    Digest,
    LeftOut,
    NewObject,
    Object,
    ObjectInfo,
    PresignedPut,
)

_GONE = ("404", "NoSuchKey")
_OTHERWISE = ("412", "PreconditionFailed", "409", "ConditionalRequestConflict")
_ANOTHER = ("412", "PreconditionFailed")  # it is of another version than was asked for


class S3Objects:
    """See `objects.store.Objects`. The version is the ETag."""

    def __init__(self, page: int = 1000) -> None:
        self._client = s3_client()
        self._page = page  # keys that one answer to a listing has

    def identity(self, bucket: str) -> str | None:
        """The name: S3 gives a name to one bucket at a time. Its answer shows that it is there."""
        with _named(bucket, ""):
            try:
                self._client.head_bucket(Bucket=bucket)
            except self._client.exceptions.ClientError as error:
                raise StorageUnavailable(f"s3://{bucket} cannot be looked into: {error}") from error
        return f"s3:{bucket}"

    def mark(self, bucket: str) -> str:
        return self.identity(bucket) or bucket

    def get(self, bucket: str, key: str, version: str = "") -> Object:
        only = {"IfMatch": f'"{version}"'} if version else {}
        with _named(bucket, key):
            try:
                answer = self._client.get_object(Bucket=bucket, Key=key, **only)
            except self._client.exceptions.ClientError as error:
                if error.response.get("Error", {}).get("Code") not in _ANOTHER:
                    raise
            else:
                return Object(answer["Body"].read(), _etag(answer))
        other = self.head(bucket, key).version
        return Object(b"", other if other != version else "")  # it is that one again by now

    def beginning(self, bucket: str, key: str, size: int) -> bytes:
        from botocore.exceptions import ClientError

        with _named(bucket, key):
            try:
                answer = self._client.get_object(
                    Bucket=bucket, Key=key, Range=f"bytes=0-{size - 1}"
                )
            except ClientError as error:
                if _code(error) != "InvalidRange":
                    raise
                return b""  # an empty object has no first byte
            data: bytes = answer["Body"].read()
        return data

    def put(self, bucket: str, key: str, data: bytes, content_type: str) -> None:
        with _named(bucket, key):
            self._client.put_object(Bucket=bucket, Key=key, Body=data, ContentType=content_type)

    def put_many(self, bucket: str, objects: Sequence[NewObject]) -> None:
        for new in objects:
            self.put(bucket, new.key, new.data, new.content_type)

    def digest(self, bucket: str, key: str) -> Digest:
        digest = hashlib.sha256()
        with _named(bucket, key):
            answer = self._client.get_object(Bucket=bucket, Key=key)
            for chunk in answer["Body"].iter_chunks(1 << 20):
                digest.update(chunk)
        return Digest(digest.hexdigest(), _etag(answer))

    def put_over(self, bucket: str, key: str, data: bytes, content_type: str, version: str) -> bool:
        # Without quotes, as AWS documents it: older radosgw compares the header as it stands.
        expected = {"IfMatch": version} if version else {"IfNoneMatch": "*"}
        try:
            with _named(bucket, key):
                self._client.put_object(
                    Bucket=bucket, Key=key, Body=data, ContentType=content_type, **expected
                )
        except ObjectGone:  # it was deleted meanwhile, or the bucket is missing
            self.identity(bucket)
            return False
        except StorageUnavailable as error:
            if _code(error.__cause__) in _OTHERWISE:
                return False
            raise
        return True

    def place(self, bucket: str, key: str) -> str:
        return f"s3://{bucket}/{key}"

    def head(self, bucket: str, key: str) -> ObjectInfo:
        try:
            with _named(bucket, key):
                answer = self._client.head_object(Bucket=bucket, Key=key)
        except ObjectGone:
            # An answer to HEAD has no body, so a missing bucket reads as a missing object.
            self.identity(bucket)
            raise
        modified_at = answer["LastModified"].timestamp()
        return ObjectInfo(key, _etag(answer), answer["ContentLength"], modified_at)

    def listing(
        self, bucket: str, prefix: str, after: str = "", left_out: LeftOut | None = None
    ) -> Iterator[ObjectInfo]:
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=bucket,
            Prefix=prefix,
            StartAfter=after,
            PaginationConfig={"PageSize": self._page},
        )
        with _named(bucket, prefix):
            for page in pages:
                for listed in page.get("Contents", ()):
                    if not listed["Key"].endswith("/"):  # what consoles make to show a folder
                        modified_at = listed["LastModified"].timestamp()
                        yield ObjectInfo(listed["Key"], _etag(listed), listed["Size"], modified_at)

    def buckets(self) -> list[str]:
        return []  # tenants name their buckets; listing all of an account is not ours to do

    def complete(self, bucket: str, info: ObjectInfo, now: float) -> bool:
        return True  # S3 shows an object only when it is whole

    def presigned_put(
        self, bucket: str, key: str, content_type: str, size: int, seconds: int
    ) -> PresignedPut:
        """Type, size and `If-None-Match` are signed, so only this object can be put, and once."""
        with _named(bucket, key):
            url = self._client.generate_presigned_url(
                "put_object",
                Params={
                    "Bucket": bucket,
                    "Key": key,
                    "ContentType": content_type,
                    "ContentLength": size,
                    "IfNoneMatch": "*",
                },
                ExpiresIn=seconds,
            )
        return PresignedPut(url, {"Content-Type": content_type, "If-None-Match": "*"})

    def presigned_download(self, bucket: str, key: str, disposition: str, seconds: int) -> str:
        with _named(bucket, key):
            url: str = self._client.generate_presigned_url(
                "get_object",
                Params={
                    "Bucket": bucket,
                    "Key": key,
                    "ResponseContentDisposition": disposition,
                    "ResponseContentType": "application/octet-stream",
                },
                ExpiresIn=seconds,
            )
        return url


def s3_client() -> Any:
    """An S3 client, configured by the environment. Raises SettingsInvalid."""
    try:
        import boto3
        from botocore.config import Config
    except ImportError:
        raise SettingsInvalid(
            "Buckets in S3 need boto3: pip install 'parjanya[aws]', or set PARJANYA_OBJECTS__URL "
            "to a folder."
        ) from None
    try:
        return boto3.session.Session().client(
            "s3",
            region_name=region(),
            config=Config(
                signature_version="s3v4",
                s3={"addressing_style": s3_addressing()},
                retries={"mode": "standard", "max_attempts": 4},
                connect_timeout=5,
                read_timeout=60,
                # Otherwise a presigned URL carries the checksum of an empty body.
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )
    except ValueError as error:
        raise SettingsInvalid(f"No client of S3 can be made: {error}") from error


@contextmanager
def _named(bucket: str, key: str) -> Iterator[None]:
    from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

    try:
        yield
    except ClientError as error:
        if _code(error) in _GONE:
            raise ObjectGone(f"{key!r} is not in the bucket {bucket!r}.") from error
        raise StorageUnavailable(f"s3://{bucket}/{key}: {error}") from error
    except (BotoCoreError, HTTPClientError, OSError) as error:
        raise StorageUnavailable(f"s3://{bucket}/{key}: {type(error).__name__}: {error}") from error


def _code(error: Any) -> str:
    return str(getattr(error, "response", {}).get("Error", {}).get("Code", ""))


def _etag(described: Any) -> str:
    return str(described.get("ETag") or "").strip('"')
