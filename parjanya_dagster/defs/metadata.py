"""What people see of a partition in the Dagster UI: counts, a contact sheet, examples, reasons.

Kept to tens of kB per partition: Dagster stores it with every materialization.
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from dagster import MetadataValue

from parjanya_dagster.doctor.findings import Finding
from parjanya_dagster.execution.manifest import Contents, all_rows, contents, manifest_key
from parjanya_dagster.execution.thumbnails import thumbnail
from parjanya_dagster.execution.worker import Tally
from parjanya_dagster.instance.home import DESK_FILE
from parjanya_dagster.platform import Platform
from parjanya_dagster.truth.models import PRESENT, ImageRow, parse_batch
from parjanya_dagster.truth.stages import Status

if TYPE_CHECKING:
    from parjanya_dagster.media import Tile

TILES = 48
EXAMPLES = 12


def partition_metadata(
    platform: Platform,
    stage: str,
    key: str,
    tally: Tally,
    known: Contents | None = None,
    put_off: bool = False,
) -> dict[str, Any]:
    """The metadata of one partition of one asset.

    `known`: its contents, if they were just read. `put_off`: its manifest was written a moment ago,
    and what it holds is read again with the next one.
    """
    outcomes = tally.by_batch.get(key, Counter())
    metadata: dict[str, Any] = {
        "parjanya/rows_worked": sum(outcomes.values()),
        **{f"parjanya/{kind}": count for kind, count in sorted(outcomes.items())},
    }
    if stage == "validated":
        failed = _failed(platform, key)
        if failed:
            metadata["failures"] = MetadataValue.md(_failures(failed))
    if stage == "curated" and put_off:
        metadata["manifest"] = "follows: the last one was written a moment ago"
    elif stage == "curated":
        metadata.update(_decided(platform, key, known or contents(platform.store, key)))
    return metadata


def _failed(platform: Platform, key: str) -> list[ImageRow]:
    """The failed images of a batch. Where the tenant has none, its rows are not read for that."""
    counted = platform.store.counts(parse_batch(key)[0])
    if not any(counts.by_failure for counts in counted):
        return []
    return [
        row
        for row in all_rows(platform.store, key)
        if row.pipeline_status == Status.FAILED and row.object_state == PRESENT
    ]


def _desk(platform: Platform) -> str:
    """The address of the desk that is served over this home. Empty: not known."""
    try:
        return (platform.settings.home / DESK_FILE).read_text().strip()
    except OSError:
        return ""


def _decided(platform: Platform, key: str, known: Contents) -> dict[str, Any]:
    rows = [row for row in known.rows if row.object_state == PRESENT]
    evidence = {row.image_id: known.evidence.get(row.image_id, {}) for row in rows}
    verdicts = Counter(verdict_of(row) for row in rows)
    policies = Counter(row.policy for row in rows if row.policy)
    bucket = getattr(platform.store.tenant(parse_batch(key)[0]), "bucket", "?")
    metadata: dict[str, Any] = {
        "images": len(rows),
        **{name: verdicts[name] for name in ("accept", "reject", "review", "failed", "pending")},
        "by_people": sum(row.decided_by == "person" for row in rows),  # of accept and reject
        "gone": len(known.rows) - len(rows),  # replaced or deleted; the manifest says which
        "policy": ", ".join(f"{ref}: {count}" for ref, count in sorted(policies.items())) or "none",
        "manifest": f"{bucket}/{manifest_key(key)}",
    }
    desk = _desk(platform)
    if desk:
        metadata["desk"] = MetadataValue.url(f"{desk}/images?{urlencode({'batch': key})}")
    sheet = _sheet(platform, rows)
    if sheet:
        metadata["contact_sheet"] = MetadataValue.md(
            f"![{verdicts['accept']} accepted, {verdicts['review']} for review, "
            f"{verdicts['reject']} rejected](data:image/webp;base64,{sheet})"
        )
    reasons = _reasons(rows)
    if reasons:
        metadata["reasons"] = MetadataValue.md(reasons)
    qualities = [
        float(stages["scored"].body["quality"])
        for stages in evidence.values()
        if "scored" in stages and stages["scored"].body.get("quality") is not None
    ]
    if qualities:
        metadata["quality"] = MetadataValue.md(histogram(qualities))
    return metadata


def verdict_of(row: ImageRow) -> str:
    """What counts: accept, reject or review; failed; or pending."""
    status = Status(row.pipeline_status)
    if status is Status.CURATED:
        return row.effective_verdict or "review"
    return "failed" if status is Status.FAILED else "pending"


def _sheet(platform: Platform, rows: Sequence[ImageRow]) -> str:
    from parjanya_dagster.media import Tile, contact_sheet

    order = ("reject", "review", "accept", "failed", "pending")
    shown = [row for row in rows if row.thumbnail_key]
    if len(shown) > TILES:  # some of each verdict, evenly
        shown = shown[:: -(-len(shown) // TILES)]
    shown.sort(key=lambda row: order.index(verdict_of(row)))
    tiles = []
    for row in shown:
        try:
            small = thumbnail(platform.objects, row)
        except Exception:  # a sheet is for people: a missing tile is no failure of the run
            continue
        tiles.append(Tile(small, row.key.rsplit("/", 1)[-1], verdict_of(row)))
    if not tiles:
        return ""
    try:
        sheet = contact_sheet(tiles, columns=8, tile_px=96)
    except Exception:  # nor is a damaged one
        sheet = contact_sheet([_drawable(tile) for tile in tiles], columns=8, tile_px=96)
    return base64.b64encode(sheet).decode()


def _drawable(tile: Tile) -> Tile:
    """The tile, or a crossed-out one where its thumbnail cannot be decoded."""
    from parjanya_dagster.media import contact_sheet

    try:
        contact_sheet([tile], columns=1, tile_px=96)
    except Exception:
        return replace(tile, thumbnail=b"")
    return tile


def _reasons(rows: Sequence[ImageRow]) -> str:
    objections = [row for row in rows if verdict_of(row) in ("reject", "review")]
    if not objections:
        return ""
    lines = ["| image | verdict | reasons |", "|---|---|---|"]
    for row in objections[:EXAMPLES]:
        reasons = "; ".join(row.reasons[:3])
        if row.person:
            reasons = f"by {row.person}; {row.policy} said {row.verdict}: {reasons}"
        lines.append(f"| {_cell(row.key)} | {verdict_of(row)} | {_cell(reasons)} |")
    if len(objections) > EXAMPLES:
        lines.append(f"| … {len(objections) - EXAMPLES} more in the manifest | | |")
    return "\n".join(lines)


def _failures(rows: Sequence[ImageRow]) -> str:
    lines = ["| image | class | reason |", "|---|---|---|"]
    for row in rows[:EXAMPLES]:
        reason = _cell(row.failure_reason or "")
        lines.append(f"| {_cell(row.key)} | {row.failure_class} | {reason} |")
    return "\n".join(lines)


def findings_table(findings: Sequence[Finding], unread: Mapping[str, str]) -> str:
    """What the doctor found, for the page of an asset check."""
    if not findings and not unread:
        return "Nothing is missing, stuck or blind."
    lines = ["| boundary | finding | since (UTC) | evidence | next step |", "|---|---|---|---|---|"]
    for finding in findings[:EXAMPLES]:
        since = (
            f"{datetime.fromtimestamp(finding.since, UTC):%Y-%m-%d %H:%M}" if finding.since else ""
        )
        evidence = ", ".join(f"{name} {value}" for name, value in finding.evidence.items())
        lines.append(
            f"| {finding.boundary} | {finding.code}: {_cell(finding.summary, 400)} | {since} "
            f"| {_cell(evidence, 400)} | {_cell(finding.next_step, 400)} |"
        )
    lines += [
        f"| | could not read {what} | | {_cell(why, 400)} | |" for what, why in unread.items()
    ]
    return "\n".join(lines)


def histogram(values: Sequence[float], bins: int = 10, width: int = 24) -> str:
    """Counts of 0–100 values as a table with bars, readable on light and dark themes."""
    counts = Counter(min(bins - 1, int(value * bins / 100)) for value in values)
    most = max(counts.values())
    lines = ["| quality | images | |", "|---|---:|---|"]
    for index in range(bins):
        low, high = index * 100 // bins, (index + 1) * 100 // bins
        bar = "█" * round(counts[index] / most * width)
        lines.append(f"| {low}–{high} | {counts[index]} | {bar} |")
    return "\n".join(lines)


def _cell(text: str, most: int = 160) -> str:
    """Text as itself in a table cell: file names are anybody's, and must not become markup.

    Every ASCII sign that Markdown or HTML may read is written as a character reference.
    """
    flat = " ".join(text.split())
    short = flat if len(flat) <= most else flat[: most - 1] + "…"
    return "".join(
        sign if sign.isalnum() or sign in _PLAIN or ord(sign) > 126 else f"&#{ord(sign)};"
        for sign in short
    )


_PLAIN = " ,;/%="
