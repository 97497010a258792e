"""The desk over a platform with images in every state, served to a real browser or a client."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from fastapi.testclient import TestClient

from parjanya_dagster.catalog import Follower
from parjanya_dagster.execution.stages.build import stage_work
from parjanya_dagster.execution.worker import Pace, work_off
from parjanya_dagster.platform import Platform
from parjanya_dagster.truth.models import Tenant
from parjanya_dagster.truth.outcomes import TerminalFailure
from parjanya_dagster.truth.stages import STAGES
from parjanya_dagster.web.access import Person, Role
from parjanya_dagster.web.app import create_app, open_desk
from parjanya_dagster.web.desk import Desk
from tests.support.clock import NOON
from tests.support.pictures import picture, size_of
from tests.support.serving import serving
from tests.support.world import claim, found

CATEGORIES = ("photo", "screenshot", "slide")
TEXT_PLACES = [[0, 0.5, 0.25, 0.5, 0.25, 1, 0, 1], [0.5, 0, 1, 0, 1, 0.5, 0.5, 0.5]]
"""Where text is in every picture: at the left below, and at the right above."""


@dataclass
class DeskSite:
    """A platform whose desk is served, and short words for what tests do with it."""

    place: Platform
    ids: list[str] = field(default_factory=list)  # of images, where a test keeps them
    original: str | None = None  # what is decided from now on is a duplicate of it

    def __post_init__(self) -> None:
        self.desk = open_desk(self.place)

    def add_tenant(self, slug: str) -> None:
        self.place.store.put_tenant(
            Tenant(slug=slug, bucket=slug, prefix="incoming/", policy="default@2", created_at=NOON)
        )

    def add(
        self, tenant: str, *names: str, verdict: str | None = "review", kinds: int = 10_000
    ) -> list[str]:
        """Images of a tenant with pictures, decided unless the verdict is None. Their ids.

        `kinds`: so many pictures differ; the others have the bytes of one of them.
        """
        self.add_tenant(tenant)
        for n, name in enumerate(names):
            data = picture(n % kinds, 64 + 16 * (n % kinds % 3), 48)
            self.place.objects.put(tenant, f"incoming/{name}", data, "image/jpeg")
        self.place.sweeper.sweep(1e12)
        rows = {
            row.key.removeprefix("incoming/"): row
            for row in self.place.store.present(tenant, "", 10_000)
        }
        if verdict is not None:
            self.work(verdict)
        self.follow()
        return [rows[name].image_id for name in names]

    def work(self, verdict: str) -> None:
        """Do the work of all stages in the place of a worker."""
        now = self.place.clock()
        for stage in STAGES:
            while claims := claim(self.place.store, stage, now=now):
                outcomes = [(one, self._outcome(one, verdict)) for one in claims]
                self.place.store.commit(outcomes, now, "run-1")

    def _outcome(self, one: Any, verdict: str) -> Any:
        from parjanya_dagster.truth.outcomes import Completed

        row = self.place.store.get(one.image_id)
        assert row is not None
        number = int(one.image_id[:6], 16)
        category = CATEGORIES[number % 3]
        if one.stage == "validated":
            if verdict == "failed":
                return TerminalFailure("truncated", "It ends too early.")
            data = self.place.objects.get(row.bucket, row.key).data
            for folder in ("previews", "thumbnails"):
                key = f"{folder}/{one.image_id}.jpg"
                self.place.objects.put(row.bucket, key, data, "image/jpeg")
            width, height = size_of(data)
            body: dict[str, Any] = {"width": 64, "height": 48, "format": "jpeg", "exif": {},
                                    "preview": {"width": width, "height": height},
                                    "technical": {"sharpness": 0.5}}  # fmt: skip
            columns: dict[str, Any] = {
                "sha256": hashlib.sha256(data).hexdigest(),
                "preview_bucket": row.bucket,
                "preview_key": f"previews/{one.image_id}.jpg",
                "thumbnail_key": f"thumbnails/{one.image_id}.jpg",
            }
            return Completed(found(one, body=body), columns)
        if one.stage == "enriched":
            body = {"category": category, "probabilities": {category: 0.7, "poster": 0.3},
                    "confidence": 0.7, "caption": None, "tags": [],
                    "text": {"words": 2, "lines": [{"text": f"shown {number}", "place": 1}],
                             "boxes": 3, "places": TEXT_PLACES}}  # fmt: skip
            return Completed(found(one, body=body), {})
        if one.stage == "scored":
            return Completed(found(one, body={"quality": number % 100}), {})
        message = f"Looks like {self.original}." if self.original else "The quality is low."
        reasons = [{"rule": "poor_quality", "verdict": verdict, "message": message,
                    "evidence": {"scored.quality": number % 100}}]  # fmt: skip
        body = {"verdict": verdict, "policy": "default@2", "reasons": reasons,
                "duplicate_of": self.original}  # fmt: skip
        return Completed(
            found(one, body=body),
            {"verdict": verdict, "reasons": ["The quality is low."], "policy": "default@2"},
        )

    def decide_due(self) -> int:
        """What waits for its decision is decided by its policy. Returns how many images."""
        store = self.place.store
        return work_off(
            store,
            stage_work(self.place, "curated", "run-1"),
            store.batches(),
            owner="run-1",
            pace=Pace(rows=500),
            clock=self.place.clock,
        ).rows

    def follow(self) -> None:
        """Bring the catalog up to date."""
        follower = Follower(self.place.store, self.place.settings.home, self.place.clock)
        follower.follow()
        follower.close()

    def client(self, desk: Desk | None = None) -> TestClient:
        """Requests as the operator makes them."""
        client = TestClient(create_app(desk or self.desk, ["testserver"]))
        client.headers["Authorization"] = f"Bearer {self.desk.keys.token}"
        return client

    def person(self, name: str = "anna", **roles: Role) -> Person:
        return Person(name=name, roles=roles or {"*": "operator"}, session=f"session-{name}")


def embed(place: Platform) -> None:
    """Vectors of all images."""
    from parjanya_dagster.execution.embedding import make
    from parjanya_dagster.execution.engines import embedder_of
    from parjanya_dagster.execution.previews import Previews

    embedder = embedder_of(place.settings)
    assert embedder is not None
    for batch in place.store.batches():
        made = make(place.store, place.objects, embedder, batch, Previews(place.objects))
        assert made.failed == 0


@contextmanager
def served_desk(site: DeskSite) -> Iterator[str]:
    """The desk on a free port of 127.0.0.1. Yields the address that opens it."""
    with serving(create_app(site.desk)) as address:
        yield f"{address}/?token={site.desk.keys.token}"
