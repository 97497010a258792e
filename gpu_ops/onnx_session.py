"""Networks that ONNX Runtime runs on one thread of the CPU, one image at a time."""

from __future__ import annotations

from typing import Any


def one_thread(data: bytes) -> Any:
    """A session over a network in ONNX's format. It may be used by many threads."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # of what a network carries in vain
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    # Images differ in shape. A plan of memory for each shape would be asked of the system, and
    # given back to it, for every image: that costs a quarter of the time.
    options.enable_mem_pattern = False
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
