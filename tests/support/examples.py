"""How many examples a property is asked of: some in each run, many at night.

`PARJANYA_WIDER` multiplies them; `make nightly` sets it.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

WIDER = int(os.environ.get("PARJANYA_WIDER") or 1)


def examples(usual: int) -> int:
    return usual * WIDER


settings.register_profile(
    "parjanya",
    max_examples=examples(60),
    deadline=None,  # the speed of the machine is not what these tests are about
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    print_blob=True,
)
settings.load_profile("parjanya")
