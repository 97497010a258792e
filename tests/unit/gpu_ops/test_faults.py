"""Errors in the words in which torch 2.11 raised them on an H100."""

from __future__ import annotations

import pytest

from gpu_ops.faults import lost, too_much

TOO_MUCH = [
    RuntimeError("CUDA error: out of memory\nSearch for `cudaErrorMemoryAllocation' in https://"),
    RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"),
    MemoryError("Unable to allocate 3.7 GiB for an array"),
]
LOST = [
    RuntimeError("CUDA error: device-side assert triggered\nSearch for `cudaErrorAssert' in https"),
    RuntimeError("CUDA error: an illegal memory access was encountered"),
    RuntimeError("CUDA error: unspecified launch failure"),
    RuntimeError("CUDA error: uncorrectable ECC error encountered"),
    RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"),
    RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasGemmEx`"),
]
OTHER = [
    ValueError("out of memory"),
    RuntimeError("The size of tensor a (3) must match the size of tensor b (4)"),
    KeyError("CUDA error"),
]


@pytest.mark.parametrize("error", TOO_MUCH, ids=str)
def test_too_little_memory_is_known_in_every_spelling(error: Exception) -> None:
    assert (too_much(error), lost(error)) == (True, False)


def test_torchs_own_error_is_one_of_them() -> None:
    import torch  # here, because it takes seconds

    error = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 4096.00 GiB. GPU 0 has")
    assert (too_much(error), lost(error)) == (True, False)


@pytest.mark.parametrize("error", LOST, ids=str)
def test_a_failed_device_is_not_taken_for_too_little_memory(error: Exception) -> None:
    assert (too_much(error), lost(error)) == (False, True)


@pytest.mark.parametrize("error", OTHER, ids=str)
def test_other_errors_are_neither(error: Exception) -> None:
    assert (too_much(error), lost(error)) == (False, False)
