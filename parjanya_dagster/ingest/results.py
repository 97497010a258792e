"""What sweeps and messages brought, counted. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfinished:
    """What a sweep left for the next one. How far a bucket is swept, `under_way` knows."""

    turn: str = ""  # the tenant that is next; empty: each had its turn
    tenants: tuple[str, ...] = ()  # whose bucket is looked through by and by


@dataclass(slots=True, kw_only=True)
class MailResult:
    """What came of messages."""

    messages: int = 0
    registered: dict[str, int] = field(default_factory=dict)  # batch -> new rows
    departed: int = 0
    tenants: list[str] = field(default_factory=list)  # registered by these messages
    dead_letters: list[str] = field(default_factory=list)  # why each is one
    unanswered: int = 0  # messages that stay, since a bucket did not answer
    late: float = 0.0  # seconds since the oldest event

    def absorb(self, later: MailResult) -> None:
        """Add what a later batch of the same tick brought."""
        _add_rows(self.registered, later.registered)
        self.messages += later.messages
        self.departed += later.departed
        self.tenants += later.tenants
        self.dead_letters += later.dead_letters
        self.unanswered = later.unanswered
        self.late = max(self.late, later.late)


@dataclass(slots=True, kw_only=True)
class SweepResult:
    """What a sweep found, or a whole tick of sweeps and messages."""

    registered: dict[str, int] = field(default_factory=dict)  # batch -> new rows
    seen: int = 0  # objects looked at
    unfinished: int = 0  # objects that are still being written
    unread: int = 0  # objects that may be known images, to be read by the next sweep
    departed: int = 0  # rows whose object is gone
    held: dict[str, int] = field(default_factory=dict)  # tenant -> missing, and not believed gone
    refused: dict[str, str] = field(default_factory=dict)  # what cannot be taken in, and why
    set_aside: int = 0  # what is no image by its name, or no file
    tenants: list[str] = field(default_factory=list)  # registered by this sweep
    stopped: Unfinished | None = None
    shared: float = 0.0  # seconds that no tenant pays for: see `pacing`
    worth: float = 0.0  # seconds that registered something

    @property
    def complete(self) -> bool:
        """Whether the sweep came to the end of every bucket."""
        return self.stopped is None

    def absorb(self, later: SweepResult) -> None:
        """Add what a later sweep of the same tick found."""
        self.absorb_mail(later)
        self.seen, self.unfinished, self.unread = later.seen, later.unfinished, later.unread
        self.refused, self.stopped, self.held = later.refused, later.stopped, later.held
        self.set_aside = later.set_aside

    def absorb_mail(self, later: SweepResult | MailResult) -> None:
        """Add the rows, departures and tenants that messages brought."""
        _add_rows(self.registered, later.registered)
        self.departed += later.departed
        self.tenants += later.tenants

    def add(self, batches: Iterable[str]) -> None:
        """Add one new row of each of these batches."""
        for batch in batches:
            _add_rows(self.registered, {batch: 1})


def _add_rows(total: dict[str, int], more: Mapping[str, int]) -> None:
    for batch, rows in more.items():
        total[batch] = total.get(batch, 0) + rows
