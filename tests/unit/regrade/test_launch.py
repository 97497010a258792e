"""Where a regrade asks for its backfill: at the UI of its own home, or nowhere.

The UI here is a stand-in that describes an instance in Dagster's words. That the real one does is
shown by tests/end_to_end/test_regrade.py, which has its backfill made by it.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from dagster import DagsterInstance

from parjanya_dagster.regrade.launch import UI_FILE, ui_address


class Ui(HTTPServer):
    described: str | None = None  # the instance that it serves, as it says it

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Answer(BaseHTTPRequestHandler):
    server: Ui

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        body = json.dumps({"data": {"instance": {"info": self.server.described}}}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None: ...


@pytest.fixture
def ui() -> Iterator[Ui]:
    with Ui(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def serve(ui: Ui, home: Path) -> None:
    folder = home / "dagster"
    folder.mkdir(parents=True)
    (folder / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    with DagsterInstance.from_config(str(folder)) as instance:
        ui.described = instance.info_str()


def test_the_ui_of_a_home_is_found(ui: Ui, tmp_path: Path) -> None:
    serve(ui, tmp_path / "home")
    (tmp_path / "home" / UI_FILE).write_text(ui.url)
    (tmp_path / "linked").symlink_to(tmp_path / "home")

    assert ui_address(tmp_path / "home") == ui.url
    assert ui_address(tmp_path / "linked") == ui.url


def test_anothers_ui_at_the_port_that_was_ours_makes_no_backfill_of_ours(
    ui: Ui, tmp_path: Path
) -> None:
    serve(ui, tmp_path / "another")
    home = tmp_path / "home"
    home.mkdir()
    (home / UI_FILE).write_text(ui.url)  # of an instance that was killed

    assert ui_address(home) is None


@pytest.mark.parametrize("described", [None, "", "[", "run_storage: X", "local_artifact_storage:"])
def test_a_ui_that_does_not_say_whose_it_is_makes_none(
    ui: Ui, tmp_path: Path, described: str | None
) -> None:
    ui.described = described
    (tmp_path / UI_FILE).write_text(ui.url)

    assert ui_address(tmp_path) is None


def test_without_a_ui_there_is_no_address(tmp_path: Path) -> None:
    assert ui_address(tmp_path) is None
