"""The threads of the embedded engines."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

PAGES = """
import resource

import numpy as np

from gpu_ops.embedded import damage, workers


def pages(picture):
    # How many pages the system had to give this thread for a third and a fourth look.
    for _ in range(2):
        damage.measure(picture)
    before = resource.getrusage(resource.RUSAGE_THREAD).ru_minflt
    for _ in range(2):
        damage.measure(picture)
    return resource.getrusage(resource.RUSAGE_THREAD).ru_minflt - before


# As large as previews are, and larger: the pieces of a thread's own heap hold the first alone.
for height, width in ((768, 1024), (1500, 2000)):
    shape = (height, width, 3)
    picture = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    (given,) = workers.each(pages, [picture])
    print(given)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only GNU's C library can be told")
def test_memory_of_one_picture_is_kept_for_the_next() -> None:
    """In a process of its own: what other tests have left on the heap would be counted too."""
    told = subprocess.run(
        [sys.executable, "-c", PAGES], capture_output=True, text=True, check=True, timeout=120
    )
    small, large = map(int, told.stdout.split())
    # Without any setting they were 12,900 and 5,000; with heaps of the threads' own 0 and 1,770.
    assert small < 600
    assert large < 600
