"""Releases of tenants' images, and images that were withdrawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from parjanya_dagster.truth.releases import Release, Withdrawal


class Releases(Protocol):
    """Releases: a version is recorded before its first file is written."""

    def begin_release(self, release: Release) -> Release:
        """Record a release that is to be written, and return the recorded one.

        Where that version is recorded already, it is left as it is: another may have taken it.
        """

    def find_release(self, tenant: str, name: str, version: int) -> Release | None: ...

    def releases(self, tenant: str) -> list[Release]:
        """Every release of a tenant, by name and version."""

    def open_releases(self) -> list[Release]:
        """Releases that are not written completely, by key. The cost follows how many are."""

    def attend_release(self, release: Release, until: float) -> None:
        """Record that somebody writes a release until then. One that is ended stays as it is."""

    def complete_release(
        self, release: Release, *, files: int, size: int, sums: str, now: float
    ) -> Release:
        """Record that a release is written and checked, unless it is ended. Returns it as it is."""

    def withdraw_release(
        self, release: Release, *, who: str, reason: str, held: Sequence[str], now: float
    ) -> Release:
        """Record that a release may not be used any more. Returns it as it is.

        One that is withdrawn keeps who did it first and why; images that it holds are added.
        """

    def withdraw_image(self, withdrawal: Withdrawal) -> Withdrawal:
        """Record the withdrawal of an image, and return the recorded one: the first."""

    def withdrawals(self, tenant: str) -> dict[str, Withdrawal]:
        """Withdrawn images of a tenant, by the sha256 of their bytes."""
