"""Fixtures that every suite may use: an empty platform, real servers, a browser."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from dagster import DagsterInstance

from parjanya_dagster.ingest.mailbox import Mailbox
from parjanya_dagster.instance.home import write_home
from parjanya_dagster.instance.storage import prepare_dagster
from parjanya_dagster.media.pool import DecoderPool
from parjanya_dagster.objects.local import FolderObjects
from parjanya_dagster.objects.s3 import S3Objects
from parjanya_dagster.platform import Platform, open_platform
from parjanya_dagster.settings import Settings
from parjanya_dagster.truth.sql import open_store
from tests.support import browser as chrome
from tests.support import lines, servers
from tests.support import radosgw as rgw
from tests.support.clock import Clock
from tests.support.direct import directly
from tests.support.mailbox import Cloud, open_mailbox
from tests.support.missing import missing
from tests.support.shared import lent
from tests.support.upload_site import Site

# what tests start from, made once


@pytest.fixture(scope="session")
def empty_truth(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty Truth in SQLite with the newest schema, to copy from."""
    path = tmp_path_factory.mktemp("empty") / "truth.db"
    open_store(f"sqlite:///{path}", migrating=True).close()
    return path


@pytest.fixture(scope="session")
def prepared_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the databases of Truth and of Dagster, to copy from. Dagster takes seconds."""
    settings = Settings(home=tmp_path_factory.mktemp("prepared") / "home")
    open_platform(settings, migrating=True).store.close()
    write_home(settings, 4000)
    prepare_dagster(settings)
    return settings.home


@pytest.fixture(scope="session")
def empty_dagster(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an instance of Dagster with its databases, to copy from."""
    folder = tmp_path_factory.mktemp("empty") / "dagster"
    folder.mkdir()
    with DagsterInstance.local_temp(str(folder)) as instance:
        instance.get_runs()
        instance.get_dynamic_partitions("none")
        instance.all_instigator_state()
    return folder


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def platform(empty_truth: Path, tmp_path: Path, clock: Clock) -> Iterator[Platform]:
    """An empty platform on SQLite and folders. Files in its buckets count as still at once."""
    settings = Settings(home=tmp_path / "home", arrivals={"settle": 0.0}, media={"workers": 2})
    (settings.home / "buckets").mkdir(parents=True)
    shutil.copy(empty_truth, settings.home / "truth.db")
    store = open_store(
        settings.truth_url, rules=settings.rules, batch_size=settings.arrivals.batch_size
    )
    yield Platform(settings, store, FolderObjects(settings.home / "buckets", 0.0), clock)
    store.close()


@pytest.fixture(scope="session")
def decided_home(empty_truth: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a tenant whose pictures are decided, to copy from."""
    from tests.support.releases import make_home  # it imports the stages, and few tests need them

    return make_home(empty_truth, tmp_path_factory.mktemp("decided") / "home", Clock())


@pytest.fixture
def decided(decided_home: Path, tmp_path: Path, clock: Clock) -> Iterator[Platform]:
    """A platform with pictures that are decided, on SQLite and folders."""
    from tests.support.releases import platform_in

    home = tmp_path / "home"
    shutil.copytree(decided_home, home)
    with platform_in(home, clock) as platform:
        yield platform


@pytest.fixture(scope="session", autouse=True)
def lines_go_to_standard_error() -> None:
    lines.to_standard_error()


@pytest.fixture(scope="session", autouse=True)
def no_decoder_is_left() -> Iterator[None]:
    """The decoders that a stage keeps for its process are closed before Python complains."""
    begin, opened = DecoderPool.__init__, []

    def noting(self: DecoderPool, *arguments: Any, **options: Any) -> None:
        begin(self, *arguments, **options)
        opened.append(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DecoderPool, "__init__", noting)
        yield
    for pool in opened:
        pool.close()


# servers, one of each for a session


def running_postgres() -> Iterator[servers.PostgresServer]:
    """A server that is started, and removed in the end. Without PostgreSQL the test is skipped."""
    try:
        server = servers.PostgresServer()
    except servers.ServerMissing:
        missing("PostgreSQL", servers.INSTALL)
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="session")
def postgres(pytestconfig: pytest.Config) -> Iterator[servers.PostgresServer]:
    """A running server, which other processes of this session use too."""
    try:
        servers.postgres_binaries()
    except servers.ServerMissing:
        missing("PostgreSQL", servers.INSTALL)
    yield from lent(pytestconfig, servers.PostgresServer)


@pytest.fixture
def postgres_url(postgres: servers.PostgresServer) -> Iterator[str]:
    """The URL of an empty database, dropped after the test."""
    name = postgres.create_database()
    yield postgres.url(name)
    postgres.drop_database(name)


@pytest.fixture(scope="session")
def moto() -> Iterator[servers.MotoServer]:
    """A running emulator of AWS, one for the session: name what you create with `moto.name`."""
    server = servers.MotoServer()
    try:
        server.start()
        with directly(server.url):
            yield server
    finally:
        server.remove()


@pytest.fixture(scope="module")
def shared_table(moto: servers.MotoServer) -> Iterator[str]:
    """A table for the tests of a module, which empty it: making one takes longer than a test."""
    from tests.support.backends import dynamo_table  # it imports boto3, and few tests need it

    with pytest.MonkeyPatch.context() as patch:
        for name, value in moto.environment.items():
            patch.setenv(name, value)
        with dynamo_table(moto) as url:
            yield url


@pytest.fixture
def aws(moto: servers.MotoServer, monkeypatch: pytest.MonkeyPatch) -> servers.MotoServer:
    """The same, and the environment of this test points to it."""
    for name, value in moto.environment.items():
        monkeypatch.setenv(name, value)
    return moto


@pytest.fixture(scope="session")
def radosgw(pytestconfig: pytest.Config) -> Iterator[rgw.Radosgw]:
    """A running S3 server, which other processes of this session use too."""
    try:
        rgw.Radosgw()
    except rgw.RadosgwMissing:
        missing("radosgw", rgw.INSTALL)
    yield from lent(pytestconfig, rgw.Radosgw)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A running Chromium."""
    with ExitStack() as stack:
        try:
            running = stack.enter_context(chrome.chromium())
        except chrome.BrowserMissing:
            missing("Chromium", chrome.INSTALL)
        yield running


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A page of a fresh profile that speaks English and waits patiently."""
    context = browser.new_context(locale="en-GB", viewport={"width": 900, "height": 900})
    context.set_default_timeout(chrome.PATIENCE)
    page = context.new_page()
    yield page
    context.close()


# the site that takes uploads


@pytest.fixture
def site(platform: Platform) -> Site:
    """Buckets are folders."""
    site = Site(platform)
    for slug in ("acme", "bolt"):
        site.add_tenant(slug, slug)
    return site


@pytest.fixture
def s3_site(radosgw: rgw.Radosgw, platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Buckets are in S3, one per tenant, without CORS rules."""
    for name, value in radosgw.environment().items():
        monkeypatch.setenv(name, value)
    site = Site(replace(platform, objects=S3Objects()))
    for slug in ("acme", "bolt"):
        bucket = f"{slug}-{uuid.uuid4().hex[:12]}"
        radosgw.client().create_bucket(Bucket=bucket)
        site.add_tenant(slug, bucket)
    return site


# arrivals by message


@pytest.fixture
def cloud(aws: servers.MotoServer) -> Cloud:
    return Cloud(aws)


@pytest.fixture
def box(cloud: Cloud, platform: Platform) -> Mailbox:
    return open_mailbox(cloud, platform)
