"""What people see of a partition: bounded, whole, and never markup made of a file's name."""

from __future__ import annotations

import base64
import io
import re
from collections import Counter
from typing import Any

import numpy as np
import pytest
from markdown_it import MarkdownIt
from PIL import Image

from parjanya_dagster.defs.metadata import _cell, histogram, partition_metadata
from parjanya_dagster.execution.worker import Tally
from parjanya_dagster.instance.home import DESK_FILE
from parjanya_dagster.platform import Platform
from parjanya_dagster.truth.outcomes import Claim, Outcome, TerminalFailure
from parjanya_dagster.truth.reviews import ReviewDecision
from tests.support import world

HOSTILE = [
    "<script>alert(1)</script>.jpg",
    "a | b | c.jpg",
    "a\\|b.jpg",
    "[click](javascript:alert(1)).jpg",
    "![x](http://tracker.example/x.png)",
    "`code` **bold** _it_ ~~no~~ # title",
    "https://evil.example/a.jpg",
    "www.evil.example",
    "&lt;b&gt;&#124;.jpg",
    "<img src=x onerror=alert(1)>",
    "line\nbreak\r\n| new | row |",
    "\u202egpj.exe",
    "\ud7ff😀.jpg",
]


def noise(seed: int) -> bytes:
    """A thumbnail that compresses as badly as can be."""
    pixels = np.random.default_rng(seed).integers(0, 256, (192, 256, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_name_is_text_in_its_cell(name: str) -> None:
    table = f"| image | verdict |\n|---|---|\n| {_cell(name)} | reject |"
    html = MarkdownIt("commonmark", {"html": True}).enable("table").render(table)
    assert set(re.findall(r"<(/?\w+)", html)) == {
        *("table", "thead", "tbody", "tr", "th", "td"),
        *("/table", "/thead", "/tbody", "/tr", "/th", "/td"),
    }
    assert html.count("<td>") == 2
    # What GitHub's dialect would make a link of is broken up by references too.
    assert "://" not in _cell(name)
    assert "www." not in _cell(name)


def test_ordinary_names_stay_readable() -> None:
    html = (
        MarkdownIt().enable("table").render(f"| a |\n|---|\n| {_cell('Größe 12 (1)/a-b_c.jpg')} |")
    )
    assert "<td>Größe 12 (1)/a-b_c.jpg</td>" in html


def decided(platform: Platform, images: int) -> str:
    """A batch of decided images with long names and thumbnails of noise. Returns its key."""
    store = platform.store
    store.put_tenant(world.tenant())
    store.register(
        [world.arrival(f"{n:04}-" + "|<b>" * 60, landed_at=world.NOON + n) for n in range(images)],
        world.NOON,
    )
    for n in range(48):
        platform.objects.put("bucket", f"thumbnails/{n}.jpg", noise(n), "image/jpeg")

    def outcome(claim: Claim) -> Outcome:
        number = int(claim.row.key.split("/")[-1][:4])
        if claim.stage == "validated":
            if number % 10 == 3:
                return TerminalFailure("corrupt", "It is <b>damaged</b> | badly. " * 20)
            columns = {"preview_bucket": "bucket", "thumbnail_key": f"thumbnails/{number % 48}.jpg"}
            return world.completed(claim, **columns)
        if claim.stage == "curated":
            verdict = ("accept", "reject", "review")[number % 3]
            reasons = ["The quality is | 3 of 100. " * 10] * 5
            return world.completed(claim, verdict=verdict, reasons=reasons, policy="default@2")
        body = {"quality": number % 101} if claim.stage == "scored" else {}
        return world.Completed(world.found(claim, body=body))

    for stage in ("validated", "enriched", "scored", "curated"):
        world.commit(store, world.claim(store, stage), outcome)
    (batch,) = store.batches()
    return batch


def size(metadata: dict[str, Any]) -> int:
    return sum(len(key) + len(str(getattr(one, "value", one))) for key, one in metadata.items())


def test_the_metadata_of_a_thousand_images_is_bounded(platform: Platform) -> None:
    batch = decided(platform, 1000)
    tally = Tally(by_batch={batch: Counter(completed=900)})
    metadata = partition_metadata(platform, "curated", batch, tally)
    assert size(metadata) < 140_000  # a sheet of 80 kB, written in base64, and text
    assert size(partition_metadata(platform, "validated", batch, tally)) < 20_000
    counts = {name: metadata[name] for name in ("accept", "reject", "review", "failed", "pending")}
    assert sum(counts.values()) == metadata["images"] == 1000
    assert counts["failed"] == 100
    sheet = metadata["contact_sheet"].value.split("base64,")[1].rstrip(")")
    assert Image.open(io.BytesIO(base64.b64decode(sheet))).format == "WEBP"


def test_what_is_gone_counts_as_gone_and_not_as_accepted(platform: Platform) -> None:
    batch = decided(platform, 12)
    rows = platform.store.rows([batch])
    accepted = [row.image_id for row in rows if row.verdict == "accept"]
    failed = [row.image_id for row in rows if row.pipeline_status == "failed"]
    platform.store.depart(accepted + failed, world.NOON, "deleted")
    metadata = partition_metadata(platform, "curated", batch, Tally())
    gone = len(accepted) + len(failed)
    assert (metadata["images"], metadata["gone"]) == (12 - gone, gone)
    assert (metadata["accept"], metadata["failed"]) == (0, 0)
    assert "failures" not in partition_metadata(platform, "validated", batch, Tally())


def test_what_is_put_off_is_not_read_again(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = decided(platform, 12)
    monkeypatch.setattr(platform.store, "rows", None)
    tally = Tally()
    tally.count(batch, "completed")
    metadata = partition_metadata(platform, "curated", batch, tally, put_off=True)
    assert metadata["parjanya/completed"] == 1
    assert metadata["manifest"].startswith("follows")


def test_failures_are_looked_for_where_there_are_any(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = decided(platform, 12)
    rows = platform.store.rows([batch])
    failed = [row.image_id for row in rows if row.pipeline_status == "failed"]
    assert "failures" in partition_metadata(platform, "validated", batch, Tally())
    platform.store.depart(failed, world.NOON, "deleted")
    monkeypatch.setattr(platform.store, "rows", None)
    assert "failures" not in partition_metadata(platform, "validated", batch, Tally())


def test_a_partition_leads_to_its_images_at_the_desk_that_is_served(platform: Platform) -> None:
    world.arrive(platform.store, 1)
    (batch,) = platform.store.batches()
    assert "desk" not in partition_metadata(platform, "curated", batch, Tally())
    (platform.settings.home / DESK_FILE).write_text("http://127.0.0.1:3100")
    link = partition_metadata(platform, "curated", batch, Tally())["desk"]
    assert link.value == f"http://127.0.0.1:3100/images?batch={batch.replace('/', '%2F')}"


def test_what_people_decided_counts_and_says_who_and_against_what(platform: Platform) -> None:
    batch = decided(platform, 12)
    before = partition_metadata(platform, "curated", batch, Tally())
    for row in platform.store.rows([batch]):
        if row.verdict == "accept":
            decision = ReviewDecision(
                image_id=row.image_id, who="ana", action="reject", request_id="r"
            )
            platform.store.review(decision, world.NOON, seen=0)
    after = partition_metadata(platform, "curated", batch, Tally())
    assert (before["by_people"], after["by_people"]) == (0, before["accept"])
    assert (after["accept"], after["reject"]) == (0, before["accept"] + before["reject"])
    assert "by ana" in after["reasons"].value
    assert "said accept" in after["reasons"].value


def test_missing_and_damaged_thumbnails_fail_no_run(platform: Platform) -> None:
    batch = decided(platform, 12)
    platform.objects.put("bucket", "thumbnails/0.jpg", b"no picture", "image/jpeg")
    (platform.settings.home / "buckets" / "bucket" / "thumbnails" / "1.jpg").unlink()
    metadata = partition_metadata(platform, "curated", batch, Tally())
    assert "contact_sheet" in metadata


def test_a_batch_without_a_single_picture_has_metadata_too(platform: Platform) -> None:
    world.arrive(platform.store, 2)
    (batch,) = platform.store.batches()
    metadata = partition_metadata(platform, "curated", batch, Tally())
    assert (metadata["images"], metadata["pending"]) == (2, 2)
    assert "contact_sheet" not in metadata


def test_the_histogram_counts_every_value_once_the_ends_included() -> None:
    lines = histogram([0, 0.0, 9.99, 10, 55, 100, 100.0]).splitlines()[2:]
    counts = [int(line.split("|")[2]) for line in lines]
    assert counts == [3, 1, 0, 0, 0, 1, 0, 0, 0, 2]
