"""What the page Regrade and its API share: rights, previews, launching."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from parjanya_dagster.client.regrade_messages import RegradeTold
from parjanya_dagster.errors import ParjanyaError, UnknownTenant
from parjanya_dagster.lines import get_logger
from parjanya_dagster.regrade.advance import selection
from parjanya_dagster.regrade.carry_out import CarryOut, begin
from parjanya_dagster.regrade.preview import preview
from parjanya_dagster.regrade.report import progress, report
from parjanya_dagster.truth.models import Regrade
from parjanya_dagster.web.access import Person
from parjanya_dagster.web.desk import Desk
from parjanya_dagster.web.lookups import Looked

log = get_logger(__name__)
SHOWN = 60  # examples of each change of verdict
LISTED = 100  # regrades that are looked through


def operated(desk: Desk, person: Person) -> list[str]:
    """The tenants that a person may regrade."""
    tenants = desk.platform.store.tenants()
    return [one.slug for one in tenants if person.may("operator", one.slug)]


def asked_for(
    desk: Desk,
    person: Person,
    policy: str,
    tenants: Sequence[str],
    since: str,
    until: str,
    replay_id: str = "",
) -> Regrade:
    """What is asked for, as a regrade. Nothing is written.

    Raises UnknownTenant, RegradeInvalid, PolicyMissing. A tenant that one does not operate is
    unknown.
    """
    for tenant in tenants:
        if not person.may("operator", tenant):
            raise UnknownTenant.named(tenant)
    place = desk.platform
    wanted = place.registry.named(policy)
    return selection(place.store, wanted, tenants, since, until, place.clock(), replay_id)


def preview_of(desk: Desk, asked: Regrade) -> Looked:
    """What it would do, or how far the preview is."""
    place = desk.platform
    question = ("preview", replace(asked, replay_id="", started_at=0.0))
    work = partial(
        preview,
        place.store,
        place.registry.get,
        asked,
        place.clock,
        SHOWN,
        tastes=place.tastes,
    )
    return desk.lookups.look(question, work)


def report_of(desk: Desk, regrade: Regrade) -> Looked:
    """What it changed, or how far that is looked at."""
    question = ("report", regrade.replay_id)
    return desk.lookups.look(question, partial(report, desk.platform.store, regrade, SHOWN))


def launch(desk: Desk, asked: Regrade) -> Regrade:
    """Record a regrade and carry it out. If this process ends, the reconciler goes on."""
    begun = begin(desk.platform, asked)
    desk.lookups.forget()

    def carry_out() -> None:
        work = CarryOut(where=desk.platform, regrade=begun, reporter=Logged(), wait=False)
        try:
            work.run()
        except ParjanyaError as error:
            log.warning("regrade_left_to_reconciler", regrade=begun.replay_id, why=str(error))
        except Exception:
            log.exception("regrade_left_to_reconciler", regrade=begun.replay_id)

    log.info("regrade_launched", regrade=begun.replay_id, policy=begun.policy)
    desk.start(carry_out)
    return begun


def id_of(person: Person, request_id: str) -> str:
    """The id of the regrade of a request, so that the same request twice is one regrade."""
    digest = hashlib.sha256(f"{person.name}\0{request_id}".encode("utf-8", "replace"))
    return f"regrade-{digest.hexdigest()[:16]}"


def own(desk: Desk, person: Person, replay_id: str) -> Regrade | None:
    """A regrade. None: there is none, or one of tenants that this person does not operate."""
    found = desk.platform.store.regrade(replay_id)
    return found if found is not None and _may(person, found) else None


def last(desk: Desk, person: Person) -> list[Regrade]:
    """The last regrades that this person may see, the newest first."""
    return [one for one in desk.platform.store.regrades(LISTED) if _may(person, one)]


def told(desk: Desk, regrade: Regrade) -> RegradeTold:
    return RegradeTold(
        replay_id=regrade.replay_id,
        policy=regrade.policy,
        tenants=list(regrade.tenants),
        since=regrade.since,
        until=regrade.until,
        started_at=regrade.started_at,
        sent_at=regrade.reset_at,
        **progress(desk.platform.store, regrade),
    )


def _may(person: Person, regrade: Regrade) -> bool:
    return all(person.may("operator", tenant) for tenant in regrade.tenants)


class Logged:
    """Hears how far a regrade is. Pages read that from Truth, so only its backfill is noted."""

    def begun(self, regrade: Regrade) -> None: ...
    def sent_back(self, batch: str, total: int) -> None: ...
    def all_sent_back(self, images: int, partitions: int) -> None: ...
    def launched(self, backfill: str, ui: str) -> None:
        log.info("regrade_backfill", backfill=backfill, ui=ui)

    def left_to_reconciler(self, reason: str) -> None: ...
    def waiting(self, images: int) -> None: ...


def shown_flips(
    desk: Desk, person: Person, flips: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """The changes of verdicts, with the pictures of their examples."""
    return [{**flip, "examples": shown(desk, person, flip["examples"])} for flip in flips]


def shown(desk: Desk, person: Person, examples: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Examples, each with the address of its picture."""
    address = desk.media.address
    return [
        {
            **one,
            "source": address(person, one["tenant"], one["image_id"], "thumbnail")
            if one["thumbnail"]
            else None,
        }
        for one in examples
    ]
