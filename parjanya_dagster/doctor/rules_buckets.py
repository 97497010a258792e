"""Buckets that are not themselves, and departures that nobody believes yet."""

from __future__ import annotations

from collections.abc import Iterator

from parjanya_dagster.doctor.case import Case
from parjanya_dagster.doctor.findings import Finding, finding, some


def _foreign(case: Case) -> Iterator[Finding]:
    for bucket in case.facts.foreign:
        yield finding(
            "bucket_not_itself",
            f"{bucket.reason} parjanya tenant adopt {bucket.tenant}",
            tenant=bucket.tenant,
            bucket=bucket.bucket,
        )


def _held(case: Case) -> Iterator[Finding]:
    for hold in case.facts.held_departures:
        if hold.confirmed_at is None:
            yield finding(
                "departures_held",
                f"{some(hold.missing, 'image')} of {hold.present} of {hold.tenant} are missing "
                "from its bucket at once, and still count as present",
                hold.since,
                tenant=hold.tenant,
                missing=hold.missing,
                present=hold.present,
            )


BUCKET_RULES = (_foreign, _held)
