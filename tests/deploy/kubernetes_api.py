"""A Kubernetes API on loopback: kmock, an emulator. It stores what it is given and lists it.

It schedules nothing and pulls no image: what a pod's status says, the test says. It ignores label
selectors, and checks no object against a schema.
"""

from __future__ import annotations

import asyncio
import json
import threading
import urllib.request
from pathlib import Path
from typing import Any

import kmock
import yaml

NAMESPACE = "parjanya"
_PATHS = {
    "jobs": f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs",
    "pods": f"/api/v1/namespaces/{NAMESPACE}/pods",
    "events": f"/api/v1/namespaces/{NAMESPACE}/events",
}
PATIENCE = 600.0  # seconds: generous, since only a failure waits that long
REMEMBERED = 50  # requests, more than are ever answered at once


class _Emulator(kmock.KubernetesEmulator):
    """kmock looks through all requests that it ever had for each next one. This one forgets."""

    async def _handle(self, request: Any) -> Any:
        del self._requests[:-REMEMBERED]
        return await super()._handle(request)


class KubernetesApi:
    """The emulator in a thread of its own; `url` is where it listens."""

    def __init__(self) -> None:
        self.url = ""
        self._emulator = _Emulator()
        for resource, kind in (
            ("batch/v1/jobs", "Job"),
            ("v1/pods", "Pod"),
            ("v1/events", "Event"),
        ):
            self._emulator.resources[resource] = {"kind": kind, "namespaced": True}
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="kubernetes-api", daemon=True)

    def start(self) -> None:
        self._thread.start()
        if not self._ready.wait(PATIENCE):
            raise RuntimeError("The emulator did not start.")

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(PATIENCE)
        self._loop.close()

    def create(self, kind: str, body: dict[str, Any]) -> None:
        self._ask("POST", _PATHS[kind], body)

    def patch(self, kind: str, name: str, body: dict[str, Any]) -> None:
        self._ask("PATCH", f"{_PATHS[kind]}/{name}", body)

    def delete(self, kind: str, name: str) -> None:
        self._ask("DELETE", f"{_PATHS[kind]}/{name}")

    def all(self, kind: str) -> dict[str, dict[str, Any]]:
        """Objects of a kind by name: jobs, pods or events."""
        items = self._ask("GET", _PATHS[kind])["items"]
        return {item["metadata"]["name"]: item for item in items}

    def kubeconfig(self, folder: Path) -> Path:
        """Write a kubeconfig file that leads here."""
        path = folder / "kubeconfig.yaml"
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "here", "cluster": {"server": self.url}}],
            "users": [{"name": "nobody", "user": {}}],
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": "nobody"}}],
            "current-context": "here",
        }
        path.write_text(yaml.safe_dump(config))
        return path

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        request = urllib.request.Request(
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return json.loads(answer.read())

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._until_stopped())

    async def _until_stopped(self) -> None:
        self._stopping = asyncio.Event()
        async with kmock.Server(self._emulator) as server:
            self.url = str(server.url).rstrip("/")
            self._ready.set()
            await self._stopping.wait()
