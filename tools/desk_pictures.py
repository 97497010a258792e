"""The pictures of the desk in docs/images, taken of a desk that shows the demo's images.

    python -m demo.run --keep
    python -m tools.desk_pictures "$(parjanya web --address --home .demo)"

Needs Chromium. Look at what changed before you commit it.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

IMAGES = Path(__file__).parents[1] / "docs" / "images"
CHROMIUM = "/usr/bin/chromium"
SIZE = {"width": 1280, "height": 800}
PATIENCE = 300_000  # milliseconds
STILL = 1_500  # milliseconds until pictures have come


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address", help="of the desk, with its token")
    parser.add_argument("--into", type=Path, default=IMAGES)
    chosen = parser.parse_args()

    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_context(viewport=SIZE, locale="en-GB").new_page()
        page.set_default_timeout(PATIENCE)
        page.goto(chosen.address)
        page.wait_for_url(lambda url: "token" not in url)
        desk = chosen.address.partition("/?")[0]

        def take(name: str, path: str, act: Callable[[Any], None] = lambda _: None) -> None:
            page.goto(desk + path)
            page.wait_for_load_state("networkidle")
            act(page)
            page.wait_for_timeout(STILL)
            taken = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
            taken.quantize(256, kmeans=1).save(chosen.into / name, optimize=True)

        def first(view: str) -> str:
            """The page of the first image of a view."""
            found = page.request.get(f"{desk}/api/v1/images?limit=1&{view}").json()["images"]
            return f"/images/{found[0]['image_id']}"

        take("overview.png", "/")
        take("desk.png", "/images")
        beside = '.compare[data-how="beside"]'
        twin = first("rule=duplicates.near&verdict=review&category=photo&sort=-pixels")
        take("desk-image.png", twin, lambda shown: shown.locator(beside).first.click())
        screen = first("category=screenshot&text=with+text&sort=-pixels")
        take("desk-text.png", screen, lambda shown: shown.keyboard.press("t"))
        take("desk-review.png", "/review?tenant=globex&order=alike&rule=duplicates.near")
        browser.close()


if __name__ == "__main__":
    main()
