"""What is started: the program, its flags, its environment. Reads the model's files to name them.

Flags that change answers are set here, and stated to whoever asks the server for its models: beside
the model's name it lists `NAME@REVISION+flags:HASH` (`gpu_ops.endpoint.served`).
"""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gpu_ops.endpoint.served import statement
from gpu_ops.vlm import checkpoint
from parjanya_dagster.errors import SettingsInvalid
from parjanya_dagster.model_server.flags import hash_of, serving, taken, with_ours
from parjanya_dagster.settings import Settings

HOST = "127.0.0.1"
DRAIN = 60
"""Seconds in which a server that is asked to end answers what it was asked before."""


@dataclass(frozen=True, kw_only=True)
class Command:
    """A server to be started."""

    arguments: Sequence[str]
    environment: Mapping[str, str]
    port: int  # of HOST
    url: str  # up to and with /v1
    model: str  # as it will be served
    states: str  # its other name, which says what it is


def command(settings: Settings, inherited: Mapping[str, str] = os.environ) -> Command:
    """The server that the settings choose. Raises SettingsInvalid."""
    chosen, port = settings.model_server, settings.model_server.listen
    program = shutil.which(chosen.executable)
    if program is None:
        raise SettingsInvalid(
            f"There is no program {chosen.executable!r}. Install vLLM into an environment of its "
            "own, and set PARJANYA_MODEL_SERVER__EXECUTABLE to its bin/vllm."
        )
    given = _words(chosen.arguments)
    if not_theirs := taken(given):
        raise SettingsInvalid(
            f"PARJANYA_MODEL_SERVER__ARGUMENTS must not set {', '.join(not_theirs)}: "
            "other settings do."
        )
    folder = _folder(chosen.model, chosen.revision)
    name = settings.vlm.model or checkpoint.name_of(chosen.model, folder)
    flags = with_ours(given)
    states = statement(name, checkpoint.revision_of(folder), hash_of(flags))
    key = settings.endpoint.key.get_secret_value()
    return Command(
        arguments=[
            program,
            *serving(str(folder), [name, states], host=HOST, port=port, drain=DRAIN, flags=flags),
        ],
        environment={
            **inherited,
            "HF_HUB_OFFLINE": "1",
            "VLLM_NO_USAGE_STATS": "1",
            **({"VLLM_API_KEY": key} if key else {}),
        },
        port=port,
        url=f"http://{HOST}:{port}/v1",
        model=name,
        states=states,
    )


def _words(arguments: str) -> list[str]:
    try:
        return shlex.split(arguments)
    except ValueError as error:
        raise SettingsInvalid(f"PARJANYA_MODEL_SERVER__ARGUMENTS: {error}.") from None


def _folder(model: str, revision: str) -> Path:
    if not model:
        raise SettingsInvalid(
            "Which model? Set PARJANYA_MODEL_SERVER__MODEL to its folder, or to an id that the "
            "local hub cache holds."
        )
    try:
        return checkpoint.folder_of(model, revision)
    except checkpoint.ModelMissing as error:
        raise SettingsInvalid(f"{error}.") from None
