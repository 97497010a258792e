"""Whether a tenant's bucket is fit: the checks of `aws.bucket_check`, and a real CORS preflight."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from parjanya_dagster.aws.bucket_check import Finding, Mark, Wanted, judge, look, reachable
from parjanya_dagster.aws.queues import SqsQueue
from parjanya_dagster.errors import ObjectGone, StorageUnavailable
from parjanya_dagster.platform import Platform
from parjanya_dagster.settings import Settings
from parjanya_dagster.truth.models import Tenant
from parjanya_dagster.truth.transitions import HOUR
from parjanya_dagster.uploads.cors import objections, preflight

SIGNED_SECONDS = 60  # that the URL of the preflight would be good for


def findings_of_bucket(
    platform: Platform, tenant: Tenant, origins: Sequence[str]
) -> Iterator[Finding]:
    """Every check, passed or not, for uploads from these web origins.

    Raises CloudUnavailable if the arrivals queue does not give its ARN.
    """
    if not platform.settings.objects_url.startswith("s3:"):
        yield _readable(platform, tenant)
        yield Finding("s3", Mark.OK, "Buckets are folders here: nothing else applies.")
        return
    first = reachable(tenant.bucket)
    yield first
    if first.mark is Mark.ERROR:
        return
    wanted = _wanted(platform.settings, tenant, origins)
    yield from judge(look(tenant.bucket), wanted, objections)
    yield from _preflights(platform, wanted)


def _readable(platform: Platform, tenant: Tenant) -> Finding:
    try:
        next(platform.objects.listing(tenant.bucket, tenant.prefix), None)
    except (ObjectGone, StorageUnavailable) as error:
        return Finding("exists", Mark.ERROR, str(error), "Make the folder, or mount it.")
    return Finding("exists", Mark.OK, f"The folder {tenant.bucket} can be read.")


def _wanted(settings: Settings, tenant: Tenant, origins: Sequence[str]) -> Wanted:
    queue = settings.arrivals.queue
    # An upload may have to stay until retries end, and through the longest dormancy.
    keep = max(settings.runs.retry_horizon_hours, settings.arrivals.longest_dormancy_hours) * HOUR
    arn = SqsQueue(queue).arn() if queue else ""
    return Wanted(tenant.bucket, tenant.prefix, arn, keep, origins)


def _preflights(platform: Platform, wanted: Wanted) -> Iterator[Finding]:
    """The answer to a real preflight from each origin."""
    if not wanted.origins:
        return
    key = f"{wanted.prefix}preflight"
    signed = platform.objects.presigned_put(wanted.bucket, key, "image/jpeg", 1, SIGNED_SECONDS)
    if signed is None:
        return
    for origin in wanted.origins:
        verdict = preflight(signed.url, origin)
        mark = Mark.OK if verdict.passed else Mark.ERROR
        step = "" if verdict.passed else "Correct the CORS rules; a proxy may answer instead of S3."
        yield Finding(f"preflight from {origin}", mark, verdict.reason, step)
