"""Every line of the runbook's "It hangs at 02:00", executed against an instance broken in that way.

A real home: SQLite, buckets, Dagster's own storage, the commands as they are typed. No daemon runs,
so each break stays until the cure: what the line says, or the reconciler's own tick. Times are set
back in the records instead of waited for. In health the doctor finds nothing.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from dagster import DagsterInstance, DagsterRunStatus
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.events import EngineEventData
from dagster._core.scheduler.instigation import TickStatus
from dagster._utils.error import SerializableErrorInfo
from typer.testing import CliRunner, Result

from parjanya_dagster.belief.drift import declare, note_running
from parjanya_dagster.belief.runs import DagsterBelief
from parjanya_dagster.belief.tags import (
    INTENT_TAG,
    PARTITION,
    PARTITIONS,
    RECONCILER,
    STAGES_TAG,
)
from parjanya_dagster.cli.main import app
from parjanya_dagster.doctor.findings import KINDS
from parjanya_dagster.instance.home import free_port, write_home
from parjanya_dagster.instance.storage import prepare_dagster
from parjanya_dagster.intent.loop import Timing
from parjanya_dagster.objects import local
from parjanya_dagster.objects.store import ObjectInfo
from parjanya_dagster.platform import Platform, open_platform
from parjanya_dagster.settings import Settings, loading
from parjanya_dagster.truth.outcomes import Retry, TerminalFailure
from parjanya_dagster.truth.records import Reconciliation
from parjanya_dagster.truth.requests import ClaimRequest
from parjanya_dagster.truth.stages import STAGES
from tests.support import world
from tests.support.dagster_runs import make_run
from tests.support.dagster_ticks import daemon_lives, make_tick, switch_on

RUNBOOK = Path(__file__).parents[2] / "docs" / "runbook.md"
HEADING = "## It hangs at 02:00"
MINUTE, HOUR = 60.0, 3600.0


@dataclass
class Broken:
    """An instance at 02:00."""

    home: Path
    platform: Platform
    patch: pytest.MonkeyPatch
    image: str = ""

    @property
    def now(self) -> float:
        return self.platform.clock()

    def run(self, command: str) -> Result:
        words = shlex.split(command.replace("IMAGE", self.image))
        assert words.pop(0) == "parjanya"
        return CliRunner().invoke(app, [*words, "--home", str(self.home)])

    def doctor(self) -> tuple[int, set[str], dict[str, str]]:
        done = self.run("parjanya doctor --json")
        said = json.loads(done.stdout)
        return done.exit_code, {one["code"] for one in said["findings"]}, said["could_not_read"]

    def dagster(self) -> DagsterInstance:
        return DagsterInstance.from_config(str(self.home / "dagster"))

    def upload(self, *, minutes_ago: float = 0.0) -> str:
        """An image that landed, and was registered as long ago. Returns its partition."""
        path = self.home / "buckets" / "acme" / "incoming" / "a.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"an image")
        self.platform.sweeper.sweep(self.now + 60, True)
        (row,) = self.platform.store.present("acme")
        self.image = row.image_id
        self.sql("UPDATE images SET due_at = ?, not_before = ?", *[self.now - 60 * minutes_ago] * 2)
        return row.batch

    def with_run(self, status: DagsterRunStatus, minutes_ago: float) -> str:
        """A due image, its partition, and a run of the reconciler's over it."""
        batch = self.upload(minutes_ago=minutes_ago)
        with self.dagster() as instance:
            instance.add_dynamic_partitions(PARTITIONS, [batch])
            return make_run(
                instance,
                self.now - minutes_ago * MINUTE,
                status,
                **{
                    PARTITION: batch,
                    INTENT_TAG: RECONCILER,
                    STAGES_TAG: json.dumps(STAGES),
                },
            )

    def sql(self, statement: str, *values: Any) -> None:
        with closing(sqlite3.connect(self.home / "truth.db", timeout=60)) as db, db:
            db.execute(statement, values)

    def beat(self, seconds_ago: float = 0.0, **payload: Any) -> None:
        for loop in ("reconciler", "arrivals"):
            self.platform.store.beat(loop, self.now - seconds_ago, payload)

    def watch(self, since: float) -> None:
        """The reconciler has listened since then."""
        self.platform.store.note_reconciliation(
            Reconciliation(at=self.now, generation=1, watching_since=since, totals={})
        )

    def tick(self) -> None:
        """A tick of the reconciler, and its keys added as Dagster adds them."""
        with self.dagster() as instance:
            loop = self.platform.loop(DagsterBelief(instance, self.platform.lanes))
            for emission in replace(loop, timing=Timing(tick=0.0)).tick():
                instance.add_dynamic_partitions(PARTITIONS, list(emission.add_keys))


@pytest.fixture
def broken(
    tmp_path: Path, prepared_home: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Broken]:
    for name in ("PARJANYA_HOME", "DAGSTER_HOME"):
        monkeypatch.delenv(name, raising=False)
    home = tmp_path / "home"
    shutil.copytree(prepared_home, home)
    chosen = Settings(home=home, arrivals={"settle": 0.0})
    write_home(chosen, 4000)
    (home / "parjanya.env").write_text("PARJANYA_ARRIVALS__SETTLE=0\n")
    broken = Broken(home, open_platform(chosen, migrating=True), monkeypatch)
    broken.beat()
    assert broken.doctor() == (0, set(), {})
    yield broken
    broken.platform.store.close()


# --- each break returns its cure ---

Cure = Callable[[], object]


def truth_does_not_answer(b: Broken) -> Cure:
    """Its address names a port where nobody listens."""

    def address(line: str) -> None:
        (b.home / "parjanya.env").write_text(f"PARJANYA_ARRIVALS__SETTLE=0\n{line}")
        loading._load.cache_clear()

    address(f"PARJANYA_TRUTH__URL=postgresql://127.0.0.1:{free_port()}/truth\n")
    return lambda: address("")


def dagster_is_gone(b: Broken) -> Cure:
    shutil.rmtree(b.home / "dagster")

    def start_again() -> None:  # what `parjanya up` does first
        write_home(b.platform.settings, 4000)
        prepare_dagster(b.platform.settings)

    return start_again


def rows_missing(b: Broken) -> Cure:
    b.upload()
    copy(b.home / "truth.db", b.home / "backup.db")
    b.sql("DELETE FROM images")

    def restore() -> None:
        copy(b.home / "backup.db", b.home / "truth.db")
        b.tick()

    return restore


def copy(source: Path, target: Path) -> None:
    """As SQLite copies a database that others have open."""
    with closing(sqlite3.connect(source)) as of, closing(sqlite3.connect(target)) as to:
        of.backup(to)


def objects_unregistered(b: Broken) -> Cure:
    """No file system lets its time of change be set back: here only that of the content counts."""

    def info(key: str, stat: os.stat_result) -> ObjectInfo:
        return replace(known(key, stat), modified_at=stat.st_mtime)

    known = local._info
    b.patch.setattr(local, "_info", info)
    b.upload()
    path = b.home / "buckets" / "acme" / "incoming" / "late.jpg"
    path.write_bytes(b"another image")
    os.utime(path, (b.now - 10 * MINUTE,) * 2)
    return lambda: (b.platform.sweeper.sweep(b.now + 60, True), b.tick())


def reconciler_blind(b: Broken) -> Cure:
    b.platform.store.beat("reconciler", b.now - 12 * HOUR, {})
    return b.tick


def daemon_away(b: Broken) -> Cure:
    def lives(at: float) -> None:
        with b.dagster() as instance:
            daemon_lives(instance, at)

    lives(b.now - 10 * MINUTE)
    return lambda: lives(b.now)


def code_location_away(b: Broken) -> Cure:
    def ticks(status: TickStatus, error: Exception | None = None) -> None:
        with b.dagster() as instance:
            daemon_lives(instance, b.now)
            make_tick(instance, status, b.now, error)

    with b.dagster() as instance:
        switch_on(instance)
    ticks(TickStatus.FAILURE, DagsterUserCodeUnreachableError("Unable to reach it"))
    return lambda: ticks(TickStatus.SKIPPED)


def run_dead(b: Broken) -> Cure:
    b.with_run(DagsterRunStatus.STARTED, minutes_ago=60)
    b.watch(b.now - 2 * HOUR)

    def next_tick() -> None:
        b.tick()
        b.sql("UPDATE images SET due_at = ?", b.now)

    return next_tick


def keys_missing(b: Broken) -> Cure:
    b.upload(minutes_ago=10)

    def next_tick() -> None:
        b.tick()
        b.sql("UPDATE images SET due_at = ?", b.now)  # the run it asked for comes to it

    return next_tick


def pending_without_intent(b: Broken) -> Cure:
    batch = b.upload(minutes_ago=10)
    with b.dagster() as instance:
        instance.add_dynamic_partitions(PARTITIONS, [batch])
    return lambda: b.sql("UPDATE images SET due_at = ?", b.now)


def end_the_run(b: Broken, run_id: str) -> Cure:
    def end() -> None:
        with b.dagster() as instance:
            run = instance.get_run_by_id(run_id)
            assert run is not None
            instance.report_run_canceled(run)
        b.sql("UPDATE images SET due_at = ?", b.now)

    return end


def queued_too_long(b: Broken) -> Cure:
    return end_the_run(b, b.with_run(DagsterRunStatus.QUEUED, minutes_ago=60))


def starting_too_long(b: Broken) -> Cure:
    """Half of the lane's launch deadline has passed: it is slow, and not yet dead."""
    run_id = b.with_run(DagsterRunStatus.STARTING, minutes_ago=1.5)
    b.watch(b.now - 2 * HOUR)
    return end_the_run(b, run_id)


def launcher_failing(b: Broken) -> Cure:
    """As the daemon reports a run whose launch raised. The cure: a later run starts."""
    run_id = b.with_run(DagsterRunStatus.STARTING, minutes_ago=1)
    error = SerializableErrorInfo("(403) jobs.batch is forbidden", [], "ApiException")
    with b.dagster() as instance:
        run = instance.get_run_by_id(run_id)
        assert run is not None
        instance.report_engine_event("dequeuing", run, EngineEventData.engine_error(error))
        instance.report_run_failed(run)

    def launched_again() -> None:
        with b.dagster() as instance:
            make_run(instance, b.now + 1, DagsterRunStatus.SUCCESS)

    return launched_again


def started_without_commits(b: Broken) -> Cure:
    run_id = b.with_run(DagsterRunStatus.STARTED, minutes_ago=20)
    b.platform.store.beat(
        f"run:{run_id}",
        b.now,
        {"stage": "validated", "phase": "working", "progress_at": b.now - 20 * MINUTE},
    )
    return end_the_run(b, run_id)


def retrying(b: Broken) -> Cure:
    b.upload()
    for _ in range(4):
        (claim,) = b.platform.store.claim(
            ClaimRequest(
                stage="validated",
                batches=b.platform.store.batches(),
                limit=1,
                owner="run-1",
                lease=60.0,
            ),
            b.now + 9e5,
        )
        b.platform.store.commit(
            [(claim, Retry("StorageUnavailable: the bucket does not answer"))], b.now, "run-1"
        )
    b.sql("UPDATE images SET retry_since = ?", b.now - HOUR)

    def restored() -> None:
        (claim,) = b.platform.store.claim(
            ClaimRequest(
                stage="validated",
                batches=b.platform.store.batches(),
                limit=1,
                owner="run-2",
                lease=60.0,
            ),
            b.now + 9e5,
        )
        world.commit(b.platform.store, [claim], now=b.now)

    return restored


def crash_loop(b: Broken) -> Cure:
    run_ids = [b.with_run(DagsterRunStatus.FAILURE, minutes_ago=n) for n in (9, 5, 1)]
    assert len(set(run_ids)) == 3

    def fixed() -> None:
        (claim,) = b.platform.store.claim(
            ClaimRequest(
                stage="validated",
                batches=b.platform.store.batches(),
                limit=1,
                owner="run-4",
                lease=60.0,
            ),
            b.now + 9e5,
        )
        world.commit(b.platform.store, [claim], TerminalFailure("truncated", "x"), now=b.now)

    return fixed


def infrastructure_failures(b: Broken) -> Cure:
    b.upload()
    (claim,) = b.platform.store.claim(
        ClaimRequest(
            stage="validated",
            batches=b.platform.store.batches(),
            limit=1,
            owner="run-1",
            lease=60.0,
        ),
        b.now + 1,
    )
    world.commit(
        b.platform.store,
        [claim],
        TerminalFailure("retry_horizon", "the bucket was away"),
        now=b.now,
    )

    def again() -> None:
        done = b.run("parjanya replay --failed --reason retry_horizon --yes")
        assert "1 images are due again" in done.stdout

    return again


def drifted(b: Broken) -> Cure:
    declare(b.platform.store, "embedded", {"code": "v23"}, b.now - HOUR)
    note_running(b.platform.store, "embedded", {"code": "v20"}, "run-1", b.now - MINUTE)
    return lambda: b.run("parjanya declare")


BREAKS: dict[str, Callable[[Broken], Cure]] = {
    "could not read Truth": truth_does_not_answer,
    "could not read Dagster's …": dagster_is_gone,
    **{
        one.__name__: one
        for one in (
            rows_missing,
            objects_unregistered,
            daemon_away,
            code_location_away,
            reconciler_blind,
            run_dead,
            keys_missing,
            pending_without_intent,
            queued_too_long,
            launcher_failing,
            starting_too_long,
            started_without_commits,
            retrying,
            crash_loop,
            infrastructure_failures,
            drifted,
        )
    },
}
HELD_AT = {  # what `parjanya explain IMAGE` answers, where the line says to ask it
    "pending_without_intent": "held at  Intent",
    "queued_too_long": "held at  Intent",
    "starting_too_long": "held at  Execution",
    "started_without_commits": "held at  Execution",
    "retrying": "StorageUnavailable",
    "crash_loop": "held at",
}


@dataclass(frozen=True)
class Line:
    """One line of the table."""

    says: str
    boundary: str
    command: str


def table() -> list[Line]:
    section = RUNBOOK.read_text().partition(HEADING)[2].partition("\n## ")[0]
    found = []
    for row in section.splitlines():
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        if row.startswith("| ") and len(cells) == 4 and cells[0] != "the doctor says":
            (says,) = re.findall(r"`([^`]+)`", cells[0])
            (command,) = re.findall(r"`(parjanya [^`]+)`", cells[2])
            found.append(Line(says, cells[1], command))
    return found


def test_every_line_of_the_runbook_has_its_break_and_names_the_boundary_of_its_finding() -> None:
    lines = table()
    assert {line.says for line in lines} == BREAKS.keys()
    for line in lines:
        if line.says in KINDS:
            assert line.boundary == KINDS[line.says].boundary, line


@pytest.mark.parametrize("line", table(), ids=lambda line: line.says)
def test_from_the_symptom_to_the_boundary_to_the_command_to_health(
    broken: Broken, line: Line
) -> None:
    cure = BREAKS[line.says](broken)
    status, codes, unread = broken.doctor()
    if line.says in KINDS:
        assert line.says in codes, (codes, unread)
        assert status == 1
    else:
        assert status == 2
        assert any(line.says.removeprefix("could not read ").rstrip(" …") in one for one in unread)
    done = broken.run(line.command)
    unreadable = line.says == "could not read Truth"
    assert done.exit_code == (2 if unreadable else 0), done.output
    assert HELD_AT.get(line.says, "") in done.output
    cure()
    status, codes, unread = broken.doctor()
    assert line.says not in codes, codes
    assert not unread
