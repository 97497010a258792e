"""What makes each test cheaper and changes nothing that it sees.

Temporary folders are in memory where there is enough of it: a test of SQLite waits for the disk
otherwise, at each commit. What was imported is left alone by the collector of cycles. SQLAlchemy
compiles a statement once for all SQLite databases of a process, and not once for each. Dagster
reads its ninety migrations once for each of its three storages, and not for each instance. The
client of AWS reads the description of a service once, and not for each client. A client of HTTP
reads the certificates of those it trusts once, and so does a client of AWS.
"""

from __future__ import annotations

import gc
import os
import shutil
from collections.abc import Generator, Iterator
from functools import cache, lru_cache
from inspect import CO_VARKEYWORDS
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlalchemy.dialects.sqlite.base import SQLiteDialect

MEMORY = Path("/dev/shm")
ENOUGH = 8 * 2**30
"""Bytes. The whole suite holds a fifth of it at once."""
STATEMENTS = 5000
"""That are kept compiled."""

YOUNG = 20_000
"""Objects from which on the collector looks for cycles among them. Python's own number is 700."""

gc.disable()  # until all is imported


def pytest_configure() -> None:
    if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ENOUGH:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, Any, Any]:
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(YOUNG)
        gc.enable()


@pytest.fixture(scope="session", autouse=True)
def dagster_reads_its_migrations_once() -> Iterator[None]:
    """It has one configuration of alembic for each storage, and keeps it."""
    from alembic.script import ScriptDirectory

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ScriptDirectory, "from_config", cache(ScriptDirectory.from_config))
        yield


@pytest.fixture(scope="session", autouse=True)
def services_of_aws_are_read_once() -> Iterator[None]:
    """A loader keeps what it has read, and each session of botocore has a loader of its own.

    So it is with the rules for endpoints, and with the other names of events. The parts of a
    client's name are cleaned once, and not twice for each request.
    """
    from botocore import endpoint_provider, hooks, httpsession, loaders, regions, session, useragent

    begin, names = hooks.EventAliaser.__init__, dict[str, str]()
    providers: dict[tuple[int, ...], Any] = {}

    def begin_knowing(self: Any, emitter: Any, aliases: Any = None) -> None:
        begin(self, emitter, aliases)
        if self._event_aliases == hooks.EVENT_ALIASES:
            self._alias_name_cache = names

    def provider(ruleset_data: Any, partition_data: Any, excluded_params: Any = None) -> Any:
        read = (ruleset_data, partition_data, excluded_params)
        key = tuple(map(id, read))  # what a loader has read stays where it is
        if key not in providers:
            providers[key] = endpoint_provider.EndpointProvider(*read), read
        return providers[key][0]

    def accepts_kwargs(handler: Any, slowly: Any = hooks.accepts_kwargs) -> Any:
        code = getattr(getattr(handler, "__func__", handler), "__code__", None)
        return slowly(handler) if code is None else code.co_flags & CO_VARKEYWORDS

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session, "create_loader", cache(loaders.create_loader))
        patch.setattr(hooks.EventAliaser, "__init__", begin_knowing)
        patch.setattr(hooks, "accepts_kwargs", accepts_kwargs)
        patch.setattr(regions, "EndpointProvider", provider)
        cleaned = lru_cache(1000)(useragent.sanitize_user_agent_string_component)
        patch.setattr(useragent, "sanitize_user_agent_string_component", cleaned)
        context = cache(httpsession.create_urllib3_context)
        patch.setattr(httpsession, "create_urllib3_context", context)
        yield


@pytest.fixture(scope="session", autouse=True)
def certificates_are_read_once() -> Iterator[None]:
    """A client of HTTP reads who is trusted, 150 of them, also where it will speak plain HTTP."""
    from httpx._transports import default

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(default, "create_ssl_context", cache(default.create_ssl_context))
        yield


@pytest.fixture(scope="session", autouse=True)
def statements_are_compiled_once() -> Iterator[None]:
    """What is compiled is kept with its dialect, and each engine has a dialect of its own."""
    begin = Engine.__init__
    alike: dict[tuple[Any, ...], tuple[SQLiteDialect, Any]] = {}
    known: set[SQLiteDialect] = set()

    def begin_alike(self: Engine, pool: Any, dialect: Any, *arguments: Any, **options: Any) -> None:
        if not isinstance(dialect, SQLiteDialect):
            begin(self, pool, dialect, *arguments, **options)
            return
        kind = (
            type(dialect),
            dialect._json_serializer,
            dialect._json_deserializer,
            dialect._on_connect_isolation_level,
        )
        shared, compiled = alike.get(kind, (dialect, None))
        begin(self, pool, shared, *arguments, **{"query_cache_size": STATEMENTS, **options})
        if compiled is None:
            alike[kind] = shared, self._compiled_cache
        else:
            self._compiled_cache = compiled

        def initialize(connection: Any) -> None:
            """What a dialect asks of the first connection is the same for all of them."""
            if shared not in known:
                type(shared).initialize(shared, connection)
                known.add(shared)

        dialect.initialize = initialize

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Engine, "__init__", begin_alike)
        yield
