"""The threads of the embedded engines."""

from __future__ import annotations

import platform

import numpy as np
import pytest

from gpu_ops.embedded import damage, workers


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only GNU's C library can be told")
def test_memory_of_one_picture_is_kept_for_the_next() -> None:
    import resource

    def pages(picture: np.ndarray) -> int:
        """How many pages the system had to give this thread for a third look."""
        for _ in range(2):
            damage.measure(picture)
        before = resource.getrusage(resource.RUSAGE_THREAD).ru_minflt
        damage.measure(picture)
        return resource.getrusage(resource.RUSAGE_THREAD).ru_minflt - before

    picture = np.random.default_rng(1).integers(0, 256, (768, 1024, 3), dtype=np.uint8)
    (given,) = workers.each(pages, [picture])
    assert given < 300  # it was 3,200
