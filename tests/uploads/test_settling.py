"""Uploads are settled by the loop `arrivals`; tokens are made at the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from parjanya_dagster.cli import main
from parjanya_dagster.errors import TokenRefused, UnknownTenant
from parjanya_dagster.ingest.watch import Timing
from parjanya_dagster.platform import open_platform
from parjanya_dagster.settings import Settings
from parjanya_dagster.truth.uploads import ARRIVED, EXPIRED
from parjanya_dagster.uploads import tokens
from parjanya_dagster.uploads.promises import GRACE, Wanted
from tests.support.clock import Clock
from tests.support.ticks import tick
from tests.support.upload_site import Site

Run = Callable[..., str]


def test_a_tick_of_arrivals_ends_what_never_came_and_takes_in_what_nobody_told_of(
    site: Site, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = site.place
    wanted = [Wanted("came.jpg", "image/jpeg", 3), Wanted("never.jpg", "image/jpeg", 3)]
    came, never = place.uploads.promise(site.tenant("acme"), site.ids["acme"], wanted)
    clock.pass_by(place.uploads.seconds + GRACE)
    # It lands when the only sweep of this tick is over: only the last look can see it.
    real = type(place.sweeper).sweep

    def sweep(*arguments: Any, **named: Any) -> Any:
        swept = real(*arguments, **named)
        clock.pass_by(Timing().tick)
        place.objects.put("acme", came.row.key, b"abc", "image/jpeg")
        return swept

    monkeypatch.setattr(type(place.sweeper), "sweep", sweep)
    found = tick(place, clock, monkeypatch)
    (request,) = found.dynamic_partitions_requests or []
    assert list(request.partition_keys) == place.store.batches()
    rows = [place.store.upload(one.row.upload_id) for one in (came, never)]
    assert [row.status for row in rows if row] == [ARRIVED, EXPIRED]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    place = open_platform(Settings(home=home), migrating=True)
    place.sweeper.add_tenant("acme")
    place.store.close()
    return home


@pytest.fixture
def run(home: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command line over a home. What it raises comes out as it is."""

    def run(*arguments: str) -> str:
        done = CliRunner().invoke(main.app, ["uploads", *arguments, "--home", str(home)])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == 0, done.output
        return done.output

    return run


def test_a_token_is_made_shown_once_listed_and_revoked(run: Run, home: Path) -> None:
    text = run("token", "add", "acme", "--name", "the shop").strip()
    store = open_platform(Settings(home=home)).store
    token, tenant = tokens.check(store, text)
    assert tenant.slug == "acme"
    listed = run("token", "list", "acme")
    assert token.token_id in listed
    assert "the shop" in listed
    assert "valid" in listed
    assert text not in listed
    assert token.hash not in listed
    run("token", "revoke", "acme", token.token_id)
    with pytest.raises(TokenRefused):
        tokens.check(store, text)
    (one,) = json.loads(run("token", "list", "acme", "--json"))
    assert one["revoked_at"] is not None
    assert set(one) == {"token_id", "name", "created_at", "revoked_at"}
    with pytest.raises(TokenRefused, match="not revoked"):
        run("token", "revoke", "acme", token.token_id)


def test_what_cannot_be_done_is_said(run: Run) -> None:
    with pytest.raises(UnknownTenant, match="nobody"):
        run("token", "add", "nobody")
    with pytest.raises(TokenRefused):
        run("token", "revoke", "acme", "unknown")
