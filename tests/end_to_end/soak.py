"""The soak: real processes are killed at random while images of three tenants arrive.

    python -m tests.end_to_end.soak --minutes 5 --images 600 --seed 7 [--postgres]

The daemon, the code server, run processes, decoders, the webserver, `parjanya up` itself and
PostgreSQL are killed with SIGKILL; half-way everything dies at once and Dagster's storage is
deleted. When it stops, every image must be terminal, once, and the law must read 0. Prints a table;
exit status 0 or 1.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from parjanya_dagster.errors import ParjanyaError
from parjanya_dagster.instance.standby.worker import RUNNING
from parjanya_dagster.truth.revisions import VERSION_TABLE
from parjanya_dagster.truth.sql.schema import metadata
from parjanya_dagster.truth.stages import STAGES, Status
from parjanya_dagster.truth.transitions import rebuild
from tests.support.instance import Instance
from tests.support.pictures import picture
from tests.support.servers import PostgresServer

TENANTS = {"acme": 0.6, "bolt": 0.3, "cyan": 0.1}  # share of the images
BROKEN = 0.03  # share of the files
OVERWRITTEN = 0.02
SETTLES = 600.0  # seconds from the last fault until all is terminal
IMPATIENT = {
    # A death is found within seconds, so that a short soak has time for many of them.
    "runs__lease": "8",
    "runs__silence": "12",
    "runs__start_deadline": "60",
    "runs__launch_deadline": "60",
    "arrivals__batch_size": "100",
}

_DROP_OTHERS = """
DO $$ DECLARE one text; BEGIN
  FOR one IN SELECT tablename FROM pg_tables WHERE schemaname = 'public'
    AND tablename NOT IN ({ours})
  LOOP EXECUTE format('DROP TABLE %I CASCADE', one); END LOOP;
END $$
"""
"""With PostgreSQL, Dagster's storage is the tables that are not ours."""

_PROGRAMS = {
    "dagster api grpc": "code",
    "instance.daemon": "daemon",
    "dagster_webserver": "webserver",
    "decoder_process": "decoder",
    "standby.server": "standby",
    "spawn_main": "run",
    "parjanya_dagster.cli up": "up",
}
"""Roles of processes by what is in their command line."""
_SERVICES = {f"parjanya {role}": role for role in ("code", "daemon", "webserver", "standby")}
"""Of those that were forked at the start."""


@dataclass(frozen=True)
class Plan:
    """What a soak does. Equal plans upload equal bytes and choose their victims alike."""

    images: int
    seconds: float  # images arrive and processes die for so long
    between: float  # mean seconds between two faults
    seed: int
    postgres: bool = False
    parent: bool = True  # `parjanya up` is killed too, from which services are forked
    wipe: bool = True  # half-way: SIGKILL everything, delete Dagster's storage, start again


@dataclass
class Soaked:
    """What happened, and what is wrong at the end."""

    uploaded: Counter[str] = field(default_factory=Counter)  # files by tenant, as they lie there
    overwritten: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    settled_after: float = 0.0  # seconds from the last fault
    statuses: Counter[str] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)  # of all images, by kind
    runs: Counter[str] = field(default_factory=Counter)  # Dagster's, since its storage was wiped
    wrong: list[str] = field(default_factory=list)


class Soak:
    """One soak over one instance."""

    def __init__(self, plan: Plan, folder: Path, say: Callable[[str], None] = print) -> None:
        self.plan, self.say = plan, say
        self.rng = random.Random(plan.seed)
        self.server = PostgresServer() if plan.postgres else None
        settings = dict(IMPATIENT)
        if self.server is not None:
            self.server.start()
            self.database = self.server.create_database()
            settings["truth__url"] = self.server.url(self.database)
        self.instance = Instance(folder / "home", standby=1, **settings)  # type: ignore[arg-type]
        self.files: dict[tuple[str, str], bool] = {}  # tenant and name -> whether it is broken
        self.result = Soaked()
        self._uploads_done = threading.Event()
        self._failed_upload: list[BaseException] = []

    def run(self) -> Soaked:
        began = time.monotonic()
        uploader = threading.Thread(target=self._upload, name="uploads", daemon=True)
        try:
            self.instance.platform.store.counts()  # migrated before anything dies
            self.instance.start()
            uploader.start()
            self._break_things()
            uploader.join()
            last = time.monotonic()
            self._settle()
            self.result.settled_after = time.monotonic() - last
            self._judge()
        finally:
            self.instance.close()
            if self.server is not None:
                self.server.remove()
        self.result.seconds = time.monotonic() - began
        return self.result

    # --- arrivals ---

    def _upload(self) -> None:
        rng = random.Random(self.plan.seed + 1)
        pause = 0.8 * self.plan.seconds / self.plan.images
        try:
            for number in range(self.plan.images):
                self._land(number, rng)
                self._uploads_done.wait(rng.uniform(0.0, 2.0 * pause))
        except BaseException as error:
            self._failed_upload.append(error)

    def _land(self, number: int, rng: random.Random) -> None:
        tenant = rng.choices(list(TENANTS), list(TENANTS.values()))[0]
        name = f"{number:05}.jpg"
        data = picture(number, 256 + 32 * (number % 9), 256 + 32 * (number % 7))
        broken = rng.random() < BROKEN
        self._write(tenant, name, data[: len(data) // 2] if broken else data)
        self.files[tenant, name] = broken
        if rng.random() < OVERWRITTEN:
            tenant, name = rng.choice(sorted(self.files))
            self._write(tenant, name, picture(100_000 + number, 320, 256))
            self.files[tenant, name] = False
            self.result.overwritten += 1

    def _write(self, tenant: str, name: str, data: bytes) -> None:
        path = self.instance.incoming(tenant) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{name}.part")
        temporary.write_bytes(data)
        os.replace(temporary, path)

    # --- faults ---

    def _break_things(self) -> None:
        began = time.monotonic()
        wiped = not self.plan.wipe
        while (elapsed := time.monotonic() - began) < self.plan.seconds:
            if not wiped and elapsed > self.plan.seconds / 2:
                wiped = True
                self._lose_dagster()
                continue
            time.sleep(min(self.rng.expovariate(1 / self.plan.between), 3 * self.plan.between))
            self._kill_one()

    def _kill_one(self) -> None:
        victims = self._victims()
        # What does the work is killed more often than what serves it.
        weights = {"run": 8, "decoder": 1, "daemon": 2, "code": 2, "webserver": 1, "postgresql": 2,
                   "standby": 2, "up": 1}  # fmt: skip
        roles = sorted(role for role in victims if victims[role])
        role = self.rng.choices(roles, [weights[role] for role in roles])[0]
        if role == "postgresql":
            self._kill_server()
        elif role == "up":
            self._kill_supervisor()
        else:
            _kill(self.rng.choice(victims[role]))
        self.result.faults[role] += 1
        self.say(f"{time.strftime('%H:%M:%S')}  killed: {role}")

    def _victims(self) -> dict[str, list[psutil.Process]]:
        found: dict[str, list[psutil.Process]] = {"code": [], "daemon": [], "webserver": []}
        found |= {"run": [], "decoder": [], "standby": [], "up": []}
        if not self.plan.parent:
            del found["up"]
        for process in self.instance.processes():
            role = _role(process)
            if role in found:
                found[role].append(process)
        if self.server is not None:
            found["postgresql"] = [psutil.Process()]  # stands for the server, which is ours
        return found

    def _kill_server(self) -> None:
        """SIGKILL the postmaster and all its backends, and start it again: it recovers."""
        assert self.server is not None
        backends = [one for one in psutil.Process().children(recursive=True) if _is_postgres(one)]
        self.server.stop(signal.SIGKILL)
        for backend in backends:
            _kill(backend)
        psutil.wait_procs(backends, timeout=30)
        time.sleep(self.rng.uniform(0.0, 3.0))
        self.server.start()

    def _kill_supervisor(self) -> None:
        """SIGKILL the process that the services were forked from: they end with it."""
        assert self.instance.process is not None
        self.instance.process.kill()
        self.instance.process.wait()
        self.instance.until_gone()
        self.instance.process = None
        self.instance.start()

    def _lose_dagster(self) -> None:
        """SIGKILL everything, delete Dagster's storage, start again."""
        process = self.instance.process
        assert process is not None
        process.kill()
        process.wait()
        for one in self.instance.processes():
            _kill(one)
        self.instance.until_gone()
        self.instance.process = None
        shutil.rmtree(self.instance.home / "dagster")
        if self.server is not None:
            ours = ", ".join(f"'{name}'" for name in (*metadata.tables, VERSION_TABLE))
            self.server.execute(_DROP_OTHERS.format(ours=ours), self.database)
        self.result.faults["everything, and Dagster's storage"] += 1
        self.say(f"{time.strftime('%H:%M:%S')}  killed: everything; Dagster's storage is deleted")
        self.instance.start()

    # --- the end ---

    def _settle(self) -> None:
        expected = Counter(tenant for tenant, _ in self.files)
        self.result.uploaded = expected
        deadline = time.monotonic() + SETTLES
        shown = 0.0
        while not self._settled(expected):
            if time.monotonic() > deadline:
                self.result.wrong.append(f"not settled {SETTLES:.0f} s after the last fault")
                return
            if time.monotonic() - shown > 15:
                shown = time.monotonic()
                self.say(f"{time.strftime('%H:%M:%S')}  waiting: {self._where()}")
            time.sleep(1.0)

    def _settled(self, expected: Counter[str]) -> bool:
        try:
            return self.instance.settled(expected) and self.instance.idle()
        except ParjanyaError:
            return False

    def _where(self) -> str:
        total: Counter[str] = Counter()
        for counts in self.instance.platform.store.counts():
            total.update(counts.by_status)
        return ", ".join(f"{status} {count}" for status, count in sorted(total.items()))

    def _judge(self) -> None:
        wrong, store = self.result.wrong, self.instance.platform.store
        if self._failed_upload:
            wrong.append(f"uploading failed: {self._failed_upload[0]!r}")
        for counts in store.counts():
            law = counts.registered - counts.rows - counts.departed
            objects = sum(tenant == counts.tenant for tenant, _ in self.files)
            if law or objects != counts.rows:
                wrong.append(f"{counts.tenant}: law {law}, {objects} objects, {counts.rows} rows")
        for tenant in TENANTS:
            for row in self.instance.rows(tenant).values():
                self._judge_row(tenant, row)
        with self.instance.dagster() as dagster:
            self.result.runs = Counter(run.status.value.lower() for run in dagster.get_runs())
        self._ask_doctor()
        if self.instance.stop() != 0 or self.instance.processes():
            wrong.append("stopping left processes behind")

    def _judge_row(self, tenant: str, row) -> None:  # type: ignore[no-untyped-def]
        wrong, store = self.result.wrong, self.instance.platform.store
        name = row.key.removeprefix("incoming/")
        self.result.statuses[row.pipeline_status] += 1
        history = store.history(row.image_id)
        self.result.events.update(event.kind for event in history)
        broken = self.files.get((tenant, name))
        should = Status.FAILED if broken else Status.CURATED
        if row.pipeline_status != should:
            why = f"{row.failure_class}: {row.failure_reason}"
            wrong.append(f"{tenant}/{name} is {row.pipeline_status}, not {should} ({why})")
        stages = Counter(one.stage for one in store.all_evidence(row.image_id))
        if stages != Counter([] if broken else STAGES):
            wrong.append(f"{tenant}/{name} has evidence {dict(stages)}")
        done = Counter(event.from_status for event in history if event.kind == "completed")
        if done and max(done.values()) > 1:
            wrong.append(f"{tenant}/{name}: an outcome was applied twice, {dict(done)}")
        if rebuild(history) != row:
            wrong.append(f"{tenant}/{name}: the row rebuilt from its events differs")

    def _ask_doctor(self) -> None:
        """What was blind sees again within a moment; after that nothing may be found."""
        for _ in range(6):
            done = self.instance.parjanya("doctor", "--json")
            if done.returncode == 0:
                return
            time.sleep(5.0)
        self.result.wrong.append(f"the doctor: {done.stdout.strip()} {done.stderr.strip()}")


def _role(process: psutil.Process) -> str | None:
    try:
        command = " ".join(process.cmdline()).strip()
    except psutil.Error:
        return None
    service = _SERVICES.get(command) or next(
        (role for program, role in _PROGRAMS.items() if program in command), None
    )
    if service == "standby" and _name(process) == RUNNING:  # forked from it, and says so
        return "run"
    return service


def _name(process: psutil.Process) -> str:
    try:
        return str(process.name())
    except psutil.Error:
        return ""


def _is_postgres(process: psutil.Process) -> bool:
    try:
        return process.name() == "postgres"
    except psutil.Error:
        return False


def _kill(process: psutil.Process) -> None:
    try:
        process.kill()
    except psutil.NoSuchProcess:
        return


def table(plan: Plan, result: Soaked) -> str:
    """The result for people."""

    def listed(counter: Counter[str]) -> str:
        return ", ".join(f"{name} {count}" for name, count in sorted(counter.items())) or "none"

    facts = {
        "seed": str(plan.seed),
        "store": "PostgreSQL" if plan.postgres else "SQLite",
        "images": f"{sum(result.uploaded.values())} ({listed(result.uploaded)}), "
        f"{result.overwritten} overwritten",
        "killed with SIGKILL": f"{sum(result.faults.values())} ({listed(result.faults)})",
        "seconds": f"{result.seconds:.0f}, settled {result.settled_after:.0f} s after the last",
        "ended": listed(result.statuses),
        "events": listed(result.events),
        "runs": listed(result.runs),
        "wrong": str(len(result.wrong)),
    }
    lines = [f"{name:<20} {value}" for name, value in facts.items()]
    return "\n".join([*lines, *(f"  - {one}" for one in result.wrong[:20])])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--images", type=int, default=600)
    parser.add_argument("--between", type=float, default=12.0, help="mean seconds between faults")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--postgres", action="store_true")
    parser.add_argument("--json", type=Path, help="also write the result here")
    chosen = parser.parse_args()
    plan = Plan(chosen.images, 60.0 * chosen.minutes, chosen.between, chosen.seed, chosen.postgres)
    with tempfile.TemporaryDirectory(prefix="parjanya-soak-") as folder:
        soak = Soak(plan, Path(folder))
        result = soak.run()
        print(table(plan, result))
        if result.wrong:
            print(soak.instance.logs(), file=sys.stderr)
    if chosen.json:
        facts = {name: getattr(result, name) for name in result.__dataclass_fields__}
        chosen.json.write_text(json.dumps({"seed": plan.seed, **facts}, indent=2))
    return 1 if result.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
