"""How many examples a property is asked of: few in a quick run, some in each, many at night.

`PROPERTIES_WIDER` multiplies what a test names; `make test-quick` and `make nightly` set it.
"""

from __future__ import annotations

import os
import sys

from hypothesis import HealthCheck, settings
from hypothesis.internal import charmap
from hypothesis.internal.intervalsets import IntervalSet

WIDER = float(os.environ.get("PROPERTIES_WIDER") or 0.4)
FEWEST = 5


def examples(usual: int) -> int:
    return max(FEWEST, round(usual * WIDER))


settings.register_profile(
    "parjanya",
    max_examples=examples(60),
    deadline=None,  # the speed of the machine is not what these tests are about
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    print_blob=True,
)
settings.load_profile("parjanya")


def _intervals(codec: str) -> tuple[IntervalSet, IntervalSet]:
    if codec == "utf-8":
        whole = IntervalSet([(0, 0xD7FF), (0xE000, sys.maxunicode)])  # all but surrogates
        return whole, IntervalSet([])
    return _found_out(codec)


_found_out = charmap.intervals_from_codec
charmap.intervals_from_codec = _intervals
"""In a fresh clone each process would try every character, for three seconds."""
