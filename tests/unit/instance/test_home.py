"""The home of an instance: its files, its lock, its port, its settings."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from parjanya_dagster.errors import HomeBusy, PortBusy, SettingsInvalid
from parjanya_dagster.instance.home import (
    alone,
    choose_port,
    dagster_config,
    free_port,
    write_home,
)
from parjanya_dagster.settings import ENV_FILE, Settings, load, process_environment


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("PARJANYA_", "DAGSTER_")):
            monkeypatch.delenv(name)


def test_one_process_holds_a_home_and_a_dead_one_holds_nothing(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    with alone(settings), pytest.raises(HomeBusy, match="--home"), alone(settings):
        pass
    holder = (
        "import os, pathlib\n"
        "from parjanya_dagster.instance.home import alone\n"
        "from parjanya_dagster.settings import Settings\n"
        f"with alone(Settings(home=pathlib.Path({str(tmp_path)!r}))): os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", holder], check=False).returncode == 9
    with alone(settings):
        pass


def test_a_busy_port_is_refused_when_it_was_asked_for_and_passed_over_when_not() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PortBusy, match=f"Port {port} is in use"):
            choose_port(port)
        assert choose_port(None, default=port) > port


def test_the_code_location_listens_where_the_kernel_gives_no_ports(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A connection of the services that start meanwhile may have any port from 32768 on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port := free_port()))
        taken.listen()
        monkeypatch.setattr("random.randrange", lambda first, _: max(first, port))
        assert 20_000 <= free_port() < 30_000
        assert free_port() != port


def test_the_home_is_written_whole_and_again_without_change(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home")
    workspace = write_home(settings, 4000)
    before = {p: p.read_bytes() for p in workspace.parent.iterdir()}
    assert write_home(settings, 4000) == workspace
    assert before == {p: p.read_bytes() for p in workspace.parent.iterdir()}
    assert {p.name for p in workspace.parent.iterdir()} == {"dagster.yaml", "workspace.yaml"}
    (server,) = yaml.safe_load(workspace.read_text())["load_from"]
    assert server["grpc_server"]["port"] == 4000


def test_a_password_in_the_configuration_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    url = "postgresql+psycopg2://parjanya:s%40cret@db:5433/truth"
    settings = Settings(home=tmp_path, truth={"url": url})
    written = write_home(settings, 4000).with_name("dagster.yaml")
    assert yaml.safe_load(written.read_text())["storage"]["postgres"]["postgres_url"] == (
        "postgresql://parjanya:s%40cret@db:5433/truth"
    )
    assert written.stat().st_mode & 0o077 == 0


def test_dagster_keeps_its_records_in_the_home_and_tells_nobody(tmp_path: Path) -> None:
    config = dagster_config(Settings(home=tmp_path))
    assert config["storage"]["custom"]["config"]["base_dir"].startswith(str(tmp_path))
    assert config["telemetry"] == {"enabled": False}
    assert config["run_retries"] == {"enabled": False}


def test_a_home_has_settings_of_its_own_and_the_environment_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ENV_FILE).write_text("PARJANYA_ARRIVALS__BATCH_SIZE=7\nPARJANYA_RUNS__ROWS=70\n")
    monkeypatch.setenv("PARJANYA_RUNS__ROWS", "71")
    settings = load(tmp_path)
    assert (settings.arrivals.batch_size, settings.runs.rows) == (7, 71)


def test_every_wrong_setting_is_named_with_what_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARJANYA_ARRIVALS__BATCH_SIZE", "0")
    monkeypatch.setenv("PARJANYA_RUNS__LEASE", "soon")
    with pytest.raises(SettingsInvalid) as caught:
        load(tmp_path)
    for words in ("PARJANYA_ARRIVALS__BATCH_SIZE", "'0'", "PARJANYA_RUNS__LEASE", "'soon'"):
        assert words in str(caught.value)


def test_the_home_is_the_one_named_else_that_of_the_environment_else_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert load().home == tmp_path / ".parjanya"
    monkeypatch.setenv("PARJANYA_HOME", str(tmp_path / "env"))
    assert load().home == tmp_path / "env"
    assert load(tmp_path / "named").home == tmp_path / "named"
    assert load(tmp_path / "named").truth_url == f"sqlite:///{tmp_path}/named/truth.db"


def test_processes_of_an_instance_share_its_home(tmp_path: Path) -> None:
    environment = process_environment(Settings(home=tmp_path))
    assert environment["PARJANYA_HOME"] == str(tmp_path)
    assert environment["DAGSTER_HOME"] == str(tmp_path / "dagster")
