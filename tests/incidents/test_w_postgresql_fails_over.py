"""PostgreSQL fails over while connections to the old primary are pooled. Two real servers.

A proxy stands for the address that a cloud moves to the new primary. The old one goes on in one of
three ways: it takes no writes any more, it was ended, or its processes stand still.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from parjanya_dagster.errors import TruthUnavailable
from parjanya_dagster.truth import open_store
from parjanya_dagster.truth.sql import postgres
from parjanya_dagster.truth.store import Store
from tests.support.missing import missing
from tests.support.proxy import Proxy, proxied
from tests.support.servers import INSTALL, PostgresServer, ServerMissing
from tests.support.waiting import wait_until
from tests.support.world import arrive, claim, commit, row

DEMOTE = "ALTER SYSTEM SET default_transaction_read_only = on"
FOLLOWED = "SELECT 1 FROM pg_stat_replication WHERE replay_lsn = pg_current_wal_insert_lsn()"
"""Servers of tests write their log a moment after a commit: what is inserted counts."""


@dataclass
class Pair:
    """A primary, a standby that follows it, and the address of whoever is primary."""

    old: PostgresServer
    new: PostgresServer
    address: Proxy
    database: str
    opened: list[Store] = field(default_factory=list)

    def store(self) -> Store:
        url = f"postgresql://parjanya@127.0.0.1:{self.address.port}/{self.database}"
        self.opened.append(open_store(url, migrating=True))
        return self.opened[-1]

    def fail_over(self, old_ends: Callable[[PostgresServer], object]) -> None:
        wait_until(lambda: self.old.execute(FOLLOWED), "the standby has everything")
        old_ends(self.old)
        self.new.promote()
        self.address.target = self.new.port


@pytest.fixture
def pair() -> Iterator[Pair]:
    servers: list[PostgresServer] = []
    try:
        servers.append(PostgresServer())
    except ServerMissing:
        missing("PostgreSQL", INSTALL)
    try:
        (old,) = servers
        old.start()
        servers.append(PostgresServer(primary=old))
        servers[1].start()
        with proxied(old.port) as address:
            pair = Pair(old, servers[1], address, old.create_database())
            yield pair
            for store in pair.opened:
                store.close()
    finally:
        for server in reversed(servers):
            server.remove()


def takes_no_writes(server: PostgresServer) -> None:
    server.execute(DEMOTE)
    server.execute("SELECT pg_reload_conf()")
    wait_until(
        lambda: server.execute("SHOW default_transaction_read_only") == [("on",)], "it is demoted"
    )


def was_ended(server: PostgresServer) -> None:
    server.stop(signal.SIGQUIT)


def stands_still(server: PostgresServer) -> None:
    server.pause()


@pytest.mark.parametrize("old_ends", [takes_no_writes, was_ended, stands_still])
def test_what_was_acknowledged_is_there_and_the_next_write_goes_to_the_new_primary(
    pair: Pair, old_ends: Callable[[PostgresServer], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "PING", 1.0)
    store = pair.store()
    ids = arrive(store, 2)
    claims = claim(store)
    pair.fail_over(old_ends)
    commit(store, claims)
    assert {row(store, one).pipeline_status for one in ids} == {"pending_vlm_enrichment"}
    assert pair.new.execute("SELECT count(*) FROM events", pair.database) == [(4,)]


def test_of_several_hosts_the_one_that_takes_writes_is_used_and_a_standby_alone_is_no_truth(
    pair: Pair,
) -> None:
    arrive(pair.store(), 1)
    wait_until(lambda: pair.old.execute(FOLLOWED), "the standby has everything")
    hosts = "&".join(f"host=127.0.0.1:{port}" for port in (pair.new.port, pair.old.port))
    store = open_store(f"postgresql://parjanya@/{pair.database}?{hosts}")
    pair.opened.append(store)
    assert len(arrive(store, 3)) == 3
    assert pair.old.execute("SELECT count(*) FROM images", pair.database) == [(3,)]
    with pytest.raises(TruthUnavailable, match="read-only"):
        open_store(pair.new.url(pair.database))
