"""A real Prometheus on loopback, with the rules of `deploy/prometheus`, stopped by its test."""

from __future__ import annotations

import json
import shutil
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

from parjanya_dagster.instance.home import free_port
from tests.support.missing import missing
from tests.support.waiting import CAP, tail, wait_for_end, wait_until

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy" / "prometheus" / "rules.yaml"
DASHBOARD = ROOT / "deploy" / "grafana" / "parjanya.json"
INSTALL = "apt-get install -y prometheus (it brings promtool)"


def tool(name: str) -> str:
    """The path of `prometheus` or `promtool`. Skips where it is missing, fails there under CI."""
    found = shutil.which(name)
    if found is None:
        missing(name, INSTALL)
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

    def until(self, true: Callable[[], object], what: str) -> None:
        """Wait for the world to become so. Fails with the log when it does not."""
        wait_until(true, what, died=self._died, log=self.log, still=CAP)

    def _died(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def log(self) -> str:
        return tail(self.folder / "log")

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
        with urllib.request.urlopen(url, timeout=120) as answer:
            data: dict[str, Any] = json.load(answer)["data"]
            return data

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            wait_for_end(self.process, "Prometheus ends", self.log)
            self.process = None


def expressions() -> Iterator[tuple[str, str]]:
    """(panel, expression) of every query of the dashboard."""
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]
