"""What the pages work with: the platform, the catalog and who follows it, keys, pictures."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from parjanya_dagster.catalog import Catalog, Follower
from parjanya_dagster.errors import ParjanyaError
from parjanya_dagster.lines import get_logger
from parjanya_dagster.platform import Platform
from parjanya_dagster.regrade.launch import UI_FILE
from parjanya_dagster.truth.models import ImageRow
from parjanya_dagster.web.access import Keys, Person
from parjanya_dagster.web.lookups import Lookups
from parjanya_dagster.web.media import Media
from parjanya_dagster.web.overview.watch import Watch

log = get_logger(__name__)
FOLLOW_EVERY = 2.0  # seconds between two passes over Truth
PASS = 5.0  # seconds after which a pass lets readers see what it has


@dataclass(frozen=True, kw_only=True)
class Desk:
    """One per process."""

    platform: Platform
    catalog: Catalog
    keys: Keys
    watch: Watch
    lookups: Lookups
    start: Callable[[Callable[[], None]], None]  # begins work that outlives its request
    stopping: threading.Event = field(default_factory=threading.Event)
    nudge: threading.Event = field(
        default_factory=threading.Event
    )  # somebody decided: look at once

    @property
    def clock(self) -> Callable[[], float]:
        return self.platform.clock

    @property
    def media(self) -> Media:
        return Media(
            store=self.platform.store,
            objects=self.platform.objects,
            keys=self.keys,
            clock=self.platform.clock,
            from_storage=self.platform.settings.web.storage_downloads,
        )

    def dagster(self) -> str | None:
        """The address of Dagster's pages over this home. None: not known."""
        try:
            return (self.platform.settings.home / UI_FILE).read_text().strip() or None
        except OSError:
            return None

    def row(self, person: Person, image_id: str) -> ImageRow | None:
        """An image of Truth. None: there is none, or none that exists to this person."""
        row = self.platform.store.get(image_id)
        return row if row is not None and person.may("viewer", row.tenant) else None

    def follow(self) -> None:
        """Keep the catalog up to date until the desk closes. For a thread of its own."""
        home: Path = self.platform.settings.home
        follower = Follower(self.platform.store, home, self.platform.clock)
        try:
            while not self.stopping.is_set():
                behind = 0
                try:
                    behind = follower.follow(self.platform.clock() + PASS).behind
                except ParjanyaError as error:
                    log.warning("catalog_not_followed", why=str(error))
                except Exception:
                    log.exception("catalog_not_followed")
                self.nudge.wait(0.0 if behind else FOLLOW_EVERY)
                self.nudge.clear()
        finally:
            follower.close()
