"""The exporter: measures when it is scraped, but not too often."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, generate_latest, start_http_server
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from parjanya_dagster.metrics.families import families
from parjanya_dagster.metrics.latest import Latest
from parjanya_dagster.metrics.measure import Measured


class Exporter(Collector):
    """Answers scrapes. One measurement serves all scrapes within `every` seconds."""

    def __init__(
        self, measure: Callable[[], Measured], clock: Callable[[], float], every: float
    ) -> None:
        self._latest = Latest(measure, clock, every)

    def collect(self) -> Iterable[Metric]:
        return families(self._latest.look())

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
