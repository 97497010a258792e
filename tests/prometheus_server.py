"""A real Prometheus on loopback, with the rules of `deploy/prometheus`, stopped by its test."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from parjanya_dagster.instance.home import free_port

ROOT = Path(__file__).parents[1]
RULES = ROOT / "deploy" / "prometheus" / "rules.yaml"
INSTALL = "apt-get install prometheus (it brings promtool)"
PATIENCE = 120.0  # seconds; only a failure waits that long


def tool(name: str) -> str:
    """The path of `prometheus` or `promtool`. Skips where it is missing, fails there under CI."""
    found = shutil.which(name)
    if found is None:
        if os.environ.get("CI"):
            pytest.fail(f"CI must test with {name}: {INSTALL}")
        pytest.skip(f"{name} is not installed: {INSTALL}")
    return found


class Prometheus:
    """Scrapes one exporter every five seconds: after a late scrape an alert begins anew."""

    def __init__(self, folder: Path, exporter_port: int, rules: str) -> None:
        self.binary = tool("prometheus")
        self.folder, self.port = folder, free_port()
        folder.mkdir(parents=True)
        (folder / "rules.yaml").write_text(rules)
        config = {
            "global": {"scrape_interval": "5s", "evaluation_interval": "1s"},
            "rule_files": ["rules.yaml"],
            "scrape_configs": [
                {
                    "job_name": "parjanya",
                    "static_configs": [{"targets": [f"127.0.0.1:{exporter_port}"]}],
                }
            ],
        }
        (folder / "prometheus.yaml").write_text(yaml.safe_dump(config))
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self.folder / "log").open("wb") as output:
            self.process = subprocess.Popen(
                [
                    self.binary,
                    f"--config.file={self.folder / 'prometheus.yaml'}",
                    f"--storage.tsdb.path={self.folder / 'data'}",
                    f"--web.listen-address=127.0.0.1:{self.port}",
                ],
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self.until(self.ready, "Prometheus answers")

    def ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/-/ready", timeout=5):
                return True
        except (urllib.error.URLError, OSError):
            return False

    def until(self, true: Callable[[], object], what: str, patience: float = PATIENCE) -> None:
        deadline = time.monotonic() + patience
        while not true():
            died = self.process is not None and self.process.poll() is not None
            if died or time.monotonic() > deadline:
                said = (self.folder / "log").read_text()[-3000:]
                raise AssertionError(f"{what}: not so after {patience:.0f} s\n{said}")
            time.sleep(0.3)

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The instant vector of an expression. Raises where Prometheus refuses it."""
        found: list[dict[str, Any]] = self._get("query", query=expression)["result"]
        return found

    def query_range(self, expression: str, start: float, end: float, step: float) -> Any:
        return self._get("query_range", query=expression, start=start, end=end, step=step)["result"]

    def firing(self) -> set[str]:
        """Names of the alerts that fire now."""
        return {one["metric"]["alertname"] for one in self.query('ALERTS{alertstate="firing"}')}

    def _get(self, what: str, **parameters: Any) -> dict[str, Any]:
        asked = urllib.parse.urlencode(parameters)
        url = f"http://127.0.0.1:{self.port}/api/v1/{what}?{asked}"
        with urllib.request.urlopen(url, timeout=30) as answer:
            data: dict[str, Any] = json.load(answer)["data"]
            return data

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(timeout=60)
            self.process = None
