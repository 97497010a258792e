"""What the environment says of AWS, beyond what boto3 reads there.

boto3 reads `AWS_DEFAULT_REGION` and not `AWS_REGION`, the name that AWS itself uses. A client for
every service is told here, so that one name is enough for all of them.
"""

from __future__ import annotations

import os


def region() -> str | None:
    """The region of clients. None: boto3 finds it, in `AWS_DEFAULT_REGION` or a profile."""
    return os.environ.get("AWS_REGION") or None


def s3_addressing() -> str:
    """How a bucket is named in URLs.

    On AWS by the bucket's regional host: `auto` gives the global host, which redirects, and no
    browser follows a redirect of its preflight. A server that is not AWS has no host per bucket.
    """
    elsewhere = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    return "path" if elsewhere else "virtual"
