"""Any order of arrivals, work, deaths and disasters: nothing is lost, nothing is done twice.

A Hypothesis state machine over the real store, reconciling loop and sweep. After every step the
invariants of `house.House.check` hold; when the faults stop, everything becomes terminal within
`MOST_TICKS` ticks. A failure prints its steps; `SIMULATION_SEED` replays a session.
"""

from __future__ import annotations

import functools
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from parjanya_dagster.errors import BeliefUnreadable
from parjanya_dagster.lanes import BY_NAME
from parjanya_dagster.truth import open_store
from parjanya_dagster.truth.models import ImageRow, Tenant
from parjanya_dagster.truth.requests import Reset
from parjanya_dagster.truth.stages import STAGES, Status
from parjanya_dagster.truth.store import Store
from tests.simulation.house import House
from tests.simulation.memory import in_memory
from tests.simulation.mortal import Died
from tests.simulation.people import NAMES as NAMES_OF_PEOPLE
from tests.simulation.policies import REFS
from tests.simulation.worker import OUTCOMES, Worker, preview_key
from tests.support.backends import dynamo_table
from tests.support.servers import MotoServer, PostgresServer
from tests.support.simulated import COUNTED, EXAMPLES, SEED

SHRINK = bool(os.environ.get("SIMULATION_SHRINK"))
TENANTS = ("acme", "globex", "initech")
NAMES = [f"incoming/{n}.jpg" for n in range(4)]
where = st.tuples(st.sampled_from(TENANTS), st.sampled_from(NAMES))
any_ = st.integers(0, 1000)
deaths = st.none() | st.tuples(st.integers(1, 5), st.booleans())
UNHEARD = ("note_holder", "claim", "extend", "release", "commit")
MONTH = 30 * 86_400.0
FAULTS = frozenset(
    {
        "event lost",
        "event twice",
        "event late or out of order",
        "preview lost",
        "volume away",
        "clock a month ahead",
        "clock jumped",
        "poison group uploaded",
        "policy of a tenant unreadable",
        "folder of a tenant unreadable",
        "bucket of a tenant refuses writes",
        "regrade died",
        "regrade left half-way",
        "sweep died",
        "tick died",
        "tick blind",
        "intent lost",
        "run never queued",
        "run never started",
        "process killed",
        "process killed, unseen",
        "process hung",
        "process told to end",
        "clock of a process differs",
        "holder lost",
        "Truth away",
        "answer lost",
        "late worker",
        "worker slept over its lease",
        "partitions wiped",
        "runs wiped",
        "run forgotten",
        "poison uploaded",
        "hours passed",
        "review died",
        "decision sent again",
        "page stale",
    }
)


class Simulation(RuleBasedStateMachine):
    """What may happen, in any order."""

    open: Callable[[], Store]

    def __init__(self) -> None:
        super().__init__()
        self.house: House | None = None

    @initialize(lanes=st.sampled_from(sorted(BY_NAME)), first=st.lists(where, max_size=8))
    def begin(self, lanes: str, first: list[tuple[str, str]]) -> None:
        self.house = House(type(self).open(), BY_NAME[lanes])
        for at in first:
            self.house.buckets.upload(*at, self.house.clock())
            self._note("uploads")
        self._note("sequences")

    # --- how it should go ---

    @rule(steps=st.integers(0, 25), size=st.integers(1, 4))
    def all_goes_well(self, steps: int, size: int) -> None:
        """A sweep, a tick, a launch, and each process does some steps."""
        self.house.sweep()
        self.house.dagster.apply(self.house.tick())
        while run := self.house.dagster.launch():
            self.house.dagster.start(run)
        for _ in range(steps):
            for process in self._alive():
                self.house.step(process, size=size)
                self._note("worker steps")
        self._note("ticks")

    def _note(self, what: str) -> None:
        COUNTED[f"{'faults: ' if what in FAULTS else ''}{what}"] += 1

    # --- the outside world ---

    @rule(
        at=where, poison=st.integers(0, 9), event=st.sampled_from(["once", "once", "twice", "lost"])
    )
    def upload(self, at: tuple[str, str], poison: int, event: str) -> None:
        """A new object, or a new version of one. Its notification may come twice, or never."""
        arrival = self.house.buckets.upload(*at, self.house.clock())
        if poison == 0:
            self.house.poison.add(arrival.image_id)
            self._note("poison uploaded")
        times = {"once": 1, "twice": 2, "lost": 0}[event]
        self.house.buckets.notifications += [arrival] * times
        self._note("uploads")
        if times != 1:
            self._note(f"event {event}")

    @rule(at=where)
    def delete(self, at: tuple[str, str]) -> None:
        self.house.buckets.delete(*at)
        self._note("deletions")

    @precondition(lambda self: self.house.seen)
    @rule(which=any_)
    def preview_lost(self, which: int) -> None:
        """Somebody deletes a preview. Before a costly run is asked for, it is missed."""
        image = sorted(self.house.seen)[which % len(self.house.seen)]
        self.house.buckets.lost_previews.add(preview_key(image))
        self._note("preview lost")

    @rule(tenant=st.sampled_from(TENANTS), away=st.booleans())
    def volume(self, tenant: str, away: bool) -> None:
        """A tenant's volume is unmounted, or mounted again. What lay on it lies on it."""
        if not away:
            self.house.buckets.away.discard(tenant)
        elif tenant not in self.house.buckets.away:
            self.house.buckets.away.add(tenant)
            self._note("volume away")

    @rule(
        tenant=st.sampled_from(TENANTS),
        what=st.sampled_from(["policy", "folder", "writes"]),
        broken=st.booleans(),
    )
    def tenant_in_trouble(self, tenant: str, what: str, broken: bool) -> None:
        """Something of one tenant cannot be read or written, or can again."""
        house = self.house
        if what == "folder":
            if broken:
                house.buckets.unreadable[tenant] = NAMES[-1]
                self._note("folder of a tenant unreadable")
            else:
                house.buckets.unreadable.pop(tenant, None)
            return
        tenants = house.policies.torn if what == "policy" else house.buckets.refusing
        if broken:
            tenants.add(tenant)
            fault = "policy of a tenant unreadable" if what == "policy" else ""
            self._note(fault or "bucket of a tenant refuses writes")
        else:
            tenants.discard(tenant)

    @precondition(lambda self: self.house.buckets.notifications)
    @rule(which=any_)
    def deliver(self, which: int) -> None:
        """Notifications come in any order, hours late too, of objects that are long gone."""
        waiting = self.house.buckets.notifications
        index = which % len(waiting)
        arrival = waiting.pop(index)
        self.house.store.put_tenant(
            Tenant(
                slug=arrival.tenant, bucket=arrival.bucket, prefix="incoming/", policy="default@1"
            )
        )
        done = self.house.store.register([arrival], self.house.clock())
        self.house.dagster.add(one.batch for one in done)
        late = self.house.buckets.objects.get((arrival.bucket, arrival.key))
        if index or late is None or late.version != arrival.version:
            self._note("event late or out of order")

    @rule(death=deaths)
    def sweep(self, death: tuple[int, bool] | None) -> None:
        try:
            self.house.sweep(self._store(death))
        except Died:
            self._note("sweep died")

    @rule(at=where, count=st.integers(2, 4))
    def poison_group(self, at: tuple[str, str], count: int) -> None:
        """Several images at once that kill every process."""
        for n in range(count):
            arrival = self.house.buckets.upload(at[0], f"incoming/p{n}.jpg", self.house.clock())
            self.house.poison.add(arrival.image_id)
        self._note("poison group uploaded")

    @rule(what=st.sampled_from(["sweep", "tick", "work"]), which=any_, retry=st.booleans())
    def clock_ahead_for_a_moment(self, what: str, which: int, retry: bool) -> None:
        """Whoever sweeps, compares or works next has a clock that is a month ahead."""
        self.house.clock.pass_by(MONTH)
        if what == "sweep":
            self.house.sweep()
        elif what == "tick":
            self.house.dagster.apply(self.house.tick())
        elif self._alive():
            self.house.step(self._pick(which), kind="retry" if retry else "completed")
        self.house.clock.pass_by(-MONTH)
        self._note("clock a month ahead")

    @rule(seconds=st.sampled_from([-MONTH, -7200.0, 7200.0, MONTH]))
    def clock_jumps(self, seconds: float) -> None:
        """The clock of everything is set, back or ahead, and stays so."""
        self.house.clock.pass_by(seconds)
        self._note("clock jumped")

    @rule(
        seconds=st.sampled_from([1.0, 30.0, 130.0, 1000.0, 20_000.0]),
        hang=st.sampled_from(["none", "one", "all"]),
        which=any_,
    )
    def time_passes(self, seconds: float, hang: str, which: int) -> None:
        """Some processes say meanwhile that they live, and some hang. For hours, all do."""
        house, alive = self.house, self._alive()
        hangs = [self._pick(which)] if hang == "one" and alive else alive if hang == "all" else []
        if hangs or seconds > 1000:
            self._note("process hung")
        house.pass_by(seconds, hangs) if seconds <= 1000 else house.clock.pass_by(seconds)
        if seconds > 1000:
            self._note("hours passed")

    # --- the reconciler ---

    @rule(death=deaths, created=st.integers(0, 5), enqueue=st.integers(0, 9), hurried=st.booleans())
    def tick(
        self, death: tuple[int, bool] | None, created: int, enqueue: int, hurried: bool
    ) -> None:
        """A tick; it, or the daemon that should act on it, may die in the middle."""
        try:
            emission = self.house.tick(self._store(death), hurried=hurried)
        except Died:
            self._note("tick died")
            return
        if created < len(emission.runs):
            self._note("intent lost")
        if enqueue == 0 and emission.runs:
            self._note("run never queued")
        self.house.dagster.apply(emission, created, enqueue=enqueue != 0)
        self._note("ticks")

    @precondition(lambda self: self.house.seen)
    @rule()
    def tick_blind(self) -> None:
        """Belief cannot be read: the tick fails, emits nothing and leaves no heartbeat."""
        before = self.house.store.heartbeats().get("reconciler")
        last = self.house.store.reconciliation()
        self.house.dagster.readable = False
        with pytest.raises(BeliefUnreadable):
            self.house.tick()
        self.house.dagster.readable = True
        assert self.house.store.heartbeats().get("reconciler") == before
        assert self.house.store.reconciliation() == last
        self._note("tick blind")

    # --- Dagster ---

    @rule(start=st.integers(0, 9))
    def launch(self, start: int) -> None:
        """The next run of the queue is launched, and its process begins, or never does."""
        run = self.house.dagster.launch()
        if run is None:
            return
        if start:
            self.house.dagster.start(run)
        else:
            self._note("run never started")

    @precondition(lambda self: self.house.dagster.keys)
    @rule()
    def partitions_wiped(self) -> None:
        self.house.dagster.wipe_keys()
        self._note("partitions wiped")

    @precondition(lambda self: self.house.dagster.runs)
    @rule()
    def runs_wiped(self) -> None:
        """Whatever runs goes on: its process does not know."""
        self.house.dagster.wipe_runs()
        self._note("runs wiped")

    @precondition(lambda self: self.house.dagster.runs)
    @rule(which=any_)
    def run_forgotten(self, which: int) -> None:
        runs = self.house.dagster.runs
        del runs[sorted(runs)[which % len(runs)]]
        self._note("run forgotten")

    # --- the processes of runs ---

    @precondition(lambda self: self._alive())
    @rule(
        which=any_,
        steps=st.integers(1, 6),
        size=st.integers(1, 4),
        kind=st.sampled_from([*["completed"] * 5, *OUTCOMES]),
        death=deaths,
        noticed=st.booleans(),
        unheard=st.sampled_from([*[""] * 12, *UNHEARD]),
        done=st.booleans(),
    )
    def work(
        self,
        which: int,
        steps: int,
        size: int,
        kind: str,
        death: tuple[int, bool] | None,
        noticed: bool,
        unheard: str,
        done: bool,
    ) -> None:
        """A process does some steps, and may die before or after any of its writes.

        `unheard`: what Truth does not answer it meanwhile. `done`: it does it all the same.
        """
        process = self._pick(which)
        process.line.cut, process.line.late = frozenset({unheard}), done
        if unheard:
            self._note("answer lost" if done else "Truth away")
        run = self.house.dagster.runs.get(process.run_id)
        if run is None or not run.live:
            self._note("late worker")
        store = self._store(death)
        for _ in range(steps):
            if process.alive:
                self.house.step(process, size=size, kind=kind, store=store, noticed=noticed)
                self._note("worker steps")
        process.line.cut = frozenset()
        if not process.alive and not process.done:
            self._note(f"process killed{'' if noticed else ', unseen'}")

    @precondition(lambda self: self._alive())
    @rule(which=any_, late=st.booleans(), death=deaths)
    def told_to_end(self, which: int, late: bool, death: tuple[int, bool] | None) -> None:
        """Its machine is taken back. It hands all back, perhaps while a commit is under way."""
        process = self._pick(which)
        try:
            process.told_to_end(self._store(death) or self.house.store, self.house.clock())
        except Died:
            late = False
        if late:
            self.house.step(process)
        if process.alive:
            self.house.dagster.died(process, noticed=True)
        self._note("process told to end")

    @precondition(lambda self: self._alive())
    @rule(which=any_, seconds=st.sampled_from([-600.0, 0.0, 100.0, 1000.0, 2400.0, 7200.0]))
    def clock_of_a_process(self, which: int, seconds: float) -> None:
        """It differs from that of all others, and stays so."""
        self._pick(which).ahead = seconds
        self._note("clock of a process differs")

    @precondition(lambda self: self.house is not None and self.house.store.holders())
    @rule(which=any_)
    def holder_lost(self, which: int) -> None:
        """A record of a process that holds rows is gone."""
        holders = self.house.store.holders()
        self.house.store.drop_holder(holders[sorted(holders)[which % len(holders)]])
        self._note("holder lost")

    @precondition(lambda self: self._alive())
    @rule(which=any_, noticed=st.booleans())
    def kill(self, which: int, noticed: bool) -> None:
        self.house.dagster.died(self._pick(which), noticed=noticed)
        self._note(f"process killed{'' if noticed else ', unseen'}")

    @precondition(lambda self: self._alive())
    @rule(
        which=any_,
        death=deaths,
        noticed=st.booleans(),
        unheard=st.sampled_from(["", "", "note_holder", "extend"]),
        done=st.booleans(),
    )
    def beats(
        self,
        which: int,
        death: tuple[int, bool] | None,
        noticed: bool,
        unheard: str,
        done: bool,
    ) -> None:
        process = self._pick(which)
        process.line.cut, process.line.late = frozenset({unheard}), done
        try:
            process.beats(self._store(death) or self.house.store, self.house.clock())
        except Died:
            self.house.dagster.died(process, noticed=noticed)
        process.line.cut = frozenset()

    @precondition(lambda self: self._alive())
    @rule(which=any_)
    def wake_late(self, which: int) -> None:
        self.house.wake_late(self._pick(which))
        self._note("worker slept over its lease")

    # --- operators ---

    @rule(
        tenant=st.sampled_from(TENANTS),
        policy=st.sampled_from(REFS),
        stage=st.sampled_from(STAGES),
        replay=st.integers(0, 3),
    )
    @precondition(lambda self: self.house.seen)
    def policy_changed(self, tenant: str, policy: str, stage: str, replay: int) -> None:
        """A tenant is pinned to another policy and regraded from some stage, perhaps again."""
        if self.house.store.tenant(tenant) is None:
            return
        self.house.store.pin(tenant, policy)
        self.house.store.reset(
            self.house.store.batches(tenant),
            Reset(stage=stage, reason="regrade"),
            self.house.clock(),
            f"r{replay}",
        )
        self._note("policies changed")

    @precondition(lambda self: self.house.seen)
    @rule(
        tenant=st.sampled_from(TENANTS),
        policy=st.sampled_from(REFS),
        batches=st.integers(0, 4),
        death=deaths,
    )
    def regrade(
        self, tenant: str, policy: str, batches: int, death: tuple[int, bool] | None
    ) -> None:
        """Images on their way meet another prompt or other metrics, wherever they are."""
        if self.house.store.tenant(tenant) is None:
            return
        self._note("regrades")
        try:
            self.house.regrade(tenant, policy, batches=batches, store=self._store(death))
        except Died:
            self._note("regrade died")
            return
        if self.house.store.open_regrades():
            self._note("regrade left half-way")

    @precondition(lambda self: self.house.seen)
    @rule()
    def failures_replayed(self) -> None:
        failed = [row.image_id for row in self.house.seen.values() if row.failed_stage]
        self.house.store.reset_images(
            failed, Reset(stage="validated", reason="replay --failed"), self.house.clock()
        )

    # --- people ---

    @precondition(lambda self: self.house.seen)
    @rule(
        tenant=st.sampled_from(TENANTS),
        who=st.sampled_from(NAMES_OF_PEOPLE),
        count=st.integers(1, 3),
        leave=st.booleans(),
        death=deaths,
    )
    def person_looks(
        self, tenant: str, who: str, count: int, leave: bool, death: tuple[int, bool] | None
    ) -> None:
        """A person is shown the next images that wait, perhaps after leaving others."""
        store = self._store(death) or self.house.store
        try:
            if leave:
                self.house.people.leave(store, who)
            self.house.people.look(store, tenant, who, self.house.clock(), count)
        except Died:
            self._note("review died")

    @precondition(lambda self: self.house.seen)
    @rule(
        which=any_,
        who=st.sampled_from(NAMES_OF_PEOPLE),
        action=st.sampled_from([*["accept", "reject"] * 2, "undo"]),
        page=st.sampled_from(["shown", "now", "again"]),
        death=deaths,
    )
    def person_decides(
        self, which: int, who: str, action: str, page: str, death: tuple[int, bool] | None
    ) -> None:
        """On a page that was shown some time ago, on any image as it is now, or the same again."""
        people, truth = self.house.people, self.house.store
        store = self._store(death) or truth
        try:
            if page == "again" and people.asked:
                became = people.press_again(store, truth, which, self.house.clock())
                self._note("decision sent again")
            else:
                shown = people.pages if page == "shown" and people.pages else self._rows_now()
                row = shown[which % len(shown)]
                became = people.press(store, truth, row, who, action, self.house.clock())
        except Died:
            self._note("review died")
            return
        self._note("page stale" if became == "stale" else f"decisions of people {became}")

    def _rows_now(self) -> list[ImageRow]:
        """Images as they are now: decided ones where there are any."""
        rows = [self.house.seen[image] for image in sorted(self.house.seen)]
        return [row for row in rows if row.pipeline_status == Status.CURATED] or rows

    # --- what holds ---

    @invariant()
    def nothing_is_lost_or_done_twice(self) -> None:
        if self.house is not None:
            self.house.check()
            COUNTED["steps checked"] += 1

    def teardown(self) -> None:
        if self.house is None:
            return
        try:
            others = self.house.others_go_on()
            COUNTED["ticks others waited for one tenant's faults, at most"] = max(
                others, COUNTED["ticks others waited for one tenant's faults, at most"]
            )
            ticks = self.house.settle()
            COUNTED["images"] += len(self.house.seen)
            COUNTED["ticks until all was terminal, in all"] += ticks
            COUNTED["ticks until all was terminal, at most"] = max(
                ticks, COUNTED["ticks until all was terminal, at most"]
            )
            COUNTED["verdicts of people lapsed"] += self.house.people.lapses(self.house.store)
            for what, count in self.house.counted.items():
                if what.startswith("rows "):
                    COUNTED[what] += count
            COUNTED["commits of late workers refused"] += self.house.counted["lost commits"]
        finally:
            COUNTED["images lost"] += self.house.counted["images lost"]
            self.house.store.close()

    # --- helpers ---

    def _alive(self) -> list[Worker]:
        return [process for process in self.house.dagster.processes if process.alive]

    def _pick(self, which: int) -> Worker:
        alive = self._alive()
        return alive[which % len(alive)]

    def _store(self, death: tuple[int, bool] | None) -> Any:
        return None if death is None else self.house.mortal(death[0], after=death[1])


def simulate(open_: Callable[[], Store], examples: int) -> None:
    machine = type("Simulation", (Simulation,), {"open": staticmethod(open_)})
    run_state_machine_as_test(
        seed(SEED)(machine),
        settings=settings(
            max_examples=examples,
            stateful_step_count=50,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            # Shrinking takes minutes. SIMULATION_SHRINK=1 shows the shortest sequence.
            phases=[Phase.generate, Phase.shrink] if SHRINK else [Phase.generate],
            print_blob=True,
        ),
    )


def test_nothing_is_lost_whatever_happens_in_any_order(template: Path) -> None:
    simulate(functools.partial(in_memory, template, SEED), EXAMPLES)


def test_nothing_is_lost_on_postgresql_either(postgres: PostgresServer) -> None:
    name = postgres.create_database()
    open_store(postgres.url(name), migrating=True).close()
    copies: list[str] = []

    def fresh() -> Store:
        while copies:
            postgres.drop_database(copies.pop())
        copies.append(postgres.create_database(name))
        return open_store(postgres.url(copies[-1]), batch_size=3)

    simulate(fresh, max(1, EXAMPLES // 12))


# --- the same world, walked at random: longer, denser in work, and much faster ----------------

WALKS, PARTS = EXAMPLES // 2, 3
STEPS = 120
DYNAMODB = [int(n) for n in (os.environ.get("SIMULATION_DYNAMODB") or "1,25").split(",")]


def draws(rng: random.Random) -> dict[str, tuple[float, dict[str, Any]]]:
    """What may happen next: its weight, and what is drawn for it."""
    at = (rng.choice(TENANTS), rng.choice(NAMES))
    death = None if rng.random() < 0.7 else (rng.randint(1, 5), rng.random() < 0.5)
    which, noticed = rng.randrange(1000), rng.random() < 0.5
    kind = "completed" if rng.random() < 0.6 else rng.choice(OUTCOMES)
    seconds = rng.choice([1.0, 5.0, 30.0, 130.0, 1000.0, 20_000.0])
    event = rng.choice(["once", "once", "twice", "lost"])
    return {
        "upload": (3, {"at": at, "poison": rng.randrange(20), "event": event}),
        "delete": (0.5, {"at": at}),
        "deliver": (2, {"which": which}),
        "sweep": (1, {"death": death}),
        "tick": (
            4,
            {
                "death": death,
                "created": rng.randrange(6),
                "enqueue": rng.randrange(10),
                "hurried": rng.random() < 0.3,
            },
        ),
        "preview_lost": (0.5, {"which": which}),
        "volume": (0.6, {"tenant": at[0], "away": rng.random() < 0.4}),
        "tenant_in_trouble": (
            0.8,
            {
                "tenant": at[0],
                "what": rng.choice(["policy", "folder", "writes"]),
                "broken": rng.random() < 0.5,
            },
        ),
        "tick_blind": (0.2, {}),
        "launch": (5, {"start": rng.randrange(12)}),
        "work": (
            12,
            {
                "which": which,
                "steps": rng.randint(1, 6),
                "size": rng.randint(1, 4),
                "kind": kind,
                "death": death,
                "noticed": noticed,
                "unheard": "" if rng.random() < 0.9 else rng.choice(UNHEARD),
                "done": rng.random() < 0.5,
            },
        ),
        "kill": (0.5, {"which": which, "noticed": noticed}),
        "wake_late": (1, {"which": which}),
        "beats": (
            1,
            {
                "which": which,
                "death": death,
                "noticed": noticed,
                "unheard": rng.choice(["", "", "note_holder", "extend"]),
                "done": rng.random() < 0.5,
            },
        ),
        "told_to_end": (0.4, {"which": which, "late": rng.random() < 0.5, "death": death}),
        "clock_of_a_process": (
            0.3,
            {
                "which": which,
                "seconds": rng.choice([-600.0, 0.0, 100.0, 1000.0, 2400.0, 7200.0]),
            },
        ),
        "holder_lost": (0.3, {"which": which}),
        "time_passes": (
            3,
            {"seconds": seconds, "hang": rng.choice(["none", "one", "all"]), "which": which},
        ),
        "partitions_wiped": (0.2, {}),
        "runs_wiped": (0.2, {}),
        "run_forgotten": (0.4, {"which": which}),
        "policy_changed": (
            0.4,
            {
                "tenant": at[0],
                "policy": rng.choice(REFS),
                "stage": rng.choice(STAGES),
                "replay": rng.randrange(4),
            },
        ),
        "regrade": (
            0.8,
            {
                "tenant": at[0],
                "policy": rng.choice(REFS),
                "batches": rng.randrange(5),
                "death": death,
            },
        ),
        "poison_group": (0.2, {"at": at, "count": rng.randint(2, 4)}),
        "clock_ahead_for_a_moment": (
            0.3,
            {
                "what": rng.choice(["sweep", "tick", "work"]),
                "which": which,
                "retry": rng.random() < 0.5,
            },
        ),
        "clock_jumps": (0.15, {"seconds": rng.choice([-MONTH, -7200.0, 7200.0, MONTH])}),
        "failures_replayed": (0.1, {}),
        "all_goes_well": (0.7, {"steps": rng.randint(5, 25), "size": rng.randint(1, 4)}),
        "person_looks": (
            1,
            {
                "tenant": at[0],
                "who": rng.choice(NAMES_OF_PEOPLE),
                "count": rng.randint(1, 3),
                "leave": rng.random() < 0.3,
                "death": death,
            },
        ),
        "person_decides": (
            3,
            {
                "which": which,
                "who": rng.choice(NAMES_OF_PEOPLE),
                "action": rng.choice(["accept", "reject", "undo"]),
                "page": rng.choice(["shown", "now", "now", "again"]),
                "death": death,
            },
        ),
    }


NEEDS: dict[str, Callable[[Simulation], object]] = {
    "person_looks": lambda s: s.house.seen,
    "person_decides": lambda s: s.house.seen,
    "deliver": lambda s: s.house.buckets.notifications,
    "preview_lost": lambda s: s.house.seen,
    "run_forgotten": lambda s: s.house.dagster.runs,
    "work": lambda s: s._alive(),
    "kill": lambda s: s._alive(),
    "beats": lambda s: s._alive(),
    "told_to_end": lambda s: s._alive(),
    "clock_of_a_process": lambda s: s._alive(),
    "holder_lost": lambda s: s.house.store.holders(),
    "wake_late": lambda s: s._alive(),
}


@pytest.mark.parametrize("part", range(PARTS))
def test_nothing_is_lost_on_long_random_walks(template: Path, part: int) -> None:
    for walk in range(part, WALKS, PARTS):
        walk_at_random(lambda: in_memory(template, SEED), walk, STEPS)


def test_nothing_is_lost_on_dynamodb_either(aws: MotoServer) -> None:
    """On moto's emulator: what DynamoDB itself may do beyond it is not shown here.

    Few walks, since it is slow: SIMULATION_DYNAMODB says how many, of how many steps.
    """
    walks, steps = DYNAMODB
    for walk in range(walks):
        with dynamo_table(aws) as url:
            walk_at_random(lambda: open_store(url, batch_size=3), walk, steps)


def walk_at_random(open_: Callable[[], Store], walk: int, steps: int) -> None:
    rng = random.Random(f"{SEED}/{walk}")
    machine = type("Walk", (Simulation,), {"open": staticmethod(open_)})()
    first = rng.sample([(tenant, name) for tenant in TENANTS for name in NAMES], rng.randrange(9))
    machine.begin(lanes=rng.choice(sorted(BY_NAME)), first=first)
    taken: list[str] = []
    try:
        for _ in range(steps):
            possible = {
                name: drawn
                for name, drawn in draws(rng).items()
                if NEEDS.get(name, lambda _: True)(machine)
            }
            weights = [weight for weight, _ in possible.values()]
            name = rng.choices(list(possible), weights)[0]
            taken.append(f"{name}({possible[name][1]})")
            getattr(machine, name)(**possible[name][1])
            machine.nothing_is_lost_or_done_twice()
        machine.teardown()
    except Exception as error:
        error.add_note(f"SIMULATION_SEED={SEED}, walk {walk}, step {len(taken)}:")
        error.add_note("\n".join(taken))
        raise
