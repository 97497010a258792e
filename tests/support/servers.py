"""Servers for tests: started in a temporary directory, on a free port, gone with their parent.

PostgreSQL is Debian's and real. It trusts everybody and does not fsync, since no test pulls the
plug of the machine. `MotoServer` emulates AWS: what passes on it has not been seen on AWS.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from tests.support.waiting import tail, wait_for_end, wait_until, work_of

INSTALL = "apt-get install -y postgresql"
_PR_SET_PDEATHSIG = 1
_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "max_connections": "400",
    "listen_addresses": "127.0.0.1",
    "log_min_messages": "warning",
    "deadlock_timeout": "200ms",  # a deadlock shows at once
}


class ServerMissing(Exception):
    """No PostgreSQL server is installed. Debian and Ubuntu: apt-get install -y postgresql"""

    def __init__(self) -> None:
        super().__init__(type(self).__doc__)


def postgres_binaries() -> Path:
    """The directory of the newest installed server. Raises ServerMissing."""
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/postgres")]
    if not found:
        on_path = shutil.which("postgres")
        if on_path is None:
            raise ServerMissing
        return Path(on_path).resolve().parent
    return max(found, key=lambda path: int(path.parent.name))


@dataclass
class PostgresServer:
    """One server. `start` and `stop` may alternate; its databases stay until `remove`.

    With a `primary`, it is a standby that follows that server.
    """

    binaries: Path = field(default_factory=postgres_binaries)
    primary: PostgresServer | None = None
    home: Path = field(init=False)
    port: int = field(init=False)
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="parjanya-postgres-"))
        self.port = free_port()
        if (user := _user()) is not None:
            account = pwd.getpwnam(user)
            os.chown(self.home, account.pw_uid, account.pw_gid)
        try:
            if self.primary is None:
                self._run("initdb", "-D", str(self.data), "-U", "parjanya", "-A", "trust", "-N",
                          "-E", "UTF8", "--locale=C.UTF-8")  # fmt: skip
            else:
                self._run("pg_basebackup", "-D", str(self.data), "-d", self.primary.url("postgres"),
                          "--write-recovery-conf", "--checkpoint=fast", "--no-sync")  # fmt: skip
        except BaseException:
            self.remove()
            raise

    def __getstate__(self) -> dict[str, Any]:
        """For another process: it uses the server, and does not end it."""
        return {**vars(self), "_process": None}

    @property
    def data(self) -> Path:
        return self.home / "data"

    @property
    def log(self) -> Path:
        return self.home / "log"

    def start(self, settings: Mapping[str, str] | None = None) -> None:
        """Start the server, with other settings where given, and wait until it answers."""
        place = {"port": str(self.port), "unix_socket_directories": str(self.home)}
        every = {**_SETTINGS, **(settings or {}), **place}
        options = [part for item in every.items() for part in ("-c", "=".join(item))]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [str(self.binaries / "postgres"), "-D", str(self.data), *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                preexec_fn=die_with_parent(signal.SIGQUIT),
                **_as_user(),
            )
        ready = [str(self.binaries / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        process = self._process
        wait_until(
            lambda: subprocess.run(ready, check=False).returncode == 0,
            "PostgreSQL answers",
            moves=lambda: work_of(process.pid),
            died=lambda: process.poll() is not None,
            log=lambda: tail(self.log),
            pause=0.05,
        )

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop it: SIGINT closes connections, SIGQUIT recovers at the next start."""
        if self._process is not None:
            self._process.send_signal(how)
            wait_for_end(self._process, "PostgreSQL ends", lambda: tail(self.log))
            self._process = None

    def pause(self) -> None:
        """Let all its processes stand still. Its kernel still accepts and acknowledges."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, which: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            parent = psutil.Process(self._process.pid)
            for one in (parent, *parent.children(recursive=True)):
                with suppress(psutil.NoSuchProcess):  # a connection that ended meanwhile
                    one.send_signal(which)

    def promote(self) -> None:
        """Make a standby that has everything the primary."""
        self._run("pg_ctl", "promote", "-D", str(self.data), "--wait")

    def remove(self) -> None:
        """Stop it and delete everything it stored."""
        self.resume()
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.home, ignore_errors=True)

    def url(self, database: str) -> str:
        return f"postgresql://parjanya@127.0.0.1:{self.port}/{database}"

    def create_database(self, template: str = "template0") -> str:
        """Create a database of its own name and return the name."""
        name = f"test_{uuid.uuid4().hex[:12]}"
        self.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return name

    def drop_database(self, name: str) -> None:
        self.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def rows_by_table(self, database: str) -> dict[str, int]:
        """How many rows each table of a database has."""
        named = self.execute(
            "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public'", database
        )
        counted = [f"SELECT '{name}', count(*) FROM {name}" for (name,) in named]
        return dict(self.execute(" UNION ALL ".join(counted), database)) if counted else {}

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """The rows that a statement returns, if it returns any."""
        import psycopg2

        connection = psycopg2.connect(self.url(database))
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self.binaries / program), *arguments],
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            **_as_user(),
        )
        if done.returncode != 0:
            raise RuntimeError(f"{program} failed:\n{done.stdout}{done.stderr}")


@dataclass
class MotoServer:
    """moto's server: an emulator of DynamoDB, SQS, IAM and more. Its state is gone with it."""

    home: Path = field(init=False)
    port: int = field(init=False)
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    _names: itertools.count[int] = field(default_factory=itertools.count, init=False)

    def __post_init__(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="parjanya-moto-"))
        self.port = free_port()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """What boto3 needs to reach it, and nothing else of AWS."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def start(self, environment: Mapping[str, str] | None = None) -> None:
        """Start it, with more environment where given, and wait until it answers."""
        with (self.home / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.moto_server", str(self.port)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=Path(__file__).parents[2],
                env={**os.environ, **(environment or {})},
                preexec_fn=die_with_parent(signal.SIGKILL),
            )
        process = self._process
        wait_until(
            self._answers,
            "moto answers",
            moves=lambda: work_of(process.pid),
            died=lambda: process.poll() is not None,
            log=lambda: tail(self.home / "log"),
            pause=0.1,
        )

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.home, ignore_errors=True)

    def name(self, kind: str) -> str:
        """A name that nothing on this server has yet."""
        return f"{kind}-{next(self._names)}"

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/moto-api/data.json", timeout=60):
                return True
        except (urllib.error.URLError, OSError):
            return False


def _user() -> str | None:
    """PostgreSQL refuses to run as root: then it runs as the user of Debian's package."""
    return "postgres" if os.geteuid() == 0 else None


def _as_user() -> dict[str, Any]:
    user = _user()
    return {"user": user, "group": user, "extra_groups": []} if user else {}


def die_with_parent(how: signal.Signals) -> Callable[[], None]:
    """The kernel sends the server this signal when the test process is gone, however it went."""
    libc = ctypes.CDLL(None)
    return lambda: libc.prctl(_PR_SET_PDEATHSIG, how)


def free_port() -> int:
    """A port that nothing listens on and that nobody else is given until it does.

    The kernel gives the ports from 32768 on to connections, and to whoever asks for any port: one
    that was free may be taken when a slow server comes to it. So the ports are lower ones, and each
    process has some of its own: its claim is a name of a socket, gone with the process.
    """
    global _ports
    if _ports is None or _ports.pid != os.getpid():  # a forked child has a claim of its own
        _ports = _Ports(os.getpid())
    return next(_ports)


@dataclass
class _Ports:
    pid: int
    _claim: socket.socket = field(init=False)
    _round: Iterator[int] = field(init=False)

    def __post_init__(self) -> None:
        starts = list(range(10_000, 20_000, 100))
        random.SystemRandom().shuffle(starts)
        for start in starts:
            self._claim = socket.socket(socket.AF_UNIX)
            try:
                self._claim.bind(f"\0parjanya-test-ports-{start}")
            except OSError:
                self._claim.close()
                continue
            self._round = itertools.cycle(range(start, start + 100))
            return
        raise RuntimeError("A hundred processes have claimed all ports for tests: end some.")

    def __next__(self) -> int:
        for port in itertools.islice(self._round, 100):
            with socket.socket() as probe, suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return port
        raise RuntimeError("All hundred ports of this process are in use: stop what it started.")


_ports: _Ports | None = None
