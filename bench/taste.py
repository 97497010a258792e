"""What a taste learns from decisions of a script with a stated rule, and how long training takes.

    python -m bench.taste --cache DIR [--evidence FILE] [--decisions 300]

DIR holds the labelled images of `bench.labelled_images`. Photographs and illustrations are made
darker, lighter, paler and more colourful at random, and go through validation, the embedded
enricher and scorer. A script decides by pixels that it measures itself. A taste is trained on so
many of its decisions. All figures are of pictures from other sources, which it never saw.

The rule "first letter" looks at the file's name: nothing in evidence can tell it.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageEnhance

from bench import labelled_images
from gpu_ops import engines
from parjanya_dagster import media
from parjanya_dagster.learning.intervals import share
from parjanya_dagster.learning.taste import Taste
from parjanya_dagster.learning.training import Decided, decided, train
from parjanya_dagster.policy import Policy, evaluate, newest

SIDE = 256  # pixels of the long side: what is learned from does not need more
LIGHT = (0.35, 0.6, 1.0, 1.4)
COLOUR = (0.3, 1.0, 1.9)
FLIPPED = 0.05  # of decisions, in the run with slips
SKIPPED = ("openclipart",)  # drawings of a hundred megapixels
EQUAL = 0.95  # agreement of the whole at which loads are compared
HELD_OUT = 150  # pictures at least
LARGE = 10_000  # decisions, for the time of training
Bodies = dict[str, dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture with its evidence, and what the script sees of it."""

    name: str
    source: str
    value: float  # mean of HSV value, 0 to 1
    saturation: float  # mean of HSV saturation, 0 to 1
    bodies: Bodies
    vector: Sequence[float]  # of the embedded descriptor

    def decided(self, accepted: bool) -> Decided:
        image_id = hashlib.sha256(self.name.encode()).hexdigest()[:24]
        validated = self.bodies["validated"]
        return decided(
            image_id=image_id, accepted=accepted, at=0.0, sha256=validated["sha256"],
            phash=validated["phash"], fingerprints={"validated": image_id}, bodies=self.bodies,
            vector=np.array(self.vector),
        )  # fmt: skip


Rule = Callable[[Picture], bool]


def dark_and_colourful(picture: Picture) -> bool:
    return picture.value < 0.5 and picture.saturation > 0.3


def first_letter(picture: Picture) -> bool:
    return hashlib.sha256(picture.name.encode()).digest()[0] % 2 == 0


def pictures(cache: Path, kept: Path | None, edits: int, seed: int) -> list[Picture]:
    """Edited pictures of every source. `kept`: a file of their evidence, written if missing."""
    if kept is not None and kept.exists():
        return [Picture(**one) for one in json.loads(kept.read_text())]
    chance, found = random.Random(seed), []
    models = engines.enricher(), engines.scorer(), engines.embedder()
    for n, item in enumerate(labelled_images.images(cache)):
        if item.label in ("photo", "illustration") and item.source not in SKIPPED:
            for edit, shown in enumerate(_edited(item.path, edits, chance)):
                found.append(_looked_at(f"{item.source}/{n}/{item.path.name}/{edit}", item.source,
                                        shown, *models))  # fmt: skip
                if len(found) % 50 == 0:
                    print(f"{len(found)} pictures", file=sys.stderr)
    if kept is not None:
        kept.write_text(json.dumps([vars(one) for one in found]))
    return found


def _edited(path: Path, edits: int, chance: random.Random) -> Iterator[Image.Image]:
    with Image.open(path) as opened:
        opened.draft("RGB", (2 * SIDE, 2 * SIDE))
        whole = Image.alpha_composite(
            Image.new("RGBA", opened.size, "white"), opened.convert("RGBA")
        ).convert("RGB")
    for _ in range(edits):
        width, height = (max(1, int(side * chance.uniform(0.6, 0.9))) for side in whole.size)
        left, top = (chance.randint(0, a - b) for a, b in zip(whole.size, (width, height),
                                                              strict=True))  # fmt: skip
        part = whole.crop((left, top, left + width, top + height))
        part.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
        part = ImageEnhance.Color(part).enhance(chance.choice(COLOUR))
        yield ImageEnhance.Brightness(part).enhance(chance.choice(LIGHT))


def _looked_at(
    name: str, source: str, image: Image.Image, enricher: Any, scorer: Any, embedder: Any
) -> Picture:
    packed = io.BytesIO()
    image.save(packed, "JPEG", quality=90)
    seen = media.validate(packed.getvalue())
    pixels = np.asarray(Image.open(io.BytesIO(seen.preview)).convert("RGB"))
    body = {key: seen.body[key] for key in ("technical", "sha256", "phash")}
    body["likeness"] = {"views": []}
    hsv = np.asarray(image.convert("HSV"), dtype=np.float64) / 255
    return Picture(
        name=name,
        source=source,
        value=float(hsv[..., 2].mean()),
        saturation=float(hsv[..., 1].mean()),
        bodies={
            "validated": body,
            "enriched": enricher.describe([pixels], [seen.body["technical"]])[0],
            "scored": scorer.score([pixels])[0],
        },
        vector=[round(float(x), 5) for x in embedder.embed([pixels])[0]],
    )


def split(
    every: Sequence[Picture], decisions: int, seed: int
) -> tuple[list[Picture], list[Picture]]:
    """So many pictures to decide on, and all pictures of other sources."""
    chance = random.Random(seed)
    counts = Counter(one.source for one in every)
    taught: set[str] = set()
    while not decisions <= sum(counts[source] for source in taught) <= len(every) - HELD_OUT:
        sources = sorted(counts)
        chance.shuffle(sources)
        taught = set(sources[: chance.randint(1, len(sources) - 1)])
    teach = [one for one in every if one.source in taught]
    return chance.sample(teach, min(decisions, len(teach))), [
        one for one in every if one.source not in taught
    ]


def outcomes(verdicts: Sequence[str], wanted: Sequence[bool]) -> dict[str, Any]:
    """Agreement of what is decided without a person, the load, and the agreement of the whole,
    where what a person is asked is right.
    """
    alone = [(v == "accept") == w for v, w in zip(verdicts, wanted, strict=True) if v != "review"]
    asked = len(verdicts) - len(alone)
    return {"alone": share(sum(alone), len(alone)), "review": share(asked, len(verdicts)),
            "whole": share(sum(alone) + asked, len(verdicts))}  # fmt: skip


def by_policy(policy: Policy, held_out: Sequence[Picture]) -> list[str]:
    """Its verdicts. Pictures were made small to save time, so its rule about size is silenced."""
    verdicts = []
    for one in held_out:
        validated = one.bodies["validated"]
        large = {"technical": {**validated["technical"], "shorter_side": 4 * SIDE}}
        bodies = {**one.bodies, "validated": {**validated, **large}}
        verdicts.append(evaluate(policy, bodies).verdict)
    return verdicts


def by_taste(accepts: Sequence[float | None], edge: float) -> list[str]:
    """Reject under `edge`, accept from 1 - edge on, and ask a person about what is between."""
    return [
        "review" if p is None or edge <= p < 1 - edge else "accept" if p >= 1 - edge else "reject"
        for p in accepts
    ]


def taste_load(accepts: Sequence[float | None], wanted: Sequence[bool]) -> float:
    """The least share that people must look at, so that the whole agrees as EQUAL says."""
    found = [outcomes(by_taste(accepts, edge / 200), wanted) for edge in range(101)]
    return float(min(x["review"]["share"] for x in found if x["whole"]["share"] >= EQUAL))


def policy_load(verdicts: Sequence[str], wanted: Sequence[bool]) -> float:
    """The same of a policy, which may keep its better verdict and ask about some of the other."""
    allowed, decided = (1 - EQUAL) * len(wanted), 0.0
    classes = []
    for verdict in ("accept", "reject"):
        right = [w == (verdict == "accept") for v, w in zip(verdicts, wanted, strict=True)
                 if v == verdict]  # fmt: skip
        classes.append((len(right) - sum(right), len(right)))
    for wrong, n in sorted(classes, key=lambda one: one[0] / max(one[1], 1)):
        taken = n if wrong <= allowed else n * allowed / wrong
        decided, allowed = decided + taken, allowed - wrong * taken / max(n, 1)
    return round(1 - decided / len(wanted), 4)


def figures(
    every: Sequence[Picture],
    rule: Rule,
    decisions: int,
    seed: int,
    flipped: float,
    space: Mapping[str, Any] | None,
) -> dict[str, Any]:
    teach, held_out = split(every, decisions, seed)
    chance = random.Random(seed)
    made = [one.decided(rule(one) != (chance.random() < flipped)) for one in teach]
    taste = train("bench", made, space)
    wanted = [rule(one) for one in held_out]
    bodies = [one.bodies for one in held_out]
    vectors = [np.array(one.vector) for one in held_out]
    said = [one.accept for one in taste.opinions(bodies, vectors)]
    forced = [one.accept or 0.0 for one in _believed(taste).opinions(bodies, vectors)]
    verdicts = by_policy(newest(), held_out)
    right = sum((p >= 0.5) == w for p, w in zip(forced, wanted, strict=True))
    return {
        "seed": seed,
        "taught": len(teach),
        "held_out": len(held_out),
        "kept": share(sum(wanted), len(wanted)),
        "policy": outcomes(verdicts, wanted),
        "policy_load": policy_load(verdicts, wanted),
        "taste_alone": share(right, len(wanted)),  # where it must decide everything
        "taste": outcomes(by_taste(said, 0.1), wanted),  # under a policy with 0.1 and 0.9
        "taste_load": taste_load(said, wanted),
        "unknown": share(sum(p is None for p in said), len(said)),
        "own_estimate": taste.held_out["agreement"],
        "calibration_error": taste.held_out["calibration_error"],
        "features": len(taste.features),
    }


def _believed(taste: Taste) -> Taste:
    """The same taste, believed everywhere."""
    sure = [replace(one, n=1000, stated=0.5, accepted=0.5) for one in taste.calibration]
    return replace(taste, calibration=sure, design=replace(taste.design, farthest=np.inf))


def seconds(
    every: Sequence[Picture], count: int, seed: int, space: Mapping[str, Any]
) -> dict[str, Any]:
    """The time of training on so many decisions: evidence of real pictures, moved a little."""
    chance = random.Random(seed)
    decisions = []
    for n in range(count):
        one = chance.choice(every)
        base = one.decided(dark_and_colourful(one))
        moved = {path: value * chance.uniform(0.97, 1.03) for path, value in base.numbers.items()}
        decisions.append(replace(base, image_id=f"{n:024x}", sha256=f"{n:064x}", numbers=moved,
                                 phash=f"{chance.getrandbits(64):016x}"))  # fmt: skip
    began, used = time.perf_counter(), time.process_time()
    train("bench", decisions, space)
    return {"decisions": count, "seconds": round(time.perf_counter() - began, 2),
            "processor_seconds": round(time.process_time() - used, 2)}  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--evidence", type=Path, help="keep the evidence of pictures here")
    parser.add_argument("--decisions", type=int, default=300)
    parser.add_argument("--edits", type=int, default=2, help="of each picture")
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    every = pictures(options.cache, options.evidence, options.edits, seed=7)
    counted = {name: sum(one.source == name for one in every)
               for name in sorted({one.source for one in every})}  # fmt: skip
    report: dict[str, Any] = {"pictures": len(every), "sources": counted, "rules": {}}
    space = {"engine": "embedded", "model": "parjanya-descriptor@1", "revision": "bench",
             "dimension": len(every[0].vector)}  # fmt: skip
    rules: tuple[tuple[str, Rule, float, dict[str, Any] | None], ...] = (
        ("dark and colourful", dark_and_colourful, 0.0, space),
        ("dark and colourful, without vectors", dark_and_colourful, 0.0, None),
        ("dark and colourful, one decision in twenty a slip", dark_and_colourful, FLIPPED, space),
        ("first letter", first_letter, 0.0, space),
    )
    for name, rule, flipped, vectors in rules:
        report["rules"][name] = [
            figures(every, rule, options.decisions, seed, flipped, vectors)
            for seed in range(1, options.seeds + 1)
        ]
    report["training"] = seconds(every, LARGE, 1, space)
    json.dump(report, sys.stdout, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
