"""The platform of a process."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from parjanya_dagster import platform as module
from parjanya_dagster.platform import Platform, shared_platform


def test_threads_that_begin_at_the_same_moment_share_one(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the reconciler of a new process would not hear from its watch what landed."""
    together = threading.Barrier(2)

    def opened(*_: object, **__: object) -> Platform:
        with suppress(threading.BrokenBarrierError):
            together.wait(0.2)  # until a second thread opens one as well
        return Platform(platform.settings, platform.store, platform.objects)

    monkeypatch.setattr(module, "load_settings", lambda: platform.settings)
    monkeypatch.setattr(module, "open_platform", opened)
    module._opened.cache_clear()
    try:
        with ThreadPoolExecutor(2) as threads:
            first, second = (threads.submit(shared_platform) for _ in range(2))
            assert first.result() is second.result()
    finally:
        module._opened.cache_clear()
