"""The index of a tenant follows the blocks in its bucket, and sees no other bucket."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from parjanya_dagster.embeddings import Space, index
from parjanya_dagster.embeddings.blocks import CONTENT_TYPE, Block, key_of, packed, read
from parjanya_dagster.embeddings.index import FRESH, Indexes
from parjanya_dagster.objects.local import FolderObjects
from parjanya_dagster.truth.models import Tenant
from tests.support.clock import Clock

SPACE = Space(engine="test", model="axes", revision="1", dimension=4)
AXES = np.eye(4, dtype=np.float32)


def tenant(slug: str) -> Tenant:
    return Tenant(slug=slug, bucket=slug, prefix="incoming/", policy="default@2")


def write(objects: FolderObjects, batch: str, **axes: int) -> None:
    """A block of images, each with a vector along one axis."""
    ids = sorted(axes)
    matrix = np.array([AXES[axes[one]] for one in ids], np.float16)
    block = Block(image_ids=ids, made_from=["f"] * len(ids), matrix=matrix)
    bucket = batch.partition("/")[0]
    objects.put(bucket, key_of(SPACE, batch), packed(block, SPACE), CONTENT_TYPE)


def test_the_index_follows_what_lies_there(tmp_path: Path, clock: Clock) -> None:
    objects = FolderObjects(tmp_path, 0.0)
    (tmp_path / "acme").mkdir()
    indexes = Indexes(objects, SPACE, clock)

    def nearest(slug: str = "acme") -> tuple[list[str], int]:
        clock.pass_by(FRESH + 1)
        found, compared = indexes.near(tenant(slug), AXES[0], 9)
        return [name for name, likeness in found if likeness > 0.5], compared

    assert nearest() == ([], 0)
    write(objects, "acme/2026-11-27/001", a=0, b=1)
    write(objects, "bolt/2026-11-27/001", z=0)
    assert nearest() == (["a"], 2)
    assert nearest("bolt") == (["z"], 1)
    write(objects, "acme/2026-11-27/001", a=1, b=0, c=0)
    write(objects, "acme/2026-11-27/002", d=0)
    assert nearest() == (["b", "c", "d"], 4)
    (tmp_path / "acme" / key_of(SPACE, "acme/2026-11-27/001")).unlink()
    assert nearest() == (["d"], 1)
    # A block that is damaged holds nothing, and harms no other.
    (tmp_path / "acme" / key_of(SPACE, "acme/2026-11-27/003")).write_bytes(b"PAR1 no more")
    assert nearest() == (["d"], 1)


def test_blocks_are_not_listed_for_every_question(tmp_path: Path, clock: Clock) -> None:
    objects = FolderObjects(tmp_path, 0.0)
    write(objects, "acme/2026-11-27/001", a=0)
    indexes = Indexes(objects, SPACE, clock)
    assert indexes.near(tenant("acme"), AXES[0], 9)[1] == 1
    write(objects, "acme/2026-11-27/002", b=0)
    assert indexes.near(tenant("acme"), AXES[0], 9)[1] == 1
    clock.pass_by(FRESH + 1)
    assert indexes.near(tenant("acme"), AXES[0], 9)[1] == 2


def test_the_index_that_was_asked_longest_ago_gives_way(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = FolderObjects(tmp_path, 0.0)
    write(objects, "acme/2026-11-27/001", a=0)
    write(objects, "bolt/2026-11-27/001", z=0)
    monkeypatch.setattr(index, "MOST_BYTES", 1)
    indexes = Indexes(objects, SPACE, clock)
    assert indexes.near(tenant("acme"), AXES[0], 9)[1] == 1
    write(objects, "acme/2026-11-27/002", b=0)
    assert indexes.near(tenant("bolt"), AXES[0], 9)[1] == 1
    # No time has passed, so an index that is held would not have looked again.
    assert indexes.near(tenant("acme"), AXES[0], 9)[1] == 2


@pytest.mark.parametrize(
    ("image_id", "vector"),
    [("ü", AXES[0]), ("", 9 * AXES[0]), (None, AXES[0])],
    ids=["a name that is none of ours", "a vector that would be nearest to all", "no name"],
)
def test_a_block_that_somebody_else_wrote_holds_nothing(
    tmp_path: Path, clock: Clock, image_id: str, vector: np.ndarray
) -> None:
    objects = FolderObjects(tmp_path, 0.0)
    write(objects, "acme/2026-11-27/001", a=0)
    foreign = Block(image_ids=[image_id, "b"], made_from=["f", "f"],
                    matrix=np.array([vector, AXES[0]], np.float16))  # fmt: skip
    key = key_of(SPACE, "acme/2026-11-27/002")
    objects.put("acme", key, packed(foreign, SPACE), CONTENT_TYPE)
    found, compared = Indexes(objects, SPACE, clock).near(tenant("acme"), AXES[0], 9)
    assert ([name for name, _ in found], compared) == (["a"], 1)
    assert read(objects, "acme", key, SPACE)[0].image_ids == ()
