"""Messages of the API about policies and regrades: previews, progress, reports."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from parjanya_dagster.client.messages import Asked, Told


class PolicyListed(Told):
    policy: str = Field(description="name@version.")
    hash: str
    published_at: float
    tenants: list[str] = Field(description="Yours that are pinned to it.")


class PoliciesListed(Told):
    policies: list[PolicyListed]


class Selection(Asked):
    """Which images shall be decided again, and under which policy."""

    policy: str = Field(description="name@version, or a name for its newest version.")
    tenants: list[str] = Field(min_length=1, max_length=500)
    since: str = Field(default="", description="First day of arrival, YYYY-MM-DD.")
    until: str = Field(default="", description="Last day.")


class Launch(Selection):
    """Carry it out."""

    request_id: str = Field(
        min_length=8, max_length=100, description="Yours: the same one twice is one regrade."
    )


class PersonSaid(Told):
    """What a person said of an image, and what becomes of that."""

    verdict: str | None
    who: str | None
    becomes: Literal["stand", "asked_again"]


class Example(Told):
    image_id: str
    tenant: str
    key: str
    thumbnail: bool
    reasons: list[str]
    person: PersonSaid | None


class Flip(Told):
    """Images whose policy's verdict changes from one to another."""

    before: str
    after: str
    images: int
    people: int = Field(description="Of them, those that a person decided.")
    rules: dict[str, int]
    examples: list[Example]


class People(Told):
    """What becomes of people's verdicts."""

    verdicts: int
    stand: int
    asked_again: int


class Preview(Told):
    """What a regrade would do."""

    policy: str
    policy_hash: str
    tenants: list[str]
    since: str
    until: str
    partitions: int
    images: int = Field(description="Decided images that are decided again.")
    under_way: int
    left_alone: int
    decided_now: int = Field(description="Of them, those whose evidence is complete.")
    same_verdict: int
    people: People
    lapsing: list[Example] = Field(description="Some of which people are asked again.")
    flips: list[Flip]
    replay_from: dict[str, int]
    stages: dict[str, int] = Field(description="Images by stage that runs again.")
    seconds: dict[str, float | None]
    model_seconds: float | None


class Previewed(Told):
    """A preview, or how far it is. Ask again until it is there."""

    done: int = Field(description="Partitions that are read.")
    of: int
    preview: Preview | None


class RegradeTold(Told):
    """A regrade, and how far it is."""

    replay_id: str
    policy: str
    tenants: list[str]
    since: str
    until: str
    started_at: float
    sent_at: float | None = Field(description="When its last image was sent back. Null: not yet.")
    partitions: int
    partitions_sent: int = Field(description="Back to where their images must be decided from.")
    rows_sent: int
    rows_waiting: int = Field(description="Images that are not decided again yet.")

    @property
    def done(self) -> bool:
        return self.sent_at is not None and not self.rows_waiting


class Report(Told):
    """What a regrade has changed, of the images that are in their buckets."""

    replay_id: str
    policy: str
    decided_again: int
    same_verdict: int
    flips: list[Flip]
    waiting: int
    failed: int


class Reported(Told):
    """A report, or how far it is. Ask again until it is there."""

    done: int = Field(description="Partitions that are read.")
    of: int
    report: Report | None


class RegradesListed(Told):
    regrades: list[RegradeTold]
