"""The exporter: measures when it is scraped, but not too often."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, generate_latest, start_http_server
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from parjanya_dagster.metrics.families import families
from parjanya_dagster.metrics.measure import Measured


class Exporter(Collector):
    """Answers scrapes. One measurement serves all scrapes within `every` seconds."""

    def __init__(
        self, measure: Callable[[], Measured], clock: Callable[[], float], every: float
    ) -> None:
        self._measure, self._clock, self._every = measure, clock, every
        self._lock = threading.Lock()
        self._last: list[Metric] = []
        self._at: float | None = None

    def collect(self) -> Iterable[Metric]:
        with self._lock:
            now = self._clock()
            if self._at is None or not 0 <= now - self._at < self._every:
                self._last = families(self._measure())
                self._at = self._clock()
            return self._last

    def describe(self) -> Iterable[Metric]:
        """Nothing, because registering must not measure."""
        return []

    @property
    def registry(self) -> CollectorRegistry:
        registry = CollectorRegistry()
        registry.register(self)
        return registry

    def text(self) -> str:
        return generate_latest(self.registry).decode()

    def serve(self, host: str, port: int) -> tuple[WSGIServer, threading.Thread]:
        """Answer on /metrics, from a thread."""
        return start_http_server(port, addr=host, registry=self.registry)
