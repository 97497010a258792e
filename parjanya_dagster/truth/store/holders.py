"""Processes that hold rows under long leases, each with one record."""

from __future__ import annotations

from typing import Protocol

from parjanya_dagster.truth.records import Holder


class Holders(Protocol):
    """Records of processes that hold rows. They are no heartbeats: leases end with them."""

    def note_holder(self, holder: Holder) -> None:
        """The process lives, until then. It is written before rows are leased for long."""

    def holders(self) -> dict[str, Holder]:
        """By the owner of their leases."""

    def drop_holder(self, holder: Holder) -> None:
        """None of its rows is left. A record that was written since stays."""
