"""What a server says of itself: which program in which version, and which model it serves.

The protocol tells no revision. A server that `parjanya model serve` started lists its model under a
second name that states it, `NAME@REVISION+flags:HASH`. So the evidence need not rely on what an
operator says.
"""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gpu_ops.endpoint.client import Client, EndpointError

_STATED = re.compile(r"(?P<name>.+)@(?P<revision>[^@+]+)\+flags:(?P<flags>[0-9a-f]+)")


def statement(name: str, revision: str, flags: str) -> str:
    """The second name of a model. Raises ValueError where it could not be read again."""
    stated = f"{name}@{revision}+flags:{flags}"
    found = _STATED.fullmatch(stated)
    if not found or found["name"] != name:
        raise ValueError(f"a model cannot be served as {name!r} at {revision!r}")
    return stated


@dataclass(frozen=True, kw_only=True)
class Served:
    """Empty where the server does not say."""

    server: str = ""  # such as "vllm 0.32.0"
    states: str = ""  # the name that says what is served, where it has one
    longest: int | None = None  # tokens of a question and its answer together

    @property
    def identity(self) -> str:
        return f"{self.server or 'unknown'}, {self.states or 'unstated'}"

    @property
    def revision(self) -> str:
        """Of the model's files, as the server states it."""
        found = _STATED.fullmatch(self.states)
        return found["revision"] if found else ""


def served(model: str, models: Sequence[Mapping[str, Any]], version: Mapping[str, Any]) -> Served:
    """From the list of models, and what was said when asked for the version (may be empty)."""
    named = [(str(one["id"]), one) for one in models]
    stated = [
        name for name, _ in named if (found := _STATED.fullmatch(name)) and found["name"] == model
    ]
    longest = next((one.get("max_model_len") for name, one in named if name == model), None)
    program = next((str(one["owned_by"]) for name, one in named if one.get("owned_by")), "server")
    number = str(version.get("version") or "")
    return Served(
        server=f"{program} {number}".strip() if number else "",
        states=", ".join(sorted(stated)),
        longest=longest if isinstance(longest, int) else None,
    )


def stated_revision(facts: Served, model: str, said: str, variable: str) -> str:
    """Which files of the model: as the operator said in a variable, else as the server states.

    Raises ValueError where they contradict one another.
    """
    if said and facts.revision and said not in facts.revision:
        raise ValueError(
            f"the server states that it serves {model} at {facts.revision}, and the settings say "
            f"{said}: set {variable} to what is served, or leave it out"
        )
    return said or facts.revision or "unstated"


class Server:
    """What the server says of itself. Asked once, and again where a connection was lost since: it
    may have been restarted as another. A restart while nothing is asked loses no connection, so
    what was said counts for `fresh` seconds at most. Safe to use from threads."""

    def __init__(self, client: Client, model: str, fresh: float = math.inf) -> None:
        self._client, self._model, self._fresh = client, model, fresh
        self._asked_at = -math.inf
        self._lock = threading.Lock()
        self._facts: Served | None = None
        self._losses = 0  # of connections, before it was asked

    def facts(self) -> Served:
        """Where it does not answer, what it said last. Raises EndpointError where it said nothing
        yet, and ValueError where it does not serve the model."""
        with self._lock:
            old = self._client.clock() - self._asked_at >= self._fresh
            if self._facts is None or old or self._client.losses != self._losses:
                try:
                    return self._ask()
                except EndpointError:
                    if self._facts is None:
                        raise
            return self._facts

    @property
    def longest(self) -> int | None:
        """Tokens that a question and its answer may have together. None: it does not say, or not
        now. Raises nothing: whatever is wrong with the server, the question itself will meet."""
        with self._lock:
            if self._facts is None:
                try:
                    self._ask()
                except (EndpointError, ValueError):
                    return None
            return self._facts.longest if self._facts else None

    def ask(self) -> Served:
        """What it says now. Raises as `facts` does, and EndpointError where it does not answer."""
        with self._lock:
            return self._ask()

    def _ask(self) -> Served:
        losses, asked_at = self._client.losses, self._client.clock()
        models = self._client.models()
        names = [str(one["id"]) for one in models]
        if self._model not in names:
            raise ValueError(
                f"{self._client.url} does not serve {self._model!r}, but {', '.join(names)}"
            )
        self._facts = served(self._model, models, self._client.version())
        self._losses, self._asked_at = losses, asked_at
        return self._facts
