"""Whether the GPU is there, with a CUDA that fits and enough free memory. Pure, over facts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gpu_ops.preflight.report import Check

GIB = 1 << 30
ROOM = 1.2  # beside the weights: activations and caches of one batch
BASE = 1 * GIB  # what CUDA itself takes


@dataclass(frozen=True)
class GpuFacts:
    """What torch says of the machine."""

    built_for: str | None  # the CUDA that torch was built for; None: a CPU build
    count: int = 0
    why_none: str = ""  # what CUDA said where there is none
    name: str = ""
    capability: tuple[int, int] = (0, 0)
    architectures: tuple[str, ...] = ()  # that torch has kernels for: sm_90, compute_90
    free: int = 0  # bytes
    total: int = 0


def facts(device: str = "cuda") -> GpuFacts:
    """Ask torch. Never raises: what torch cannot say is missing from the facts."""
    import torch

    built = torch.version.cuda
    if built is None:
        return GpuFacts(None)
    try:
        if not torch.cuda.is_available():
            cuda: Any = torch.cuda
            cuda.init()  # says why
        where = torch.device("cuda" if device == "auto" else device)
        index = torch.cuda.current_device() if where.index is None else where.index
        free, total = torch.cuda.mem_get_info(index)
        return GpuFacts(
            built,
            torch.cuda.device_count(),
            "",
            torch.cuda.get_device_name(index),
            torch.cuda.get_device_capability(index),
            tuple(torch.cuda.get_arch_list()),
            free + torch.cuda.memory_reserved(index),  # what this process holds is not in its way
            total,
        )
    except Exception as error:  # whatever a driver says
        return GpuFacts(built, why_none=str(error).splitlines()[0] if str(error) else repr(error))


def needed(weights: int, stated_gib: float = 0.0) -> int:
    """Bytes that must be free: as stated, or by the size of the weights."""
    return int(stated_gib * GIB) if stated_gib else int(weights * ROOM) + BASE


def check(device: str, facts: GpuFacts, memory: int) -> Check:
    """`device` as the setting says: cpu, auto, cuda, cuda:1. `memory` in bytes that must be free.

    "auto" may fall back to the CPU only where torch was built for nothing else: a driver that is
    gone must not turn minutes into days.
    """
    name = "gpu"
    if device == "cpu":
        return Check(name, True, "not asked for")
    if facts.built_for is None:
        if device == "auto":
            return Check(name, True, "none: this torch is built for the CPU alone")
        return Check(
            name,
            False,
            f"{device} is wanted, and this torch is built for the CPU alone: install a CUDA build "
            "of torch, or set PARJANYA_ENGINES__DEVICE=cpu",
        )
    if facts.count == 0:
        return Check(
            name,
            False,
            f"no GPU is visible to CUDA {facts.built_for} ({facts.why_none or 'no reason given'}): "
            "give the run a GPU node and a driver that fits, or set PARJANYA_ENGINES__DEVICE=cpu",
        )
    if not runs_on(facts.capability, facts.architectures):
        major, minor = facts.capability
        return Check(
            name,
            False,
            f"torch for CUDA {facts.built_for} has no kernels for {facts.name} (sm_{major}{minor}, "
            f"of {', '.join(facts.architectures)}): install a torch that has",
        )
    free = f"{facts.free / GIB:.1f} of {facts.total / GIB:.1f} GiB free"
    if facts.free < memory:
        return Check(
            name,
            False,
            f"{facts.name} has {free}, and {memory / GIB:.1f} GiB are needed: use a larger GPU, a "
            "smaller model, or end what else runs on it",
        )
    return Check(name, True, f"{facts.name}, {free}, CUDA {facts.built_for}")


def runs_on(capability: tuple[int, int], architectures: tuple[str, ...]) -> bool:
    """Binary kernels run on the same major version from their minor on; PTX on all later ones."""
    for architecture in architectures:
        kind, _, number = architecture.partition("_")
        digits = number.rstrip("abcdefghijklmnopqrstuvwxyz")
        if not digits.isdigit() or len(digits) < 2:
            continue
        built = (int(digits[:-1]), int(digits[-1]))
        if kind == "sm" and built[0] == capability[0] and built <= capability:
            return True
        if kind == "compute" and built <= capability:
            return True
    return False
