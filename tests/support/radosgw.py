"""A real S3 server for tests: Ceph's radosgw over a monitor and one OSD that stores in memory.

It checks signatures, expiry, CORS, policies and conditional writes as S3 does, which no emulator
here does. Everything listens on free ports of 127.0.0.1 and ends with the process that started it.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import urllib.error
import urllib.request
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.servers import die_with_parent, free_port
from tests.support.waiting import wait_until, work_of

INSTALL = "apt-get install -y radosgw ceph-mon ceph-osd ceph-common"
PROGRAMS = ("ceph", "ceph-mon", "ceph-osd", "ceph-authtool", "monmaptool", "radosgw")
REGION = "us-east-1"
PATIENCE = 600.0  # seconds for one command: only a failure takes that long
_TRIES = 3  # a free port may be taken before it is used
_POOLS = 4  # placement groups per pool: as few as work


class RadosgwMissing(Exception):
    """No radosgw is installed. Debian: apt-get install -y radosgw ceph-mon ceph-osd ceph-common"""

    def __init__(self) -> None:
        super().__init__(type(self).__doc__)


@dataclass(frozen=True)
class User:
    """An S3 account of the server."""

    name: str
    access_key: str
    secret_key: str


@dataclass
class Radosgw:
    """One server with one account. `remove` ends it and deletes everything it stored."""

    user: User = field(init=False)
    home: Path = field(init=False)
    port: int = field(init=False)
    _processes: list[subprocess.Popen[bytes]] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        if any(shutil.which(program) is None for program in PROGRAMS):
            raise RadosgwMissing

    def __getstate__(self) -> dict[str, Any]:
        """For another process: it uses the server, and does not end it."""
        return {**vars(self), "_processes": []}

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, wait until it answers, make its account."""
        for attempt in range(_TRIES):
            try:
                self._start()
                return
            except BaseException as error:
                self.remove()
                if attempt == _TRIES - 1 or not isinstance(error, (RuntimeError, AssertionError)):
                    raise

    def remove(self) -> None:
        for process in reversed(self._processes):
            process.send_signal(signal.SIGKILL)
            process.wait()
        self._processes.clear()
        if hasattr(self, "home"):
            shutil.rmtree(self.home, ignore_errors=True)

    def environment(self, user: User | None = None) -> dict[str, str]:
        """The AWS variables that lead here."""
        one = user or self.user
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ENDPOINT_URL_S3": self.endpoint,
            "AWS_ACCESS_KEY_ID": one.access_key,
            "AWS_SECRET_ACCESS_KEY": one.secret_key,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def client(self, user: User | None = None, **config: Any) -> Any:
        """A boto3 client of S3."""
        import boto3
        from botocore.config import Config

        one = user or self.user
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=one.access_key,
            aws_secret_access_key=one.secret_key,
            region_name=REGION,
            config=Config(
                signature_version="s3v4",
                s3={"addressing_style": "path"},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                **config,
            ),
        )

    def add_user(self, name: str) -> User:
        """Another account: what the first one owns is foreign to it."""
        key = uuid.uuid4().hex
        user = User(f"{name}-{key[:8]}", f"{name.upper()}{key[:8].upper()}", uuid.uuid4().hex)
        self._run("radosgw-admin", "user", "create", f"--uid={user.name}", "--display-name=Test",
                  f"--access-key={user.access_key}", f"--secret={user.secret_key}")  # fmt: skip
        return user

    def log(self) -> str:
        logs = sorted(self.home.glob("*.out"))
        return "\n".join(f"== {one.name}\n{one.read_text()[-2000:]}" for one in logs)

    # --- how it starts ---

    def _start(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="parjanya-radosgw-"))
        self.port = free_port()
        self._configure(monitor := f"127.0.0.1:{free_port()}")
        self._make_monitor(monitor)
        self._spawn("ceph-mon", "-f", "-i", "a")
        self._make_osd()
        self._spawn("ceph-osd", "-f", "-i", "0")
        self._spawn("radosgw", "-f", "-n", "client.rgw")
        self._wait_until_it_answers()
        self.user = self.add_user("parjanya")

    def _configure(self, monitor: str) -> None:
        home = self.home
        settings: dict[str, Mapping[str, object]] = {
            "global": {
                "fsid": uuid.uuid4(),
                "mon host": f"v2:{monitor}",
                "public addr": "127.0.0.1",
                "cluster addr": "127.0.0.1",
                "auth cluster required": "cephx",
                "auth service required": "cephx",
                "auth client required": "cephx",
                "keyring": home / "keyring",
                "run dir": home,
                "admin socket": "",
                "pid file": "",
                "log file": "",
                "log to stderr": "false",
                "err to stderr": "true",
                "mon data": home / "mon",
                "mon allow pool size one": "true",
                "mon warn on pool no redundancy": "false",
                "osd data": home / "osd",
                "osd objectstore": "memstore",
                "memstore device bytes": 2 << 30,
                "osd pool default size": 1,
                "osd pool default min size": 1,
                "osd pool default pg num": _POOLS,
                "osd pool default pgp num": _POOLS,
                "osd pool default pg autoscale mode": "off",
                "osd crush chooseleaf type": 0,
                "osd crush update on start": "true",
                "osd scrub begin hour": 0,
                "crash dir": home,
            },
            "client.rgw": {
                "rgw frontends": f"beast endpoint=127.0.0.1:{self.port}",
                "rgw dns name": "",
                "rgw thread pool size": 32,
                "rgw enable usage log": "false",
                "rgw override bucket index max shards": 1,
                "rgw data": home / "rgw",
            },
        }
        lines = []
        for section, values in settings.items():
            lines += [f"[{section}]", *(f"{name} = {value}" for name, value in values.items())]
        (home / "ceph.conf").write_text("\n".join(lines) + "\n")
        for folder in ("mon", "osd", "rgw"):
            (home / folder).mkdir()

    def _make_monitor(self, address: str) -> None:
        everything = ("--cap", "mon", "allow *", "--cap", "osd", "allow *")
        keyring = str(self.home / "keyring")
        self._run("ceph-authtool", "--create-keyring", keyring, "--gen-key", "-n", "mon.",
                  "--cap", "mon", "allow *")  # fmt: skip
        for name in ("client.admin", "client.rgw"):
            self._run("ceph-authtool", keyring, "--gen-key", "-n", name, *everything,
                      "--cap", "mgr", "allow *")  # fmt: skip
        self._run("ceph-authtool", keyring, "--gen-key", "-n", "osd.0",
                  "--cap", "mon", "allow profile osd", "--cap", "osd", "allow *")  # fmt: skip
        fsid = (self.home / "ceph.conf").read_text().split("fsid = ")[1].split()[0]
        monmap = str(self.home / "monmap")
        self._run("monmaptool", "--create", "--addv", "a", f"[v2:{address}]", "--fsid", fsid,
                  monmap)  # fmt: skip
        self._run("ceph-mon", "--mkfs", "-i", "a", "--monmap", monmap, "--keyring", keyring)

    def _make_osd(self) -> None:
        name = str(uuid.uuid4())
        self._run("ceph", "osd", "new", name)
        self._run("ceph-osd", "--mkfs", "-i", "0", "--osd-uuid", name)

    def _wait_until_it_answers(self) -> None:
        wait_until(
            self._answers,
            "radosgw answers",
            moves=lambda: work_of(*(one.pid for one in self._processes)),
            died=lambda: any(one.poll() is not None for one in self._processes),
            log=self.log,
            pause=0.1,
        )

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(self.endpoint, timeout=30):
                return True
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False

    def _spawn(self, program: str, *arguments: str) -> None:
        with (self.home / f"{program}.out").open("ab") as output:
            self._processes.append(
                subprocess.Popen(
                    [program, "-c", str(self.home / "ceph.conf"), *arguments],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    cwd=self.home,
                    env=_clean_environment(),
                    preexec_fn=die_with_parent(signal.SIGKILL),
                )
            )

    def _run(self, program: str, *arguments: str) -> str:
        try:
            done = subprocess.run(
                [program, "-c", str(self.home / "ceph.conf"), *arguments],
                capture_output=True,
                text=True,
                check=False,
                cwd=self.home,
                timeout=PATIENCE,
                env=_clean_environment(),
            )
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"{program} does not end.\n{self.log()}") from None
        if done.returncode != 0:
            raise RuntimeError(f"{program} failed:\n{done.stdout}{done.stderr}\n{self.log()}")
        return done.stdout


def _clean_environment() -> dict[str, str]:
    """Python programs of Debian must not see the packages of this environment."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
