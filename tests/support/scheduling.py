"""Which tests one process of xdist takes together: those of a module, and of some folders.

What the tests of such a folder import and load once for their process takes longer than most of
them: torch, transformers and pyiqa for eight seconds of it.
"""

from __future__ import annotations

from typing import Any

import pytest

TOGETHER = ("tests/unit/gpu_ops/",)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """None, which leaves it to xdist, where tests are not shared by module."""
    if config.getvalue("dist") != "loadscope":
        return None
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            together = (folder for folder in TOGETHER if nodeid.startswith(folder))
            return next(together, super()._split_scope(nodeid))

    return Scheduling(config, log)
