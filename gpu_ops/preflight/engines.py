"""The preflight of an engine: its files, its GPU or its server, and one image through all of it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, cast

from gpu_ops import engines
from gpu_ops.interface import SomeFailed
from gpu_ops.preflight import folder, gpu
from gpu_ops.preflight.report import Check, Report
from gpu_ops.vlm.evidence import no_letter

if TYPE_CHECKING:
    from gpu_ops.interface import Enricher, Image, Scorer

SIDE = 224
Probe = Callable[[str], gpu.GpuFacts]


def preflight(
    kind: str,
    name: str,
    options: Any = None,
    *,
    detectors: Sequence[str] = (),
    memory_gib: float = 0.0,
    smoke: bool = True,
    probe: Probe = gpu.facts,
) -> Report:
    """Check the engine of that kind ("enricher" or "scorer") and name. Raises nothing.

    `options` as `gpu_ops.engines` takes them, or the error that making them raised.
    `detectors`: what is looked for beside an enricher.
    `memory_gib`: GPU memory that must be free; 0: by the size of the weights.
    `smoke`: load the models and try one image. Without it only files and the GPU are looked at, as
    health checks should: nothing is loaded, hashed or asked, and memory need not be free, since
    whatever is at work beside the check may hold it.
    """
    checks: list[Check] = []
    identity: dict[str, str] = {}
    for check in _checks(kind, name, options, detectors, memory_gib, smoke, probe, identity):
        checks.append(check)
        if not check.ok and check.name in ("options", "model", "server", "engine"):
            break  # nothing else can be known
    return Report(name, tuple(checks), identity)


def _checks(
    kind: str,
    name: str,
    options: Any,
    detectors: Sequence[str],
    memory_gib: float,
    smoke: bool,
    probe: Probe,
    identity: dict[str, str],
) -> Iterator[Check]:
    if isinstance(options, Exception):
        yield Check("options", False, str(options))
        return
    sound = True
    if getattr(options, "prompts", ""):
        check = _prompts(options.prompts, options.prompt)
        sound &= check.ok
        yield check
    if name == "transformers":
        for check in _model(options, memory_gib, probe, smoke):
            sound &= check.ok
            yield check
    if name == "pyiqa":
        memory = gpu.needed(0, memory_gib) if smoke else 0
        check = gpu.check(options.device, probe(options.device), memory)
        sound &= check.ok
        yield check
    if not sound:
        return  # loading would fail later, with a worse message
    try:
        engine: Enricher | Scorer = (
            engines.enricher(name, options, detectors)
            if kind == "enricher"
            else engines.scorer(name, options)
        )
        if not smoke:
            yield Check("engine", True, "can be built; nothing of it was tried")
            return
        engine.check()
        identity |= engine.identity.as_dict()
        yield Check("engine", True, f"{identity['model']}, {identity['revision']}")
    except Exception as error:
        yield Check("engine", False, _said(error))
        return
    yield _smoke(kind, engine)


def _prompts(folder: str, chosen: str) -> Check:
    """Those of the operator's. One that is not chosen may be unfit: only who names it waits."""
    from gpu_ops.vlm import prompts

    try:
        there, unfit = prompts.names(folder), prompts.unfit(folder)
    except ValueError as error:
        return Check("prompts", False, str(error))
    if chosen in unfit:
        return Check("prompts", False, unfit[chosen])
    fit = [prompt for prompt in there if prompt not in unfit]
    said = "; ".join([", ".join(fit), *(f"unfit: {why}" for why in unfit.values())])
    return Check("prompts", True, said)


def _model(options: Any, memory_gib: float, probe: Probe, smoke: bool) -> Iterator[Check]:
    from gpu_ops.vlm import checkpoint

    try:
        path = checkpoint.folder_of(options.model, options.revision)
    except Exception as error:
        yield Check("model", False, _said(error))
        return
    yield from folder.checks(path, hashing=smoke)
    memory = gpu.needed(folder.weight_bytes(path), memory_gib) if smoke else 0
    yield gpu.check(options.device, probe(options.device), memory)


def _smoke(kind: str, engine: Enricher | Scorer) -> Check:
    """One image through the engine gives evidence of the right shape."""
    try:
        engine.warm()
        if kind == "enricher":
            (body,) = cast("Enricher", engine).describe([picture()])
            wrong = _wrong_enriched(body)
        else:
            (body,) = cast("Scorer", engine).score([picture()])
            wrong = "" if body.get("metrics") else "no metric was measured"
        json.dumps(body, allow_nan=False)
    except SomeFailed as failed:
        return Check("one image", False, _said(next(iter(failed.errors.values()), failed)))
    except Exception as error:
        return Check("one image", False, _said(error))
    return Check("one image", not wrong, wrong or "gives valid evidence")


def _wrong_enriched(body: Any) -> str:
    chances = body.get("probabilities", {})
    if body.get("category") is None:
        return no_letter(float(body.get("answer_mass") or 0.0))
    labels = [label for group in body.get("distinguishes", ()) for label in group]
    if not labels or sorted(chances) != sorted(labels):
        return f"the probabilities are over {', '.join(chances) or 'nothing'}"
    total = math.fsum(chances.values())
    return "" if abs(total - 1.0) < 1e-3 else f"the probabilities sum to {total:g}"


def picture() -> Image:
    """A gradient: no engine has anything to say about it, and each can look at it."""
    import numpy as np

    ramp = np.linspace(0, 255, SIDE, dtype=np.uint8)
    across, down = np.meshgrid(ramp, ramp)
    return np.stack([across, down, 255 - across], axis=-1)


def _said(error: BaseException) -> str:
    return str(error) or type(error).__name__
