"""Regrades by a program: decide history again under another policy."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from parjanya_dagster.client.connection import Connection
from parjanya_dagster.client.regrade_messages import (
    Launch,
    Preview,
    Previewed,
    RegradesListed,
    RegradeTold,
    Report,
    Reported,
    Selection,
)

LOOK_EVERY = 2.0  # seconds between two looks


@dataclass(frozen=True, kw_only=True)
class Regrades:
    """Regrades of tenants that you operate."""

    connection: Connection

    def preview(self, policy: str, *tenants: str, since: str = "", until: str = "") -> Preview:
        """What would change and why, which stages run again, how many people's verdicts stand.

        Nothing is written. A large history takes minutes.
        """
        wanted = Selection(policy=policy, tenants=list(tenants), since=since, until=until)
        while True:
            found = self.connection.post(Previewed, "/api/v1/regrades/preview", wanted)
            if found.preview is not None:
                return found.preview
            self.connection.pause(LOOK_EVERY)

    def launch(self, policy: str, *tenants: str, since: str = "", until: str = "") -> RegradeTold:
        """Decide these images again, and pin their tenants to the policy. It goes on by itself."""
        wanted = Launch(
            policy=policy,
            tenants=list(tenants),
            since=since,
            until=until,
            request_id=uuid.uuid4().hex,
        )
        return self.connection.post(RegradeTold, "/api/v1/regrades", wanted)

    def last(self) -> list[RegradeTold]:
        """The last regrades, the newest first."""
        return self.connection.get(RegradesListed, "/api/v1/regrades").regrades

    def get(self, replay_id: str) -> RegradeTold:
        """The progress of a regrade."""
        return self.connection.get(RegradeTold, f"/api/v1/regrades/{replay_id}")

    def report(self, regrade: RegradeTold) -> Report:
        """What a regrade has changed so far. Once it is done, this is final."""
        while True:
            path = f"/api/v1/regrades/{regrade.replay_id}/report"
            found = self.connection.get(Reported, path)
            if found.report is not None:
                return found.report
            self.connection.pause(LOOK_EVERY)

    def wait(self, regrade: RegradeTold) -> RegradeTold:
        """Wait until every image is decided again. Returns the regrade as it is then."""
        while not regrade.done:
            self.connection.pause(LOOK_EVERY)
            regrade = self.get(regrade.replay_id)
        return regrade
