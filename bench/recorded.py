"""Images whose evidence is recorded and that have no pixels: what a regrade works on, at any size.

Bodies have the shape that the embedded engines give, with random measures, equal for equal seeds.
"""

from __future__ import annotations

import base64
import hashlib
import os
import random
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import bindparam, update

from parjanya_dagster.platform import Platform
from parjanya_dagster.truth.models import Arrival, ImageRow, Tenant
from parjanya_dagster.truth.sql import SqlStore
from parjanya_dagster.truth.sql.engine import writing
from parjanya_dagster.truth.sql.mapping import insert_rows
from parjanya_dagster.truth.sql.schema import evidence, images
from parjanya_dagster.truth.stages import Status
from parjanya_dagster.truth.store.paging import batch_pages

LABELS = ("photo", "screenshot", "banner", "poster", "slide", "social_card", "infographic",
          "illustration")  # fmt: skip
ENGINES = {"validated": "media", "enriched": "embedded", "scored": "embedded"}
PAGE = 2000


def record(
    store: SqlStore,
    tenant: str,
    count: int,
    now: float,
    *,
    policy: str = "default@1",
    seed: int = 7,
) -> None:
    """Register `count` images of a tenant, wholly looked at and not yet decided."""
    store.put_tenant(
        Tenant(slug=tenant, bucket=tenant, prefix="incoming/", policy=policy, created_at=now)
    )
    for start in range(0, count, PAGE):
        arrivals = [
            Arrival(
                tenant=tenant,
                bucket=tenant,
                key=f"incoming/{n:06}.jpg",
                version="v1",
                size=100_000 + n,
                landed_at=now - count + n,
            )
            for n in range(start, min(count, start + PAGE))
        ]
        store.register(arrivals, now)
    for batch in store.batches(tenant):
        for page in _pages(store, batch):
            _record(store, page, seed, now)


def land(platform: Platform, tenant: str, count: int, *, policy: str, seed: int = 7) -> None:
    """The same with a file of a few bytes for each, so that a running instance finds them there."""
    store: SqlStore = platform.store  # type: ignore[assignment]
    now = platform.clock() - 1000.0
    folder = platform.settings.home / "buckets" / tenant / "incoming"
    folder.mkdir(parents=True)
    for n in range(count):
        path = folder / f"{n:06}.jpg"
        path.write_text(f"{tenant} {n}")
        os.utime(path, (now + n / count, now + n / count))
    store.put_tenant(
        Tenant(slug=tenant, bucket=tenant, prefix="incoming/", policy=policy, created_at=now)
    )
    found = sorted(platform.objects.listing(tenant, "incoming/"), key=lambda info: info.key)
    for start in range(0, count, PAGE):
        store.register(
            [
                Arrival(
                    tenant=tenant,
                    bucket=tenant,
                    key=info.key,
                    version=info.version,
                    size=info.size,
                    landed_at=now + n / count,
                )
                for n, info in enumerate(found[start : start + PAGE], start)
            ],
            now,
        )
    for batch in store.batches(tenant):
        for page in _pages(store, batch):
            _record(store, page, seed, now)


def _pages(store: SqlStore, batch: str) -> Iterator[list[ImageRow]]:
    for page in batch_pages(store, [batch], PAGE):
        if new := [row for row in page if row.pipeline_status == Status.PENDING_VALIDATION]:
            yield new


def _record(store: SqlStore, rows: Sequence[ImageRow], seed: int, now: float) -> None:
    found: list[dict[str, Any]] = []
    filled: list[dict[str, Any]] = []
    for row in rows:
        bodies = bodies_of(random.Random(f"{row.tenant}/{row.key}/{seed}"), row.image_id)
        prints = {stage: hashlib.sha256(f"{stage}{row.image_id}".encode()).hexdigest()[:32]
                  for stage in bodies}  # fmt: skip
        found += [
            {"image_id": row.image_id, "stage": stage, "fingerprint": prints[stage], "body": body,
             "engine": ENGINES[stage], "model": "synthetic", "revision": "1",
             "determinism": "exact", "run_id": "recorded", "created_at": now}
            for stage, body in bodies.items()
        ]  # fmt: skip
        filled.append({"id": row.image_id, "prints": prints,
                       "sha": bodies["validated"]["sha256"]})  # fmt: skip
    with writing(store.engine) as connection:
        insert_rows(connection, evidence, found)
        connection.execute(
            update(images)
            .where(images.c.image_id == bindparam("id"))
            .values(
                pipeline_status=str(Status.PENDING_CURATION),
                evidence=bindparam("prints"),
                sha256=bindparam("sha"),
            ),
            filled,
        )


def bodies_of(rng: random.Random, name: str) -> dict[str, dict[str, Any]]:
    """The evidence bodies of one image: most are good photographs, some are not."""
    photo = rng.choice((0.99, 0.97, 0.9, 0.6, 0.3, 0.04))
    rest = rng.choice(LABELS[1:])
    probabilities = dict.fromkeys(LABELS, 0.0) | {"photo": photo, rest: 1.0 - photo}
    side = rng.randint(150, 4000)
    category = max(probabilities, key=lambda label: probabilities[label])
    quality = round(rng.uniform(5.0, 95.0), 2)
    return {
        "validated": {
            "format": "jpeg", "mime": "image/jpeg", "bytes": 100_000, "width": side * 4 // 3,
            "height": side, "orientation": 1, "frames": 1, "animated": False, "bit_depth": 8,
            "channels": 3, "alpha": False, "sha256": hashlib.sha256(name.encode()).hexdigest(),
            "phash": f"{rng.getrandbits(64):016x}",
            "exif": {"camera_make": "Sample", "iso": 200, "gps_present": False},
            "technical": {
                "megapixels": side * side * 4 / 3e6, "aspect": 1.333, "shorter_side": side,
                "longer_side": side * 4 // 3, "sharpness": rng.random(), "brightness": 0.5,
                "contrast": 0.2, "clipped_dark": 0.0, "clipped_bright": 0.01,
                "noise": rng.random(), "blockiness": 0.1, "colourfulness": 0.3,
                "flat_share": 0.05,
            },
            # As large as real ones. The keys of the views are not filed, so nothing looks alike.
            "likeness": {"views": [f"{rng.getrandbits(64):016x}" for _ in range(8)],
                         "thumbnail": base64.b64encode(rng.randbytes(4384)).decode()},
            "preview": {"width": 1024, "height": 768, "bytes": 90_000},
        },
        "enriched": {
            "category": category, "probabilities": probabilities,
            "confidence": probabilities[category],
            "distinguishes": [["photo"], list(LABELS[1:])],
            "group_confidence": max(photo, 1.0 - photo),
            "caption": None, "caption_source": "none", "tags": [],
            "text": {"boxes": 0, "area_share": 0.0, "lines": [], "words": 0},
            "engine": "embedded",
        },
        "scored": {
            "metrics": {"piqe": {"value": 100.0 - quality, "lower_better": True,
                                 "weights": "none"}},
            "quality": quality, "calibration": "synthetic",
        },
    }  # fmt: skip
