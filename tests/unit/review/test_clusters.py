"""Look-alikes come together: by their bytes, or by hashes that thumbnails confirm."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import skimage.data
from PIL import Image

from parjanya_dagster.media.likeness import likeness
from parjanya_dagster.media.phash import phash
from parjanya_dagster.review.clusters import clusters
from parjanya_dagster.review.queue import next_groups
from parjanya_dagster.truth.models import Evidence, ImageRow
from parjanya_dagster.truth.store import Store
from tests.support.pictures import picture
from tests.support.world import NOON
from tests.unit.review.world import waiting


@dataclass
class World:
    """Rows, and what was recorded of them; it counts what is read."""

    rows: list[ImageRow] = field(default_factory=list)
    bodies: dict[str, dict[str, Any]] = field(default_factory=dict)
    read: list[str] = field(default_factory=list)

    def add(self, image: Image.Image, sha256: str = "", recorded: bool = True) -> str:
        name = f"i{len(self.rows)}"
        luma = image.convert("L")
        self.rows.append(
            ImageRow(
                image_id=name, tenant="acme", bucket="acme", key=name, version="1", size=1,
                batch="acme/2025-10-09/001", landed_at=NOON, arrived_at=NOON, updated_at=NOON,
                sha256=sha256 or name, phash=phash(luma),
                evidence={"validated": f"{phash(luma)} {recorded} {id(self)}"},
            )
        )  # fmt: skip
        self.bodies[name] = {"likeness": likeness(np.asarray(image), luma)} if recorded else {}
        return name

    def evidence(
        self, rows: Iterable[ImageRow], stages: Sequence[str] = ()
    ) -> dict[str, dict[str, Evidence]]:
        found = {}
        for row in rows:
            self.read.append(row.image_id)
            found[row.image_id] = {
                "validated": Evidence(
                    image_id=row.image_id, stage="validated", fingerprint="f",
                    body=self.bodies[row.image_id], engine="", model="", revision="",
                    determinism="bitwise", run_id="r", created_at=NOON,
                )
            }  # fmt: skip
        return found

    def groups(self) -> list[list[str]]:
        found = clusters(self, self.rows)  # type: ignore[arg-type]
        return [[row.image_id for row in group] for group in found]


def shown(n: int) -> Image.Image:
    return Image.open(io.BytesIO(picture(n, 320, 240))).convert("RGB")


def worse(image: Image.Image) -> Image.Image:
    """The same picture, smaller and with more loss."""
    data = io.BytesIO()
    image.resize((200, 150)).save(data, "JPEG", quality=40)
    return Image.open(data).convert("RGB")


def test_a_copy_of_a_picture_comes_with_it_and_others_alone() -> None:
    world = World()
    first, other = world.add(shown(1)), world.add(shown(2))
    copy, third = world.add(worse(shown(1))), world.add(shown(3))
    assert world.groups() == [[first, copy], [other], [third]]
    assert world.groups() == [[first, copy], [other], [third]]
    assert sorted(world.read) == sorted({first, copy, other, third}), "evidence is read once"


def test_a_mirror_image_and_a_crop_come_with_their_picture() -> None:
    """Hashes of the whole picture say nothing of these."""
    world = World()
    picture = Image.fromarray(skimage.data.coffee()).convert("RGB")
    width, height = picture.size
    first = world.add(picture)
    other = world.add(shown(2))
    mirrored = world.add(picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT))
    crop = world.add(picture.crop((width // 10, 0, width, height)))
    assert world.groups() == [[first, mirrored, crop], [other]]


def test_the_same_bytes_need_no_evidence() -> None:
    world = World()
    one = world.add(shown(1), sha256="same", recorded=False)
    two = world.add(shown(1), sha256="same", recorded=False)
    assert world.groups() == [[one, two]]


@pytest.mark.parametrize("recorded", [True, False])
def test_what_cannot_be_recognised_comes_alone(recorded: bool) -> None:
    world = World()
    flat = Image.new("RGB", (320, 240), "teal")
    alone = [[world.add(flat, recorded=recorded)], [world.add(flat, recorded=recorded)]]
    assert world.groups() == alone


def test_groups_come_whole_and_for_one_person(store: Store) -> None:
    images = waiting(store, 6)  # all of the same bytes

    def ask(who: str, n: int, most: int = 60, **more: Any) -> list[list[str]]:
        groups = next_groups(store, "acme", who, NOON, lease=60.0, n=n, most=most, **more)
        return [[row.image_id for row in group] for group in groups]

    store.claim_review("acme", "ben", NOON, 60.0, 1)
    assert ask("ana", 1) == [images[1:]]
    assert ask("cleo", 1) == []
    store.release_review(images, "ana")
    assert ask("ana", 1, most=3, skip=[images[1]]) == [images[2:5]]
