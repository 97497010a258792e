"""How the desk and the uploads are served."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from parjanya_dagster.cli.main import app
from parjanya_dagster.platform import open_platform
from parjanya_dagster.settings import Settings

BALANCER_IDLE = 60  # seconds, of deploy/ecs/stack/doors.py


def test_the_load_balancer_closes_idle_connections_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served: dict[str, Any] = {}
    monkeypatch.setattr("uvicorn.run", lambda _app, **options: served.update(options))
    open_platform(Settings(home=tmp_path), migrating=True)
    done = CliRunner().invoke(app, ["web", "--only", "uploads", "--home", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert served["timeout_keep_alive"] > BALANCER_IDLE
