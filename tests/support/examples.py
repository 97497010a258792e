"""How many examples a property is asked of: few in a quick run, some in each, many at night.

`PROPERTIES_WIDER` multiplies what a test names; `make test-quick` and `make nightly` set it.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

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
