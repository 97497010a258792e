"""What an error of torch means: too little memory, a lost device, or something else.

torch raises OutOfMemoryError where its own allocator finds no room. Drivers and libraries that find
none say so in other words. The words of CUDA were read off an H100 with torch 2.11.
"""

from __future__ import annotations

import re
import sys

_MEMORY = re.compile(
    r"out of memory"  # CUDA and HIP: pinned memory, a context, a kernel's own needs
    r"|(CUBLAS|CUDNN|CUFFT|CUSOLVER|CUSPARSE)\w*_ALLOC_FAILED"
    r"|DefaultCPUAllocator: (can't allocate memory|not enough memory)",
    re.IGNORECASE,
)
_DEVICE = re.compile(r"(CUDA|HIP|cuDNN|NCCL) error|CU(BLAS|DNN)_STATUS_\w+", re.IGNORECASE)


def too_much(error: BaseException) -> bool:
    """Whether memory ran out, so that less may succeed."""
    torch = sys.modules.get("torch")  # where it was never loaded, it raised nothing
    if isinstance(error, MemoryError) or (torch and isinstance(error, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and bool(_MEMORY.search(str(error)))


def lost(error: BaseException) -> bool:
    """Whether the device failed. Every later call of the process is then answered with an error."""
    return (
        isinstance(error, RuntimeError) and not too_much(error) and bool(_DEVICE.search(str(error)))
    )
