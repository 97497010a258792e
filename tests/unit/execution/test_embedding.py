"""Vectors of a batch: what is missing is made, nothing is lost, and no space is read as another."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest

from gpu_ops import Identity
from gpu_ops.embedded.descriptor import DescriptorEmbedder
from gpu_ops.interface import SomeFailed
from parjanya_dagster.embeddings import embeddings_of, space_of
from parjanya_dagster.embeddings.blocks import key_of, read
from parjanya_dagster.errors import BucketUnknown, EngineAway
from parjanya_dagster.execution import stage_run
from parjanya_dagster.execution.embedding import Made, make
from parjanya_dagster.execution.engines import chosen_space
from parjanya_dagster.execution.previews import Previews
from parjanya_dagster.execution.stage_run import StageRunner
from parjanya_dagster.execution.stages.curate import Curate
from parjanya_dagster.execution.stages.infer import Enrich, Score
from parjanya_dagster.execution.vectors import Vectors
from parjanya_dagster.ingest.known_buckets import KnownBuckets
from parjanya_dagster.objects.local import FolderObjects
from parjanya_dagster.truth.models import ImageRow
from tests.support.pictures import picture
from tests.support.stages import Engine, House


class MeanColour:
    """Three numbers an image: enough to tell whose vector it is."""

    dimension = 3

    def __init__(self, revision: str = "1") -> None:
        self.identity = Identity("mean", "colour", revision, "", "exact")
        self.seen = 0

    def check(self) -> None:
        return

    def warm(self) -> None:
        return

    def embed(self, images: Sequence[Any]) -> Any:
        self.seen += len(images)
        means = np.array([image.mean(axis=(0, 1)) for image in images], np.float32)
        return means / np.linalg.norm(means, axis=1, keepdims=True)


@pytest.fixture
def shown(house: House) -> House:
    """Three images with previews."""
    for n in range(3):
        house.drop(f"{n}.jpg", picture(n, 64, 48))
    house.sweep()
    house.validate()
    return house


def pass_over(house: House, embedder: Any, objects: Any = None) -> Made:
    platform = house.platform
    (batch,) = platform.store.batches()
    objects = objects or platform.objects
    return make(platform.store, objects, embedder, batch, Previews(platform.objects))


def rows_of(house: House) -> list[ImageRow]:
    return sorted(house.platform.store.present("acme"), key=lambda row: row.key)


def test_what_is_missing_is_made_once(shown: House) -> None:
    embedder, platform = MeanColour(), shown.platform
    rows = rows_of(shown)
    before = embeddings_of(platform.store, platform.objects, space_of(embedder), rows)
    assert (before.matrix.shape, len(before.missing)) == ((0, 3), 3)

    assert pass_over(shown, embedder) == Made(made=3)
    assert pass_over(shown, embedder) == Made(there=3)
    shown.drop("3.jpg", picture(3, 64, 48))
    shown.sweep()
    shown.validate()
    assert pass_over(shown, embedder) == Made(made=1, there=3)
    assert embedder.seen == 4

    asked = rows_of(shown)[::-1]
    found = embeddings_of(platform.store, platform.objects, space_of(embedder), asked)
    assert list(found.image_ids) == [row.image_id for row in asked]
    assert found.missing == []
    previews = Previews(platform.objects)
    np.testing.assert_allclose(
        found.matrix, embedder.embed([previews.pixels(row) for row in asked]), atol=1e-3
    )


def test_spaces_are_never_mixed(shown: House) -> None:
    first, second = MeanColour("1"), MeanColour("2")
    pass_over(shown, first)
    platform, rows = shown.platform, rows_of(shown)
    (batch,) = platform.store.batches()
    other = space_of(second)
    assert embeddings_of(platform.store, platform.objects, other, rows).image_ids == []
    # Even where somebody copies the file over, its vectors are not believed.
    stolen = platform.objects.get("acme", key_of(space_of(first), batch)).data
    platform.objects.put("acme", key_of(other, batch), stolen, "")
    assert embeddings_of(platform.store, platform.objects, other, rows).image_ids == []
    assert pass_over(shown, second) == Made(made=3)


def test_the_vector_of_an_image_that_left_is_dropped(shown: House) -> None:
    pass_over(shown, MeanColour())
    platform, gone, space = shown.platform, rows_of(shown)[0], space_of(MeanColour())
    platform.store.depart([gone.image_id], shown.clock(), "deleted")
    assert pass_over(shown, MeanColour()) == Made(there=2)
    (batch,) = platform.store.batches()
    block, _ = read(platform.objects, "acme", key_of(space, batch), space)
    assert gone.image_id not in block.image_ids
    assert len(block.image_ids) == 2


def test_a_vector_of_an_older_preview_is_none(shown: House) -> None:
    pass_over(shown, MeanColour())
    platform, space = shown.platform, space_of(MeanColour())
    newer = [
        replace(row, evidence={**row.evidence, "validated": "another"}) for row in rows_of(shown)
    ]
    assert len(embeddings_of(platform.store, platform.objects, space, newer).missing) == 3


def test_a_damaged_block_is_made_again(shown: House) -> None:
    pass_over(shown, MeanColour())
    (batch,) = shown.platform.store.batches()
    path = shown.buckets / "acme" / key_of(space_of(MeanColour()), batch)
    path.write_bytes(path.read_bytes()[:-100])
    assert pass_over(shown, MeanColour()) == Made(made=3)


def test_of_two_writers_none_takes_from_the_other(shown: House) -> None:
    platform, late = shown.platform, MeanColour()

    class Overtaken(FolderObjects):
        """Another has the fourth image and writes first."""

        def put_over(self, *args: Any) -> bool:
            if self.overtaken:
                return super().put_over(*args)
            self.overtaken = True
            shown.drop("3.jpg", picture(3, 64, 48))
            shown.sweep()
            shown.validate()
            assert pass_over(shown, MeanColour()) == Made(made=4)
            return super().put_over(*args)

        overtaken = False

    assert pass_over(shown, late, Overtaken(shown.buckets, 0.0)).made == 3
    found = embeddings_of(platform.store, platform.objects, space_of(late), rows_of(shown))
    assert len(found.image_ids) == 4


def test_an_image_without_its_preview_fails_alone(shown: House) -> None:
    rows = rows_of(shown)
    shown.preview(rows[0]).unlink()
    shown.preview(rows[1]).write_bytes(b"no picture")
    assert pass_over(shown, MeanColour()) == Made(made=1, failed=2)


def test_nothing_is_written_into_a_stranger(shown: House) -> None:
    platform, folder = shown.platform, shown.buckets / "acme"
    (batch,) = platform.store.batches()
    KnownBuckets(platform.store, platform.objects, platform.clock).adopt(platform.tenant("acme"))
    folder.rename(folder.with_name("away"))
    folder.mkdir()
    with pytest.raises(BucketUnknown, match="no vectors are written there"):
        make(platform.store, platform.objects, MeanColour(), batch, Previews(platform.objects))
    assert list(folder.iterdir()) == []


def test_a_block_is_an_open_file(shown: House) -> None:
    pass_over(shown, DescriptorEmbedder())
    (batch,) = shown.platform.store.batches()
    data = shown.platform.objects.get("acme", key_of(space_of(DescriptorEmbedder()), batch)).data
    table = pyarrow.parquet.read_table(io.BytesIO(data))
    assert table.column_names == ["image_id", "made_from", "embedding"]
    assert table.schema.metadata[b"model"] == b"parjanya-descriptor@1"
    assert len(table.column("embedding")[0].as_py()) == 256


def test_a_run_leaves_vectors_where_it_enriched_or_where_another_died(
    shown: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform, run = shown.platform, iter(range(9))
    works = {"enriched": Enrich, "scored": Score}

    def work(resources: Any, stage: str, run_id: str) -> Any:
        return works[stage](
            Engine(), Previews(platform.objects), platform.store, run_id=run_id, clock=shown.clock
        )

    def ran(stage: str) -> int:
        """Run a stage as a process of its own does. Returns how many images have a vector."""
        (lane, *_), name = platform.lanes, f"run-{next(run)}"
        runner = StageRunner.begin(platform, lane, run_id=name, ledger_id=name, job=lane.job)
        runner.run(stage, platform.store.batches())
        space = chosen_space(platform.settings)
        assert space is not None
        found = embeddings_of(platform.store, platform.objects, space, rows_of(shown))
        return len(found.image_ids)

    monkeypatch.setattr(stage_run, "stage_work", work)
    monkeypatch.setattr(stage_run, "require_fit", lambda *_: None)
    assert ran("enriched") == 3
    (block,) = (shown.buckets / "acme" / "embeddings").rglob("*.parquet")
    block.unlink()
    assert ran("scored") == 0
    works["curated"] = lambda *_, **__: Curate(  # type: ignore[assignment]
        platform.store, platform.policy_of, run_id="r", clock=shown.clock
    )
    platform.registry.publish_builtin()
    assert ran("curated") == 3


def test_a_bucket_that_refuses_keeps_no_other_from_its_vectors(shown: House) -> None:
    platform = shown.platform
    shown.drop("0.jpg", picture(9, 64, 48), "bolt")
    shown.sweep()
    shown.validate()
    (shown.buckets / "acme" / "embeddings").write_bytes(b"a file where a folder should be")
    vectors = Vectors(resources=platform, run_id="r")
    first, second = sorted(platform.store.batches())
    vectors.follow("enriched", [first, second], (), lambda: None)
    assert vectors.made == {second}


def test_an_image_that_is_refused_gets_none_and_an_engine_that_changes_writes_nothing(
    shown: House,
) -> None:
    class Picky(MeanColour):
        def embed(self, images: Sequence[Any]) -> Any:
            found = list(super().embed(images))
            raise SomeFailed([None, *found[1:]], {0: ValueError("no such picture")})

    class Restarted(MeanColour):
        def embed(self, images: Sequence[Any]) -> Any:
            self.identity = replace(self.identity, revision="2")
            return super().embed(images)

    with pytest.raises(EngineAway, match="became"):
        pass_over(shown, Restarted())
    assert pass_over(shown, Picky()) == Made(made=2, failed=1)
    assert pass_over(shown, MeanColour()) == Made(made=1, there=2)
