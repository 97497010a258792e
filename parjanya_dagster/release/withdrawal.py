"""Withdraws an image that may not be passed on, and every release that holds it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from parjanya_dagster.errors import ReleaseBroken, ReleaseInvalid, StorageUnavailable
from parjanya_dagster.objects.store import Objects
from parjanya_dagster.release import frozen as lists
from parjanya_dagster.truth.models import Tenant
from parjanya_dagster.truth.releases import Release, Withdrawal
from parjanya_dagster.truth.store import Releases

LONGEST_REASON = 2000  # characters


class Source(Releases, Protocol):
    """What a withdrawal reads and writes of Truth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawn:
    """What a withdrawal found."""

    image: Withdrawal
    holding: Sequence[Release]  # releases that hold it. They are withdrawn
    unknown: Sequence[tuple[Release, str]]  # whose list cannot be read, and why


def withdraw_image(
    store: Source,
    objects: Objects,
    tenant: Tenant,
    sha256: str,
    *,
    who: str,
    reason: str,
    clock: Callable[[], float],
) -> Withdrawn:
    """Record that an image may not be passed on, and withdraw every release that holds it.

    Doing it again does what was missing. Raises ReleaseInvalid.
    """
    require_reason(reason)
    now = clock()
    image = store.withdraw_image(
        Withdrawal(tenant=tenant.slug, sha256=sha256, at=now, who=who, reason=reason)
    )
    holding, unknown = [], []
    for release in store.releases(tenant.slug):
        try:
            frozen = lists.read(objects, tenant.bucket, release.release_id)
            items = lists.all_items(objects, tenant.bucket, frozen)
            holds = any(item.sha256 == sha256 for item in items)
        except (ReleaseBroken, StorageUnavailable) as error:  # of this one alone
            unknown.append((release, str(error)))
            continue
        if holds:
            holding.append(
                store.withdraw_release(
                    release, who=image.who, reason=image.reason, held=[sha256], now=now
                )
            )
    return Withdrawn(image=image, holding=holding, unknown=unknown)


def withdraw_release(
    store: Releases, release: Release, *, who: str, reason: str, clock: Callable[[], float]
) -> Release:
    """Record that a release may not be used any more. Raises ReleaseInvalid."""
    require_reason(reason)
    return store.withdraw_release(release, who=who, reason=reason, held=(), now=clock())


def require_reason(reason: str) -> None:
    if not reason.strip() or len(reason) > LONGEST_REASON:
        raise ReleaseInvalid(f"Say why, with --reason: 1 to {LONGEST_REASON} characters.")
