"""How fast the catalog answers: facets with counts, pages, search, at a million images.

    python -m bench.catalog [--images N] [--rounds N] [--json FILE] [--keep FOLDER]

The images are made up: 20 tenants, skewed values, 12 words each of 20,000 words whose frequency
follows Zipf, and a name. Every question is another one. Times are those of a process that has the
columns in memory, as the desk has. `cpu_` is processor time: on a machine that others use, it says
what an idle one would take.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psutil

from parjanya_dagster.catalog import FACETS, SORTS, Catalog, Query
from parjanya_dagster.catalog.catalog import FILE
from parjanya_dagster.catalog.entry import Entry, bucket
from parjanya_dagster.catalog.file import CatalogFile
from parjanya_dagster.catalog.words import words

IMAGES = 1_000_000
ROUNDS = 100
PUT = 10_000  # entries of one transaction, as the follower writes them
RULES = ("no_objection", "not_a_photograph", "poor_quality", "too_small", "duplicates.near",
         "duplicates.exact", "confidence.enriched")  # fmt: skip
CATEGORIES = ("photo", "screenshot", "slide", "poster", "banner", "illustration", "infographic")
CAMERAS = [f"Maker {n % 9} Model {n}" for n in range(300)]


def vocabulary(rng: random.Random) -> tuple[list[str], list[float]]:
    letters = "abcdefghijklmnopqrstuvwxyz"
    every = ["".join(rng.choices(letters, k=rng.randint(3, 9))) for _ in range(20_000)]
    return every, [1 / (n + 1) for n in range(len(every))]


def entries(count: int, rng: random.Random) -> Iterator[Entry]:
    """Made-up images, `count` of them."""
    every, weights = vocabulary(rng)
    pool = rng.choices(every, weights, k=1_000_000)
    for n in range(count):
        day = f"2026-{1 + n // 90_000 % 12:02}-{1 + n // 3_000 % 28:02}"
        tenant = f"tenant-{min(19, int(rng.expovariate(0.25)))}"
        verdict = rng.choices(("accept", "review", "reject", "failed"), (60, 12, 26, 2))[0]
        failed = verdict == "failed"
        quality = math.nan if failed else min(100.0, max(0.0, rng.gauss(70, 20)))
        rules = [RULES[0]] if verdict == "accept" else rng.sample(RULES[1:], rng.randint(1, 2))
        at = rng.randrange(len(pool) - 14)
        values: dict[str, list[str]] = {
            "verdict": [verdict],
            "tenant": [tenant],
            "rule": [] if failed else rules,
            "reason": [] if failed else [f"Because of {rule} it is so." for rule in rules],
            "failure": [rng.choice(("truncated", "not_an_image", "empty"))] if failed else [],
            "category": [] if failed else [rng.choices(CATEGORIES, (70, 9, 6, 5, 4, 4, 2))[0]],
            "quality": [] if failed else [str(bucket(quality))],
            "duplicate": ["looks alike"] if "duplicates.near" in rules else [],
            "text": ["with text" if rng.random() < 0.3 else "without text"],
            "format": [rng.choices(("jpeg", "png", "heic", "webp"), (80, 12, 5, 3))[0]],
            "camera": [CAMERAS[min(299, int(rng.expovariate(0.02)))]] if rng.random() < 0.7 else [],
            "day": [day],
            "batch": [f"{tenant}/{day}/{1 + n % 3_000 // 1_000:03}"],
            "policy": [] if failed else [rng.choice(("default@2", "strict@1"))],
            "decided_by": [] if failed else ["policy"],
            "original": [f"{rng.randrange(max(1, n)):024x}"] if "duplicates.near" in rules else [],
        }
        text = [f"holiday/{pool[at]}/IMG_{n:06}.jpg", *pool[at : at + rng.randint(0, 14)]]
        yield Entry(
            image_id=f"{n:024x}",
            batch=values["batch"][0],
            stamp=f"{n}.0 curated present 4 abcdefabcdef,abcdefabcdef,abcdefabcdef",
            present=True,
            settled=True,
            facets=tuple(tuple(values[facet.name]) for facet in FACETS),
            sorts=(1.76e9 + n, 1.76e9 + n + rng.random(), quality, rng.random(),
                   float(rng.randrange(10_000, 9_000_000)), 12e6),
            words=frozenset(words(" ".join(text))),
            shown={"name": text[0], "tenant": tenant, "verdict": verdict, "width": 4000,
                   "height": 3000, "thumbnail": True, "why": "Because of it.", "caption": "",
                   "category": "photo", "quality": quality, "landed_at": 1.76e9 + n},
        )  # fmt: skip


def built(home: Path, count: int) -> dict[str, float]:
    """Fill a catalog. Seconds and megabytes."""
    file, began, part = CatalogFile(home / FILE), time.perf_counter(), list[Entry]()
    for entry in entries(count, random.Random(7)):
        part.append(entry)
        if len(part) == PUT:
            file.put(part)
            part = []
    file.put(part)
    file.close()
    return {
        "build.seconds": time.perf_counter() - began,
        "size.mb": (home / FILE).stat().st_size / 1e6,
    }


def asked(home: Path, rounds: int) -> dict[str, float]:
    """Milliseconds of questions, each another one."""
    rng = random.Random(11)
    began = time.perf_counter()
    catalog = Catalog(home)
    whole = catalog.page(Query(), 1).total
    figures = {"open.seconds": time.perf_counter() - began, "images": float(whole)}
    figures["memory.mb"] = psutil.Process().memory_info().rss / 1e6
    counts = catalog.counts(Query())
    every, weights = vocabulary(random.Random(7))

    def view() -> Query:
        """Of one to three facets, one or two values each; one in four has none."""
        query = Query(sort=rng.choice(("-", "")) + rng.choice(list(SORTS)))
        for facet in rng.sample(list(counts), rng.choice((0, 1, 2, 3))):
            values = [value for value, _ in counts[facet].most_common(20)]
            if values:
                query = query.within(
                    facet, rng.sample(values, min(len(values), rng.choice((1, 2))))
                )
        return query

    def search() -> Query:
        """One or two words; half of them are only begun."""
        found = rng.choices(every, weights, k=rng.choice((1, 1, 2)))
        if rng.random() < 0.5:
            found[-1] = found[-1][:3]
        return replace(view(), text=" ".join(found))

    def deep() -> None:
        """A page somewhere in the middle of a view."""
        query = replace(view(), filters={})
        first = catalog.page(query, 1)
        if first.next is not None:
            catalog.page(replace(query, after=(first.next[0], rng.randrange(whole))), 120)

    def timed(name: str, ask: Callable[[], object]) -> None:
        walls, cpus = [], []
        for _ in range(rounds):
            began, busy = time.perf_counter(), time.process_time()
            ask()
            walls.append(1000 * (time.perf_counter() - began))
            cpus.append(1000 * (time.process_time() - busy))
        for kind, taken in (("", walls), ("cpu_", cpus)):
            taken.sort()
            figures[f"{name}.{kind}p50_ms"] = statistics.median(taken)
            figures[f"{name}.{kind}p95_ms"] = taken[int(0.95 * (len(taken) - 1))]

    timed("facets", lambda: catalog.counts(view()))
    timed("page", lambda: catalog.page(view(), 120))
    timed("deep_page", deep)
    timed("search", lambda: catalog.page(search(), 120))
    timed("search_facets", lambda: catalog.counts(search()))
    catalog.close()
    return figures


def measure(
    count: int = IMAGES, rounds: int = ROUNDS, home: Path | None = None
) -> dict[str, float]:
    """All figures. With a home that has a catalog already, it is asked and not built."""
    if home is not None:
        home.mkdir(parents=True, exist_ok=True)
        made = {} if (home / FILE).exists() else built(home, count)
        return made | asked(home, rounds)
    with tempfile.TemporaryDirectory() as folder:
        return built(Path(folder), count) | asked(Path(folder), rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--images", type=int, default=IMAGES)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    parser.add_argument("--keep", type=Path, help="a folder for the catalog, to be asked again")
    options = parser.parse_args()
    figures = measure(options.images, options.rounds, options.keep)
    for name, value in figures.items():
        print(f"{name:<24} {value:>12.1f}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
