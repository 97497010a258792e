"""Which tests one process of xdist takes together: those of a module, and all that load models.

What these import once for their process takes longer than most of them: torch, transformers and
pyiqa for eight seconds of it.
"""

from __future__ import annotations

from typing import Any

import pytest

MODELS = (
    "tests/end_to_end/test_model_engines.py",
    "tests/incidents/test_h_a_model_folder_without_its_processor.py",
    "tests/incidents/test_i_weights_truncated.py",
    "tests/incidents/test_j_the_gpu_is_missing.py",
    "tests/unit/gpu_ops/",
)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """None, which leaves it to xdist, where tests are not shared by module."""
    if config.getvalue("dist") != "loadscope":
        return None
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return "models" if nodeid.startswith(MODELS) else super()._split_scope(nodeid)

    return Scheduling(config, log)
