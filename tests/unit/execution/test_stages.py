"""What each stage does to an image, with real bytes, a real store, and engines small enough to see.

The engines here answer at once and without weights: what is under test is what a stage makes of
their answers and of their failures, not the answers.
"""

from __future__ import annotations

import errno
import json
import os
import threading
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from gpu_ops.interface import EngineLost, SomeFailed
from parjanya_dagster import media
from parjanya_dagster.errors import TransientError
from parjanya_dagster.execution.manifest import (
    all_rows,
    manifest_key,
    write_manifest,
)
from parjanya_dagster.execution.manifest_table import as_parquet
from parjanya_dagster.execution.previews import Previews
from parjanya_dagster.execution.stages.curate import Curate
from parjanya_dagster.execution.stages.infer import Enrich, Score
from parjanya_dagster.execution.stages.validate import Validate
from parjanya_dagster.execution.thumbnails import thumbnail
from parjanya_dagster.truth.models import ImageRow
from parjanya_dagster.truth.requests import ClaimRequest, Reset
from tests.support.pictures import picture
from tests.support.stages import Engine, House
from tests.support.world import claim

# validated


def test_validating_leaves_a_preview_a_thumbnail_and_the_facts(house: House) -> None:
    house.drop("a.jpg", picture(1))
    house.sweep()
    house.validate()
    row = house.row("a.jpg")
    assert row.pipeline_status == "pending_vlm_enrichment"
    assert house.preview(row).stat().st_size > 0
    assert row.thumbnail_key == row.preview_key  # both are one object
    assert thumbnail(house.platform.objects, row).startswith(b"\xff\xd8")
    body = house.platform.store.evidence([row])[row.image_id]["validated"].body
    assert (body["width"], body["height"], body["sha256"]) == (640, 480, row.sha256)


def test_a_preview_that_a_worker_of_the_version_before_wrote_is_shown_whole(house: House) -> None:
    """It woke up late. Its commit is refused, and its preview has no thumbnail inside."""
    house.drop("a.jpg", picture(1))
    house.sweep()
    house.validate()
    row = house.row("a.jpg")
    house.preview(row).write_bytes(picture(1))
    assert thumbnail(house.platform.objects, row) == picture(1)


def test_a_file_replaced_before_it_was_validated_gives_way_to_its_newer_version(
    house: House,
) -> None:
    path = house.drop("a.jpg", picture(1))
    house.sweep()
    old = house.row("a.jpg")
    path.unlink()
    house.drop("a.jpg", picture(2))
    house.validate()
    found = house.platform.store.get(old.image_id)
    assert found is not None
    assert (found.pipeline_status, found.retries) == ("pending_validation", 1)
    house.sweep()
    found = house.platform.store.get(old.image_id)
    assert found is not None
    assert (found.pipeline_status, found.failure_class) == ("failed", "object_replaced")
    house.validate()
    assert house.row("a.jpg").image_id != old.image_id
    assert house.row("a.jpg").pipeline_status == "pending_vlm_enrichment"


def test_a_file_deleted_before_it_was_validated_departs_by_the_sweep_and_goes_on_when_back(
    house: House,
) -> None:
    path = house.drop("a.jpg", picture(1))
    house.sweep()
    away = path.rename(house.buckets / "away")
    house.validate()
    row = house.platform.store.find("incoming/a.jpg", "acme")[0]
    assert (row.pipeline_status, row.retries) == ("pending_validation", 1)
    house.clock.pass_by(60)
    house.sweep()
    row = house.platform.store.find("incoming/a.jpg", "acme")[0]
    assert (row.pipeline_status, row.failure_class) == ("failed", "object_deleted")
    away.rename(path)
    house.sweep()
    house.validate()
    assert house.row("a.jpg").pipeline_status == "pending_vlm_enrichment"


def test_a_full_disk_is_no_fault_of_the_image(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.drop("a.jpg", picture(1))
    house.sweep()
    with monkeypatch.context() as patch:

        def full(*_: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        patch.setattr(os, "replace", full)
        house.validate()
    row = house.row("a.jpg")
    assert (row.pipeline_status, row.attempts, row.retries) == ("pending_validation", 0, 1)
    assert "No space left" in house.platform.store.history(row.image_id)[-1].reason
    house.clock.pass_by(60)
    house.validate()
    assert house.row("a.jpg").pipeline_status == "pending_vlm_enrichment"


def test_nothing_is_validated_before_its_preview_survives_a_loss_of_power(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(3):
        house.drop(f"{n}.jpg", picture(n))
    house.sweep()
    with monkeypatch.context() as patch:

        def lost(_: int) -> None:
            raise OSError(errno.EIO, "Input/output error")

        patch.setattr(os, "fsync", lost)
        house.validate()
    rows = [house.row(f"{n}.jpg") for n in range(3)]
    assert {(row.pipeline_status, row.attempts) for row in rows} == {("pending_validation", 0)}
    house.clock.pass_by(60)
    house.validate()
    rows = [house.row(f"{n}.jpg") for n in range(3)]
    assert {row.pipeline_status for row in rows} == {"pending_vlm_enrichment"}
    assert all(house.preview(row).stat().st_size > 0 for row in rows)


def test_who_stops_waits_for_no_image_that_nobody_decodes_yet(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a run does that is told to end: its other images go back at once."""
    for n in range(6):
        house.drop(f"{n}.jpg", picture(n))
    house.sweep()
    stopped, decoded = threading.Event(), []

    def decode(data: bytes, *arguments: Any, **options: Any) -> media.Validated:
        decoded.append(data)
        if len(decoded) > 1:
            stopped.wait()
        return media.validate(data, *arguments, **options)

    shutdown = ThreadPoolExecutor.shutdown

    def ending(pool: ThreadPoolExecutor, *arguments: Any, **options: Any) -> None:
        stopped.set()
        shutdown(pool, *arguments, **options)

    monkeypatch.setattr(ThreadPoolExecutor, "shutdown", ending)
    place = house.platform
    work = Validate(
        place.objects, run_id="run-1", clock=place.clock, threads=1, decode=decode
    ).work(claim(place.store, "validated", now=place.clock()))
    next(work)
    work.close()  # type: ignore[attr-defined]
    assert 1 <= len(decoded) <= 2


def dated(seconds: int) -> bytes:
    return json.dumps({"photoTakenTime": {"timestamp": f"{seconds}"}}).encode()


def test_a_sidecar_that_changes_makes_new_evidence_when_it_is_asked_for_and_no_new_image(
    house: House,
) -> None:
    house.drop("a.jpg", picture(1))
    house.drop("a.jpg.json", dated(0))
    house.sweep()
    house.validate(sidecars=True)
    before = house.row("a.jpg")
    store = house.platform.store

    house.drop("a.jpg.json", dated(86_400))
    house.sweep()
    assert house.row("a.jpg") == before
    store.reset(store.batches(), Reset(stage="validated", reason="again"), house.clock(), "replay")
    house.validate(sidecars=True)
    after = house.row("a.jpg")

    assert (after.image_id, after.sha256) == (before.image_id, before.sha256)
    assert after.evidence["validated"] != before.evidence["validated"]
    told = [evidence.body["exif"] for evidence in store.all_evidence(after.image_id)]
    assert [exif["taken_at"][:10] for exif in told] == ["1970-01-01", "1970-01-02"]
    assert {exif["sources"]["taken_at"] for exif in told} == {"a.jpg.json: photoTakenTime"}


def test_nothing_that_lies_beside_an_image_holds_it_up(house: House) -> None:
    """A pipe without a writer, a folder, a link that leads nowhere, one that nobody may read."""
    path = house.drop("a.jpg", picture(1))
    os.mkfifo(path.with_name("a.jpg.xmp"))
    path.with_name("a.xmp").mkdir()
    path.with_name("a.jpg.json").symlink_to("a.jpg.json")
    house.sweep()
    house.validate(sidecars=True)

    row = house.row("a.jpg")
    assert row.pipeline_status == "pending_vlm_enrichment"
    (evidence,) = house.platform.store.all_evidence(row.image_id)
    assert evidence.body["exif"] == {"gps_present": False}
    assert "sidecars" not in evidence.body


@pytest.mark.parametrize("kind", ["raises", "answers nonsense"])
def test_a_mistake_of_ours_costs_an_attempt_and_not_the_neighbours(house: House, kind: str) -> None:
    for n in range(3):
        house.drop(f"{n}.jpg", picture(n))
    house.sweep()
    poison = house.row("1.jpg").size

    def mistaken(data: bytes, *rest: Any, **more: Any) -> Any:
        if len(data) == poison and kind == "raises":
            raise ZeroDivisionError("a bug")
        if len(data) == poison:
            return media.Validated({}, b"no picture", b"")
        return media.validate(data, *rest, **more)

    house.validate(decode=mistaken)
    assert house.row("1.jpg").attempts == 1
    assert {house.row(f"{n}.jpg").pipeline_status for n in (0, 2)} == {"pending_vlm_enrichment"}


# enriched and scored


def test_images_reach_the_engine_in_batches(house: House) -> None:
    for n in range(5):
        house.drop(f"{n}.jpg", picture(n))
    house.sweep()
    house.validate()
    engine = Engine()
    house.infer(Enrich, engine, batch=2)
    assert engine.asked == [2, 2, 1]
    assert {house.row(f"{n}.jpg").pipeline_status for n in range(5)} == {"pending_iqa"}


def test_one_picture_that_breaks_the_engine_is_found_by_halves(house: House) -> None:
    for n in range(8):
        house.drop(f"{n}.jpg", picture(n))
    house.drop("poison.jpg", picture(9, width=400, height=300))
    house.sweep()
    house.validate()

    def breaks(images: Sequence[Any]) -> Exception | None:
        return ValueError("cannot") if any(one.shape[0] == 300 for one in images) else None

    engine = Engine(breaks)
    house.infer(Enrich, engine)
    assert {house.row(f"{n}.jpg").pipeline_status for n in range(8)} == {"pending_iqa"}
    row = house.row("poison.jpg")
    assert (row.pipeline_status, row.attempts) == ("pending_vlm_enrichment", 1)
    assert house.platform.store.history(row.image_id)[-1].reason == "ValueError: cannot"
    assert len(engine.asked) <= 1 + 2 * 4  # each level of halving asks twice


@pytest.mark.parametrize(
    ("error", "attempts"), [(MemoryError(), 0), (TransientError("away"), 0), (KeyError("x"), 1)]
)
def test_what_passes_costs_no_attempt_and_a_mistake_costs_one(
    house: House, error: Exception, attempts: int
) -> None:
    house.drop("a.jpg", picture(1))
    house.sweep()
    house.validate()
    house.infer(Enrich, Engine(lambda _: error))
    assert house.row("a.jpg").attempts == attempts


@pytest.mark.parametrize("stage", [Enrich, Score])
def test_an_engine_that_is_lost_ends_the_run_and_costs_no_image_an_attempt(
    house: House, stage: type[Enrich] | type[Score]
) -> None:
    for n in range(3):
        house.drop(f"{n}.jpg", picture(n))
    house.sweep()
    house.validate()
    if stage is Score:
        house.infer(Enrich, Engine())
    waiting = house.row("0.jpg").pipeline_status
    engine = Engine(lambda _: EngineLost("the device failed"))
    with pytest.raises(EngineLost):
        house.infer(stage, engine)
    assert engine.asked == [3]  # it is not asked by halves
    for n in range(3):
        row = house.row(f"{n}.jpg")
        assert (row.pipeline_status, row.attempts, row.lease_owner) == (waiting, 0, None)


def test_what_an_engine_could_answer_is_kept_where_it_names_the_culprits(house: House) -> None:
    for n in range(4):
        house.drop(f"{n}.jpg", picture(n))
    house.sweep()
    house.validate()

    class Naming(Engine):
        def describe(self, images: Sequence[Any], hints: Any = None) -> list[dict[str, Any]]:
            bodies: list[Any] = super().describe(images, hints)
            bodies[1] = bodies[2] = None
            raise SomeFailed(bodies, {1: ValueError("cannot"), 2: MemoryError("too large")})

    engine = Naming()
    tally = house.infer(Enrich, engine)
    assert engine.asked == [4]  # nobody is asked again
    assert tally.by_batch[house.row("0.jpg").batch] == {"completed": 2, "retry": 2}
    assert sorted(house.row(f"{n}.jpg").attempts for n in range(4)) == [0, 0, 0, 1]


def test_previews_are_decoded_side_by_side_and_none_by_a_pool_of_its_own(house: House) -> None:
    import pyvips

    house.drop("a.jpg", picture(1))
    house.sweep()
    house.validate()
    pyvips.cache_set_max(100)  # as a process that has decoded nothing yet
    pyvips.concurrency_set(7)
    house.infer(Enrich, Engine())
    assert pyvips.concurrency_get() == 1


class Preparing(Engine):
    """An engine that takes something else than pixels, made ahead."""

    ahead = 2

    def prepare(self, image: Any) -> Any:
        if image.shape[0] == 300:
            raise ValueError("not this one")
        return ("prepared", image.shape)

    def describe(self, images: Sequence[Any], hints: Any = None) -> list[dict[str, Any]]:
        assert all(image[0] == "prepared" for image in images)
        return super().describe(images, hints)


def test_an_engine_that_prepares_gets_what_it_prepared_in_batches_of_its_size(
    house: House,
) -> None:
    for n in range(5):
        house.drop(f"{n}.jpg", picture(n))
    house.drop("poison.jpg", picture(9, width=400, height=300))
    house.sweep()
    house.validate()
    engine = Preparing()
    house.infer(Enrich, engine)
    assert engine.asked == [2, 2, 1]
    assert {house.row(f"{n}.jpg").pipeline_status for n in range(5)} == {"pending_iqa"}
    assert house.row("poison.jpg").attempts == 1


def test_the_engine_goes_on_while_outcomes_are_being_committed(house: House) -> None:
    for n in range(4):
        house.drop(f"{n}.jpg", picture(n))
    house.sweep()
    house.validate()
    second = threading.Event()

    class Telling(Preparing):
        def describe(self, images: Sequence[Any], hints: Any = None) -> list[dict[str, Any]]:
            found = super().describe(images, hints)
            if len(self.asked) == 2:
                second.set()
            return found

    store, clock = house.platform.store, house.clock
    claims = store.claim(
        ClaimRequest(
            stage="enriched", batches=store.batches(), limit=10, owner="run-1", lease=120.0
        ),
        clock(),
    )
    work = Enrich(Telling(), Previews(house.platform.objects), store, run_id="r", clock=clock)
    outcomes = work.work(claims)
    next(outcomes)  # of the first batch: a commit would happen now
    assert second.wait(600)
    assert len(list(outcomes)) == 3


def test_an_engine_that_can_is_asked_for_two_batches_at_once_and_for_no_third(house: House) -> None:
    for n in range(8):
        house.drop(f"{n}.jpg", picture(n))
    house.sweep()
    house.validate()
    both = threading.Barrier(2)
    asking, most = 0, 0
    counting = threading.Lock()

    class SideBySide(Engine):
        at_once = 2

        def describe(self, images: Sequence[Any], hints: Any = None) -> list[dict[str, Any]]:
            nonlocal asking, most
            with counting:
                asking += 1
                most = max(most, asking)
            both.wait(600)  # passes as soon as two are asked
            with counting:
                asking -= 1
            return super().describe(images, hints)

    engine = SideBySide()
    house.infer(Enrich, engine, batch=2)
    assert (engine.asked, most) == ([2, 2, 2, 2], 2)
    assert {house.row(f"{n}.jpg").pipeline_status for n in range(8)} == {"pending_iqa"}


@pytest.mark.parametrize("damage", ["missing", "cut", "garbage", "empty"])
def test_a_preview_that_is_lost_is_made_again_from_the_original(house: House, damage: str) -> None:
    house.drop("a.jpg", picture(1))
    house.drop("b.jpg", picture(2))
    house.sweep()
    house.validate()
    preview = house.preview(house.row("a.jpg"))
    if damage == "missing":
        preview.unlink()
    else:
        whole = preview.read_bytes()
        preview.write_bytes({"cut": whole[:2000], "garbage": b"x" * 99, "empty": b""}[damage])
    house.infer(Enrich, Engine())
    assert house.row("b.jpg").pipeline_status == "pending_iqa"
    assert house.row("a.jpg").pipeline_status == "pending_validation"
    house.all()
    assert house.row("a.jpg").pipeline_status == "curated"


def test_storage_that_is_away_makes_previews_wait(house: House) -> None:
    house.drop("a.jpg", picture(1))
    house.sweep()
    house.validate()
    away = house.buckets.rename(house.buckets.with_name("unmounted"))
    house.infer(Enrich, Engine())
    away.rename(house.buckets)
    row = house.row("a.jpg")
    assert (row.pipeline_status, row.attempts, row.retries) == ("pending_vlm_enrichment", 0, 1)


# curated


def test_the_earliest_of_equal_files_is_kept_within_a_tenant(house: House) -> None:
    for tenant, name in (("acme", "first.jpg"), ("bolt", "first.jpg"), ("acme", "second.jpg")):
        path = house.drop(name, picture(1), tenant)
        landed = {"first.jpg": 1_000_000_000, "second.jpg": 1_000_000_100}[name]
        os.utime(path, (landed, landed))
    house.sweep()
    house.all()
    assert house.row("first.jpg").verdict == "accept"
    assert house.row("first.jpg", "bolt").verdict == "accept"
    assert house.row("second.jpg").verdict == "reject"


def test_a_decision_names_the_evidence_it_used(house: House) -> None:
    house.drop("a.jpg", picture(1))
    house.sweep()
    house.all()
    row = house.row("a.jpg")
    body = house.platform.store.evidence([row])[row.image_id]["curated"].body
    assert body["used"] == {s: row.evidence[s] for s in ("validated", "enriched", "scored")}
    assert (body["policy"], row.policy) == ("default@3", "default@3")


def test_each_tenant_is_judged_by_the_policy_it_is_pinned_to(house: House) -> None:
    for tenant in ("acme", "bolt"):
        house.drop("a.jpg", picture(1), tenant)
    house.sweep()
    house.platform.store.pin("bolt", "default@1")
    house.all()
    assert house.row("a.jpg").policy == "default@3"
    assert house.row("a.jpg", "bolt").policy == "default@1"


def test_a_policy_that_cannot_be_used_holds_up_its_own_tenant_alone(house: House) -> None:
    for tenant in ("acme", "bolt"):
        house.drop("a.jpg", picture(1), tenant)
    house.sweep()
    house.platform.store.pin("acme", "vanished@7")
    house.all()
    row = house.row("a.jpg")
    assert (row.pipeline_status, row.attempts, row.lease_owner) == ("pending_curation", 0, None)
    assert "'vanished@7'" in house.platform.store.history(row.image_id)[-1].reason
    assert house.row("a.jpg", "bolt").pipeline_status == "curated"


def test_an_image_whose_evidence_is_missing_goes_back_for_it(house: House) -> None:
    house.drop("a.jpg", picture(1))
    house.sweep()
    house.validate()
    house.infer(Enrich, Engine())
    house.infer(Score, Engine())
    store = house.platform.store

    class Forgetful:
        def __getattr__(self, name: str) -> Any:
            return getattr(store, name)

        def evidence(
            self, rows: Sequence[ImageRow], stages: Collection[str] | None = None
        ) -> dict[str, dict[str, Any]]:
            found = store.evidence(rows, stages)
            return {
                one: {stage: body for stage, body in bodies.items() if stage != "enriched"}
                for one, bodies in found.items()
            }

    house.run(
        Curate(Forgetful(), house.platform.policy_of, run_id="run-1", clock=house.clock)  # type: ignore[arg-type]
    )
    row = house.row("a.jpg")
    assert row.pipeline_status == "pending_vlm_enrichment"
    assert store.history(row.image_id)[-1].reason == "its enriched evidence is missing"


def test_deciding_again_on_the_same_evidence_gives_the_same_evidence(house: House) -> None:
    house.drop("a.jpg", picture(1))
    house.sweep()
    house.all()
    before = house.row("a.jpg")
    store = house.platform.store
    assert (
        store.reset(
            store.batches(), Reset(stage="curated", reason="again"), house.clock(), "replay-1"
        )
        == 1
    )
    house.curate()
    after = house.row("a.jpg")
    assert after.evidence == before.evidence
    assert len(store.all_evidence(after.image_id)) == 4


# manifests


def test_the_manifest_has_equal_bytes_for_equal_rows(house: House) -> None:
    import pandas

    for n in range(3):
        house.drop(f"{n}.jpg", picture(n))
    house.drop("text.jpg", b"Buy milk.\n")
    house.sweep()
    house.all()
    store = house.platform.store
    (batch,) = store.batches()
    rows = all_rows(store, batch)
    decided = store.stale_manifests()[batch]
    data = as_parquet(rows, store.evidence(rows), decided)
    assert data == as_parquet(list(rows), dict(reversed(store.evidence(rows).items())), decided)
    write_manifest(store, house.platform.objects, batch, decided)
    path = house.buckets / "acme" / manifest_key(batch)
    assert path.read_bytes() == data
    table = pandas.read_parquet(path)
    assert sorted(table["status"]) == ["curated", "curated", "curated", "failed"]
    assert store.stale_manifests() == {}


def test_dying_between_the_last_commit_and_the_manifest_leaves_it_stale(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.drop("a.jpg", picture(1))
    house.sweep()
    house.all()
    store, objects = house.platform.store, house.platform.objects
    (batch,) = store.batches()
    assert list(store.stale_manifests()) == [batch]
    with monkeypatch.context() as patch:

        def die(*_: object) -> None:
            raise KeyboardInterrupt

        patch.setattr(type(store), "manifest_written", die)
        with pytest.raises(KeyboardInterrupt):
            write_manifest(store, objects, batch, store.stale_manifests()[batch])
    assert list(store.stale_manifests()) == [batch]
    write_manifest(store, objects, batch, store.stale_manifests()[batch])
    assert store.stale_manifests() == {}


def test_a_decision_that_falls_while_the_manifest_is_written_leaves_it_stale(
    house: House,
) -> None:
    house.drop("a.jpg", picture(1))
    house.sweep()
    house.all()
    store = house.platform.store
    (batch,) = store.batches()
    decided = store.stale_manifests()[batch]
    house.drop("b.jpg", picture(2))
    house.sweep()
    house.all()
    write_manifest(store, house.platform.objects, batch, decided)
    assert list(store.stale_manifests()) == [batch]


def test_an_empty_manifest_can_be_written_and_read() -> None:
    import io

    import pandas

    assert len(pandas.read_parquet(io.BytesIO(as_parquet([], {})))) == 0


def test_the_time_of_work_on_rows_is_the_injected_one(house: House) -> None:
    house.drop("a.jpg", picture(1))
    house.sweep()
    house.validate()
    row = house.row("a.jpg")
    found = house.platform.store.evidence([row])[row.image_id]["validated"]
    assert found.created_at == row.updated_at == house.clock()
    assert row.arrived_at < house.clock()
