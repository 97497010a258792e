"""What people wait for at the desk: the catalog behind Truth, and the next image of Review.

    python -m bench.desk [--lag] [--review] [--seconds N] [--decisions N] [--json FILE]

**Lag.** A process of its own writes 50 images a second into Truth (SQLite), beside 21,000 decided
ones: each second it registers 50 rows, and takes the 50 before through all four stages with
evidence of the usual size. No file lands and nothing is decoded. The desk is served as `parjanya
web` does it, and somebody looks at Images twice a second. An image's lag is the time from the
commit until the catalog counts it: once it is registered, and once it is decided.

**Review.** 10,000 images wait. Chromium shows the page Review. `A` is pressed, and the time runs
from the press until the frame with the next image has been drawn. The previews are 24 photographs
of 1024 pixels, each image under an address of its own, so the browser loads and decodes every one.
"""

from __future__ import annotations

import argparse
import io
import json
import multiprocessing
import statistics
import tempfile
import threading
import time
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from bench.store import BODY, grow
from parjanya_dagster.catalog import Query
from parjanya_dagster.objects.local import FolderObjects
from parjanya_dagster.platform import Platform
from parjanya_dagster.settings import Settings
from parjanya_dagster.truth.models import Arrival, Evidence, Tenant
from parjanya_dagster.truth.outcomes import Claim, Completed
from parjanya_dagster.truth.requests import ClaimRequest
from parjanya_dagster.truth.sql import open_store
from parjanya_dagster.truth.stages import STAGES
from parjanya_dagster.web.app import create_app, open_desk
from tests.support.browser import chromium
from tests.support.serving import serving

TENANT, POLICY = "acme", "default@2"
RATE, HISTORY = 50, 20_000  # images a second; images that are decided before, and 1,000 more
QUEUE, KINDS, SIDE = 10_000, 24, 1024  # images that wait; pictures that differ; their longer side
LOOK = 0.5  # seconds between two looks at the page Images
PACE = 0.4  # seconds between two decisions: a person's
REASON = {"rule": "poor_quality", "verdict": "review", "message": "The quality is low.",
          "evidence": {"scored.quality": 41}}  # fmt: skip


@dataclass(slots=True)
class Counted:
    """How many images there were when: the n-th one came at the first time with n or more."""

    at: list[float] = field(default_factory=list)
    images: list[int] = field(default_factory=list)

    def note(self, images: int, at: float) -> None:
        self.at.append(at)
        self.images.append(images)

    def when(self, n: int) -> float | None:
        place = bisect_left(self.images, n)
        return self.at[place] if place < len(self.images) else None


def lag(seconds: int = 40) -> dict[str, float]:
    """Seconds that the catalog is behind, for images that were registered and decided."""
    with _platform() as platform:
        store = platform.store
        _arrive(store, range(1), time.time())
        grow(store, HISTORY)  # type: ignore[arg-type]
        _decide(store, time.time())
        desk = open_desk(platform)
        with serving(create_app(desk)) as address:
            _until(lambda: desk.catalog.freshness().complete_at is not None)
            decided = Query(filters={"verdict": ("review",)})
            base, before = (desk.catalog.page(view, 1).total for view in (Query(), decided))
            context = multiprocessing.get_context("spawn")
            said: Any = context.Queue()
            home = str(platform.settings.home)
            writer = context.Process(target=write, args=(home, seconds, said))
            stop = threading.Event()
            looking = threading.Thread(target=_look, args=(address, desk.keys.token, stop))
            looking.start()
            writer.start()
            seen = {"registered": Counted(), "decided": Counted()}
            wanted, late = RATE * seconds, time.time() + 4 * seconds + 120
            while time.time() < late:
                seen["registered"].note(desk.catalog.page(Query(), 1).total - base, time.time())
                seen["decided"].note(desk.catalog.page(decided, 1).total - before, time.time())
                if min(one.images[-1] for one in seen.values()) >= wanted:
                    break
                time.sleep(0.05)
            written = {"registered": Counted(), "decided": Counted()}
            for _ in range(2 * seconds):
                what, images, at = said.get(timeout=600)
                written[what].note(images, at)
            writer.join()
            stop.set()
            looking.join()
    took = written["decided"].at[-1] - written["registered"].at[0]
    figures = {"images": float(wanted), "writing.seconds": took}
    for what in seen:
        lags = [
            shown - came
            for n in range(1, wanted + 1)
            if (shown := seen[what].when(n)) and (came := written[what].when(n))
        ]
        assert len(lags) == wanted, f"{wanted - len(lags)} images never came"
        figures |= _spread(what, lags)
    return figures


def write(home: str, seconds: int, said: Any) -> None:
    """Another process: RATE images a second, decided in the second after they were registered."""
    store = open_store(f"sqlite:///{home}/truth.db")
    began = time.time()
    for second in range(seconds + 1):
        time.sleep(max(0.0, began + second - time.time()))
        if second:
            _decide(store, time.time())
            said.put(("decided", RATE * second, time.time()))
        if second < seconds:
            _arrive(store, range(RATE * second + 1, RATE * (second + 1) + 1), time.time())
            said.put(("registered", RATE * (second + 1), time.time()))
    store.close()


def _look(address: str, token: str, stop: threading.Event) -> None:
    """Somebody at the page Images."""
    import httpx

    with httpx.Client(headers={"Authorization": f"Bearer {token}"}, timeout=60) as client:
        while not stop.wait(LOOK):
            client.get(f"{address}/images").raise_for_status()


def review(decisions: int = 100) -> dict[str, float]:
    """Milliseconds from a key until the next image is drawn, with 10,000 in the queue."""
    with _platform() as platform:
        for kind, data in enumerate(_photographs()):
            platform.objects.put(TENANT, f"previews/{kind}.jpg", data, "image/jpeg")
        for start in range(0, QUEUE, 1000):
            _arrive(platform.store, range(start, start + 1000), time.time())
            _decide(platform.store, time.time())
        assert platform.store.waiting_for_review(TENANT) == QUEUE
        desk = open_desk(platform)
        with serving(create_app(desk)) as address, chromium() as browser:
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            page.set_default_timeout(120_000)
            page.goto(f"{address}/?token={desk.keys.token}")
            page.wait_for_url(lambda url: "token" not in url)
            page.goto(f"{address}/review?tenant={TENANT}")
            page.locator("#viewer[aria-busy=false] #picture").wait_for()
            page.evaluate(_TIMED)
            taken: list[float] = []
            for n in range(decisions + 5):
                time.sleep(PACE)
                page.keyboard.press("a")
                page.wait_for_function("(n) => drawn.length > n", arg=n)
            taken = page.evaluate("() => drawn")[5:]
            page.wait_for_function(
                "() => Object.keys(localStorage).every((k) => localStorage.getItem(k) === '[]')"
            )
        left = platform.store.waiting_for_review(TENANT)
        assert left == QUEUE - decisions - 5, f"{left} still wait"
    return {"decisions": float(decisions)} | _spread("next", taken)


_TIMED = """() => {
  globalThis.drawn = [];
  let pressed = null, before = null;
  addEventListener("keydown", (event) => {
    pressed = event.timeStamp;
    before = document.getElementById("picture");
    const look = () => requestAnimationFrame(() => {
      const now = document.getElementById("picture");
      if (!now || now === before || !now.complete || !now.naturalWidth) return look();
      const after = new MessageChannel(); // its message comes once this frame was drawn
      after.port1.onmessage = () => drawn.push(performance.now() - pressed);
      after.port2.postMessage(0);
    });
    look();
  }, true);
}"""


@contextmanager
def _platform() -> Iterator[Platform]:
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder))
        store = open_store(f"sqlite:///{folder}/truth.db", migrating=True)
        platform = Platform(settings, store, FolderObjects(Path(folder), 0.0))
        platform.registry.publish_builtin()
        store.put_tenant(Tenant(slug=TENANT, bucket=TENANT, prefix="incoming/", policy=POLICY))
        yield platform
        store.close()


def _arrive(store: Any, numbers: range, now: float) -> None:
    store.register(
        [
            Arrival(tenant=TENANT, bucket=TENANT, key=f"incoming/day/IMG_{n:06}.jpg", version="v1",
                    size=3_000_000, landed_at=now)
            for n in numbers
        ],
        now,
    )  # fmt: skip


def _decide(store: Any, now: float) -> None:
    """Take all that waits through every stage. The pictures are those of `KINDS` files."""
    for stage in STAGES:
        wanted = ClaimRequest(
            stage=stage, batches=store.batches(), limit=1000, owner="w1", lease=600.0
        )
        while claims := store.claim(wanted, now):
            store.commit([(claim, _completed(claim, now)) for claim in claims], now, "run-1")


def _completed(claim: Claim, now: float) -> Completed:
    kind = int(claim.image_id[:6], 16) % KINDS
    bodies: dict[str, dict[str, Any]] = {
        "validated": BODY | {"width": 1024, "height": 768},
        "enriched": {"category": "photo", "confidence": 0.8, "caption": None, "tags": [],
                     "probabilities": {"photo": 0.8, "poster": 0.2},
                     "text": {"words": 0, "lines": []}},
        "scored": {"quality": 41.0, "damage": {"blur": 0.4, "noise": 0.2}},
        "curated": {"verdict": "review", "policy": POLICY, "reasons": [REASON],
                    "duplicate_of": None},
    }  # fmt: skip
    columns: dict[str, dict[str, Any]] = {
        "validated": {"sha256": claim.image_id, "phash": "0" * 16, "preview_bucket": TENANT,
                      "preview_key": f"previews/{kind}.jpg",
                      "thumbnail_key": f"previews/{kind}.jpg"},
        "curated": {"verdict": "review", "reasons": [REASON["message"]], "policy": POLICY},
    }  # fmt: skip
    found = Evidence(
        image_id=claim.image_id, stage=claim.stage, fingerprint="f" * 64,
        body=bodies[claim.stage], engine="bench", model="", revision="1", determinism="exact",
        run_id="run-1", created_at=now,
    )  # fmt: skip
    return Completed(found, columns.get(claim.stage, {}))


def _photographs() -> Iterator[bytes]:
    """Parts of scikit-image's photographs, as previews are: JPEG of 1024 by 768."""
    import skimage.data
    from PIL import Image

    sources = [
        Image.fromarray(getattr(skimage.data, name)()).convert("RGB")
        for name in ("astronaut", "chelsea", "coffee", "rocket")
    ]
    for kind in range(KINDS):
        source = sources[kind % len(sources)]
        cut = 0.02 * (kind // len(sources))
        box = (round(cut * source.width), 0, source.width, round(source.height * (1 - cut)))
        file = io.BytesIO()
        source.crop(box).resize((SIDE, 3 * SIDE // 4)).save(file, "JPEG", quality=88)
        yield file.getvalue()


def _spread(name: str, values: list[float]) -> dict[str, float]:
    ordered = sorted(values)
    return {
        f"{name}.p50": statistics.median(ordered),
        f"{name}.p95": ordered[int(0.95 * (len(ordered) - 1))],
        f"{name}.most": ordered[-1],
    }


def _until(done: Any, patience: float = 300.0) -> None:
    late = time.time() + patience
    while not done():
        assert time.time() < late
        time.sleep(0.1)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--lag", action="store_true", help="only the catalog's lag")
    parser.add_argument("--review", action="store_true", help="only the page Review")
    parser.add_argument("--seconds", type=int, default=40, help="for which images come")
    parser.add_argument("--decisions", type=int, default=100)
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    options = parser.parse_args()
    both = options.lag == options.review
    figures = {"load before": psutil.getloadavg()[0]}
    if both or options.lag:
        figures |= {f"lag.{name}": value for name, value in lag(options.seconds).items()}
    if both or options.review:
        figures |= {f"review.{name}": value for name, value in review(options.decisions).items()}
    figures["load after"] = psutil.getloadavg()[0]
    for name, value in figures.items():
        print(f"{name:<28} {value:>10.2f}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
