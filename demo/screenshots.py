"""Screenshots of the running UI, for the docs: `python -m demo.screenshots URL FOLDER`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from urllib.parse import quote

CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def shoot(url: str, folder: Path, partition: str | None = None) -> None:
    """Write `graph.png` (the asset graph) and `partition.png` (one batch of `curated`)."""
    from playwright.sync_api import sync_playwright

    pages = {"graph": "/asset-groups", "overview": "/assets/curated?view=overview"}
    if partition:
        pages["partition"] = f"/assets/curated?view=partitions&partition={quote(partition, '')}"
    with sync_playwright() as play, tempfile.TemporaryDirectory() as profile:
        browser = play.chromium.launch_persistent_context(
            profile,
            executable_path=CHROMIUM,
            headless=True,
            args=FLAGS,
            viewport={"width": 1440, "height": 1000},
        )
        page = browser.new_page()
        for name, path in pages.items():
            page.goto(url + path, wait_until="load")
            page.wait_for_timeout(6000)  # the UI draws its graph after its queries came back
            page.screenshot(path=folder / f"{name}.png")
            if name == "partition":
                page.get_by_text("[Show Markdown]").first.click()
                page.wait_for_timeout(2000)
                page.screenshot(path=folder / "contact_sheet.png")
        browser.close()


if __name__ == "__main__":
    shoot(sys.argv[1], Path(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else None)
