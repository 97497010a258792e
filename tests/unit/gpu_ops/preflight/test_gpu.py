"""Does the GPU do? A judgement over facts: no GPU is needed to test it, and none is used."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gpu_ops.preflight.gpu import GIB, GpuFacts, check, facts, needed, runs_on

H200 = GpuFacts("13.0", 1, "", "NVIDIA H200", (9, 0), ("sm_80", "sm_90"), 139 * GIB, 141 * GIB)
NO_DRIVER = GpuFacts("13.0", why_none="Found no NVIDIA driver on your system")


def test_a_gpu_with_room_is_fit() -> None:
    found = check("cuda", H200, 20 * GIB)
    assert found.ok
    assert found.detail == "NVIDIA H200, 139.0 of 141.0 GiB free, CUDA 13.0"


@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_a_cpu_build_of_torch_is_named(device: str) -> None:
    found = check(device, GpuFacts(None), 0)
    assert not found.ok
    assert "built for the CPU alone: install a CUDA build" in found.detail


@pytest.mark.parametrize("device", ["cuda", "auto"])
def test_a_gpu_that_is_gone_is_never_replaced_by_the_cpu_in_silence(device: str) -> None:
    found = check(device, NO_DRIVER, 0)
    assert not found.ok
    assert "no GPU is visible to CUDA 13.0 (Found no NVIDIA driver" in found.detail


def test_the_cpu_does_where_it_is_asked_for_or_there_is_nothing_else() -> None:
    assert check("cpu", NO_DRIVER, 10**15).ok
    assert check("auto", GpuFacts(None), 10**15).ok


def test_too_little_memory_says_how_much_is_needed() -> None:
    found = check("cuda", replace(H200, free=3 * GIB), 20 * GIB)
    assert not found.ok
    assert "3.0 of 141.0 GiB free, and 20.0 GiB are needed" in found.detail


def test_a_gpu_that_torch_has_no_kernels_for_is_named() -> None:
    found = check("cuda", replace(H200, capability=(12, 0)), 0)
    assert not found.ok
    assert "no kernels for NVIDIA H200 (sm_120, of sm_80, sm_90)" in found.detail


@pytest.mark.parametrize(
    ("capability", "architectures", "runs"),
    [
        ((9, 0), ("sm_90",), True),
        ((8, 9), ("sm_86",), True),  # a later minor of the same major
        ((8, 0), ("sm_86",), False),
        ((12, 0), ("sm_90",), False),
        ((12, 0), ("sm_90", "compute_90"), True),  # PTX is compiled for what came later
        ((7, 5), ("compute_90",), False),
        ((9, 0), ("sm_90a",), True),
        ((9, 0), ("gfx90a", "sm_", "", "sm_x"), False),
    ],
)
def test_which_kernels_run_where(
    capability: tuple[int, int], architectures: tuple[str, ...], runs: bool
) -> None:
    assert runs_on(capability, architectures) is runs


def test_memory_is_by_the_weights_or_as_stated() -> None:
    assert needed(10 * GIB) == 13 * GIB
    assert needed(10 * GIB, 40.0) == 40 * GIB


def test_the_facts_of_this_machine_can_be_told() -> None:
    found = facts()
    assert (found.built_for is None) or found.count > 0 or found.why_none
