"""One tick of `arrivals`: it goes on looking, so that what lands is seen at once (decision 0003).

Where buckets notify a queue, messages are taken as they come, and a sweep looks now and then for
what they missed. Elsewhere the sweep finds everything. Nothing is remembered but where a sweep
stopped and when the next one is worth its cost.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from parjanya_dagster.belief import blind_loops
from parjanya_dagster.errors import CloudUnavailable, StorageUnavailable
from parjanya_dagster.ingest.arrivals import Position, Swept
from parjanya_dagster.ingest.mailbox import Mailbox, Taken
from parjanya_dagster.platform import Platform

ATTEND = 20.0  # seconds that a tick goes on looking
LOOK_EVERY = 0.5  # seconds between sweeps that cost little
LONG_POLL = 5.0  # seconds that a look into the queue waits for a message
SLICE = 10.0  # seconds that a sweep beside messages may take before they are looked at again
TICK_BUDGET = 40.0  # seconds; Dagster ends a tick at 60
DEPARTURES_EVERY = 60.0  # seconds between looks at what is gone
EASE = 20.0  # a sweep may take one part in so many of the time
ARRIVALS_BEAT, MAILBOX = "arrivals", "arrivals_queue"

State = dict[str, Any]
"""The cursor: `next_sweep`, `next_departures` in seconds since the epoch, `stopped`."""


def rests(place: Platform, state: State) -> bool:
    """Whether a tick that only sweeps has nothing to do yet."""
    return waits(state.get("next_sweep", 0.0), place.clock(), place.settings.arrivals.sweep_every)


def attend_sweeping(place: Platform, state: State) -> Swept:
    """Sweep again and again. Raises StorageUnavailable, TruthUnavailable."""
    began = place.clock()
    total = Swept()
    while True:
        swept, took = sweep_once(place, state, began + TICK_BUDGET)
        total.absorb(swept)
        place.store.beat(ARRIVALS_BEAT, place.clock(), _seen(swept, took))
        pause = max(LOOK_EVERY, took * EASE, place.settings.arrivals.sweep_every)
        if not swept.complete or place.clock() + pause > began + ATTEND:
            break
        place.pause(pause)
    state["next_sweep"] = place.clock() + (pause if pause > LOOK_EVERY else 0.0)
    return total


def attend_mailbox(place: Platform, state: State) -> Swept:
    """Take messages as they come; sweep when it is time. Raises TruthUnavailable.

    A queue that does not answer is noted, and the sweep goes on as if there were none.
    """
    assert place.mailbox is not None
    began = place.clock()
    total, mail = Swept(), Taken()
    while True:
        some = _take(place, place.mailbox, began + ATTEND - place.clock())
        _merge(total, mail, some)
        took = 0.0
        if not waits(
            state.get("next_sweep", 0.0), place.clock(), place.settings.arrivals.sweep_every
        ):
            try:
                swept, took = sweep_once(place, state, place.clock() + SLICE)
            except StorageUnavailable as error:
                swept = Swept(refused={"every bucket": str(error)})
            total.absorb(swept)
            every = place.settings.arrivals.sweep_every if swept.complete else 0.0
            state["next_sweep"] = place.clock() + max(took * EASE, every)
        place.store.beat(ARRIVALS_BEAT, place.clock(), _seen(total, took) | _received(mail))
        if place.clock() >= began + ATTEND:
            return total
        if some is None:
            place.pause(LONG_POLL)


def sweep_once(place: Platform, state: State, deadline: float) -> tuple[Swept, float]:
    """One sweep, from where the last one stopped, and the seconds it took."""
    now = place.clock()
    departures = bool(state.get("stopped")) or not waits(state.get("next_departures", 0.0), now)
    swept = place.sweeper.sweep(deadline, departures, _position(state))
    took = place.clock() - now
    if departures and swept.complete:
        state["next_departures"] = now + max(DEPARTURES_EVERY, took * EASE)
    state["stopped"] = asdict(swept.stopped) if swept.stopped else None
    return swept, took


def waits(until: float, now: float, every: float = 0.0) -> bool:
    """Whether it is too early. A time far ahead comes of a clock that went backwards: not then."""
    return now < until <= now + max(DEPARTURES_EVERY, EASE * TICK_BUDGET, every)


def _position(state: State) -> Position | None:
    try:
        return Position(**state["stopped"])
    except (KeyError, TypeError):  # none, or another version's: begin again
        return None


def _take(place: Platform, mailbox: Mailbox, left: float) -> Taken | None:
    """A batch of messages; None where the queue does not answer."""
    try:
        with blind_loops.noted(place.store, MAILBOX, place.clock()):
            return mailbox.take(max(0.0, min(LONG_POLL, left)))
    except CloudUnavailable:
        return None


def _merge(total: Swept, mail: Taken, some: Taken | None) -> None:
    if some is None:
        return
    for batch, rows in some.registered.items():
        total.registered[batch] = total.registered.get(batch, 0) + rows
    total.departed += some.departed
    total.tenants += some.tenants
    mail.messages += some.messages
    mail.left = some.left
    mail.dead += some.dead
    mail.late = max(mail.late, some.late)


def _seen(swept: Swept, took: float) -> dict[str, Any]:
    return {
        "seconds": round(took, 3),
        "seen": swept.seen,
        "registered": sum(swept.registered.values()),
        "unfinished": swept.unfinished,
        "departed": swept.departed,
        "refused": dict(list(swept.refused.items())[:50]),
        "complete": swept.complete,
    }


def _received(mail: Taken) -> dict[str, Any]:
    return {
        "messages": mail.messages,
        "dead_letters": mail.dead[:10],
        "unanswered": mail.left,
        "late_seconds": round(mail.late, 3),
    }
