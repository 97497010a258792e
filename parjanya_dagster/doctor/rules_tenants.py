"""Rules on what holds up one tenant: its policy, its regrade, its uploads."""

from __future__ import annotations

from collections.abc import Iterator

from parjanya_dagster.doctor.case import Case
from parjanya_dagster.doctor.findings import Finding, finding, some


def _policies(case: Case) -> Iterator[Finding]:
    for unusable in case.facts.policies:
        if unusable.regrade:
            yield finding(
                "regrade_stuck",
                f"{unusable.tenant}: the regrade {unusable.regrade} waits: {unusable.reason}",
                tenant=unusable.tenant,
                policy=unusable.policy,
                regrade=unusable.regrade,
            )
        else:
            yield finding(
                "policy_unusable",
                f"{unusable.tenant}: nothing can be decided under {unusable.policy}: "
                f"{unusable.reason}",
                tenant=unusable.tenant,
                policy=unusable.policy,
            )


def _uploads(case: Case) -> Iterator[Finding]:
    for left in case.facts.uploads:
        yield finding(
            "uploads_waiting",
            f"{left.tenant}: {some(left.uploads, 'promised upload')} past their time, and its "
            "bucket does not say whether they arrived",
            left.since,
            tenant=left.tenant,
            uploads=left.uploads,
        )


TENANT_RULES = (_policies, _uploads)
