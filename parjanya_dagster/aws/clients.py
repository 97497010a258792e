"""boto3 clients with short timeouts and few retries, and their errors in our words."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from parjanya_dagster.errors import CloudDenied, CloudUnavailable, SettingsInvalid
from parjanya_dagster.objects.aws_environment import region, s3_addressing

LONG_POLL = 20.0  # seconds, the most that SQS allows
_DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "Forbidden", "403"}


def client(service: str) -> Any:
    """A client of a service. Clients are shared, also between threads.

    Raises SettingsInvalid if boto3 is not installed or knows no region.
    """
    return _client(service, tuple(sorted(item for item in os.environ.items() if _aws(item[0]))))


@cache
def _client(service: str, environment: tuple[tuple[str, str], ...]) -> Any:
    """`environment` is what boto3 reads. When it changes, another client is made."""
    try:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError
    except ImportError:
        raise SettingsInvalid(
            "AWS needs boto3. Install the extra: pip install 'parjanya[aws]'."
        ) from None
    patience = Config(
        s3={"addressing_style": s3_addressing()},
        retries={"mode": "standard", "max_attempts": 4},
        connect_timeout=5,
        read_timeout=LONG_POLL + 10,
        max_pool_connections=32,
    )
    try:
        return boto3.session.Session().client(service, region_name=region(), config=patience)
    except (BotoCoreError, ValueError) as error:
        raise SettingsInvalid(f"AWS is not set up for {service}: {error}") from error


def _aws(name: str) -> bool:
    return name.startswith("AWS_")


@contextmanager
def calling(permission: str, thing: str) -> Iterator[None]:
    """Calls that need a permission (`sqs:GetQueueAttributes`) on a thing.

    Raises CloudDenied, which names both, or CloudUnavailable.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        if denied(error):
            raise CloudDenied(f"{permission} on {thing} is denied: grant it.") from error
        raise CloudUnavailable(f"{permission} on {thing}: {error}") from error
    except BotoCoreError as error:
        raise CloudUnavailable(f"{permission} on {thing}: {error}") from error


def code(error: Any) -> str:
    """The error code that the service gave."""
    return str(error.response.get("Error", {}).get("Code", ""))


def denied(error: Any) -> bool:
    """Whether a call was refused for lack of a permission. Services name that differently."""
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return status == 403 or code(error) in _DENIED
