"""The engine `openai` over a vLLM that is started for it: `python -m bench.gpu --vllm PROGRAM`.

Images come as they come to the engine in process: decoded and prepared in threads ahead. The server
makes up its weights (`--load-format dummy`), so nothing need be downloaded.
"""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

from bench.gpu_models import build
from gpu_ops.endpoint import enricher, questions
from gpu_ops.endpoint.client import Client, GracePeriods
from gpu_ops.vlm import prompts
from parjanya_dagster.model_server.command import HOST, command
from parjanya_dagster.model_server.process import ModelServer, log_of
from parjanya_dagster.settings import Settings
from tests.support import tiny_models
from tests.support.tiny_models import Family

NAME = "random"
PROMPT = "bench@1"
LONGEST = 4096  # tokens of a question and its answer together
READY_SECONDS = 1800.0
ON_CPU = "--dtype float32 --enforce-eager --max-num-seqs 8"
ON_GPU = "--dtype bfloat16"


def ways(
    program: str,
    family: Family,
    size: str,
    device: str,
    *,
    visual_tokens: int,
    description_tokens: int,
    measure: Callable[[enricher.EndpointEnricher], dict[str, Any]],
) -> dict[str, dict[str, Any]]:
    """What `measure` says of the engine, for the category alone and with a description.

    Raises ModelServerDied where the server does not come up, SettingsInvalid without a program.
    """
    found = {}
    with tempfile.TemporaryDirectory() as place:
        asked = question(Path(place) / "prompts", description_tokens)
        settings = Settings(
            home=Path(place) / "home",
            vlm={"model": NAME},
            model_server={
                "executable": program,
                "model": str(folder(family, size, Path(place) / "model")),
                "listen": free_port(),
                "arguments": " ".join(
                    [
                        f"--max-model-len {LONGEST}",
                        ON_GPU if device.startswith("cuda") else ON_CPU,
                        *([] if size == "tiny" else ["--load-format dummy"]),
                    ]
                ),
            },
        )
        wanted = command(settings, {**os.environ, "VLLM_CPU_KVCACHE_SPACE": "1"})
        with ModelServer(wanted, log_of(settings.home)) as server:
            server.wait_until_ready(READY_SECONDS)
            for part, describe in (("category", False), ("description", True)):
                engine = enricher.EndpointEnricher(
                    Client(wanted.url, connections=256, patience=GracePeriods(timeout=600.0)),
                    NAME,
                    prompt=PROMPT,
                    describe=describe,
                    answer_mass=0.0,
                    visual_tokens=visual_tokens,
                    folder=str(asked),
                )
                found[part] = measure(engine)
                found[part]["server"] = engine.identity.revision
                engine.close()
    return found


def folder(family: Family, size: str, place: Path) -> Path:
    """A model as vLLM takes it. All but the tiny one are without weights."""
    if size == "tiny":
        return tiny_models.build(family, place, served=True)
    built = build(family, size, "meta")
    built.model.config.architectures = [type(built.model).__name__]
    built.model.config.save_pretrained(place)
    built.processor.save_pretrained(place)
    return place


def question(place: Path, tokens: int) -> Path:
    """A folder with the built-in prompt, whose answers have so many tokens at most."""
    place.mkdir()
    raw = resources.files(prompts).joinpath("default@1.yaml").read_text()
    most = max(1, tokens - questions.AROUND_LETTER)
    (place / f"{PROMPT}.yaml").write_text(raw.replace("max_tokens: 192", f"max_tokens: {most}"))
    return place


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
