"""A real browser for tests: Debian's Chromium, driven by Playwright.

Its headless shell is preferred: the same engine without the windows, menus and extensions that
nobody sees here. A test in it takes half of the processor time.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

INSTALL = "apt-get install -y chromium-headless-shell"
CHROMIUM = (Path("/usr/bin/chromium-headless-shell"), Path("/usr/bin/chromium"))
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE = 600_000.0  # milliseconds: only a failure waits that long


class BrowserMissing(Exception):
    """No Chromium is installed. Debian: apt-get install -y chromium-headless-shell"""

    def __init__(self) -> None:
        super().__init__(type(self).__doc__)


@contextmanager
def chromium() -> Iterator[Any]:
    """A running browser, as `playwright.sync_api.Browser`. Raises BrowserMissing."""
    from playwright.sync_api import sync_playwright

    installed = [path for path in CHROMIUM if os.access(path, os.X_OK)]
    if not installed:
        raise BrowserMissing
    with sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path=str(installed[0]), headless=True, args=FLAGS, timeout=PATIENCE
        )
        try:
            yield browser
        finally:
            browser.close()
