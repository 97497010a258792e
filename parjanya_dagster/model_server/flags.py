"""How vLLM is started, by whomever: its arguments, and the flags that change answers. Pure.

The stack of ECS reads them where nothing of the platform is installed, so this imports little.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

TAKEN = frozenset(
    {"--host", "--port", "--model", "--served-model-name", "--api-key", "--shutdown-timeout"}
)
"""Flags that are not the operator's: they follow from other settings."""
FLAGS: Mapping[str, str] = {
    "--max-logprobs": "20",  # the likelihoods that a question asks for
    # A schema allows any blanks between JSON's parts, and a model may write nothing else. The
    # backend `auto` refuses to forbid them, and xgrammar 0.2.8 lets some through.
    "--structured-outputs-config": json.dumps(
        {"backend": "guidance", "disable_any_whitespace": True}
    ),
    "--limit-mm-per-prompt": json.dumps({"image": 1, "video": 0}),
    "--generation-config": "vllm",  # no sampling defaults of the checkpoint
}
"""As they come; the operator's flags come after them, and win."""


def with_ours(given: Sequence[str]) -> list[str]:
    """Our flags, then the operator's."""
    return [word for flag, value in FLAGS.items() for word in (flag, value)] + list(given)


def taken(given: Sequence[str]) -> list[str]:
    """What of the operator's flags is not the operator's."""
    return sorted({word.partition("=")[0] for word in given} & TAKEN)


def hash_of(flags: Sequence[str]) -> str:
    """Twelve hex digits over the flags, in their order: a later one may undo an earlier one."""
    return hashlib.sha256("\0".join(flags).encode()).hexdigest()[:12]


def serving(
    folder: str, names: Sequence[str], *, host: str, port: int, drain: int, flags: Sequence[str]
) -> list[str]:
    """Arguments of the program `vllm`.

    `names`: what the model is called. `drain`: seconds in which a server that is asked to end
    answers what it was asked before.
    """
    return [
        "serve", folder, "--served-model-name", *names, "--host", host, "--port", str(port),
        "--shutdown-timeout", str(drain), *flags,
    ]  # fmt: skip
