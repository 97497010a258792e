"""One self-contained HTML page that says what became of every image.

Knows nothing of stores or Dagster: it is a pure function of the rows it is given. Nothing is
fetched when the page is read: thumbnails are data URIs, and the page's own content security policy
forbids everything else. File names are hostile until escaped.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from parjanya_dagster.web.text import fact, visible

# What becomes of an image, in the order in which people want to read it.
OUTCOMES: Mapping[str, str] = {
    "accept": "Accepted",
    "reject": "Rejected",
    "review": "Review",
    "failed": "Failed",
    "pending": "Pending",
}
HISTOGRAM_BINS = 20
EXAMPLES_PER_REASON = 6


@dataclass(frozen=True)
class ReportReason:
    """Why: a policy's rule or a failure class, and the sentence for a person."""

    rule: str
    message: str


@dataclass(frozen=True, kw_only=True)
class ReportImage:
    """One image as the report shows it."""

    tenant: str
    key: str
    image_id: str
    status: str  # pipeline status: "curated", "failed" or a pending one
    verdict: str | None = None  # "accept", "reject" or "review" once curated
    reasons: Sequence[ReportReason] = ()  # a failure has one: its class and its reason
    thumbnail: bytes | None = None  # JPEG, PNG or WebP
    category: str | None = None
    confidence: float | None = None  # 0..1
    quality: float | None = None  # 0..100
    facts: Mapping[str, Any] = field(default_factory=dict)  # shown as they are, in this order

    @property
    def outcome(self) -> str:
        """A key of `OUTCOMES`. Curated without a verdict counts as pending: nothing was decided."""
        if self.status == "failed":
            return "failed"
        if self.status == "curated" and self.verdict is not None and self.verdict in OUTCOMES:
            return self.verdict
        return "pending"


@dataclass(frozen=True, kw_only=True)
class TenantSummary:
    """The counts of one tenant by outcome, and by outcome and rule, most frequent first."""

    tenant: str
    total: int
    counts: Mapping[str, int]
    reasons: Sequence[tuple[str, str, int]]  # (outcome, rule, images)


def summarize(rows: Sequence[ReportImage]) -> list[TenantSummary]:
    """One summary per tenant, by name. The counts of a tenant add up to its images."""
    summaries = []
    for tenant in sorted({row.tenant for row in rows}):
        mine = [row for row in rows if row.tenant == tenant]
        outcomes = Counter(row.outcome for row in mine)
        reasons = Counter(
            (row.outcome, rule)
            for row in mine
            if row.outcome != "accept"
            for rule in dict.fromkeys(reason.rule for reason in row.reasons)
        )
        order = list(OUTCOMES)
        ranked = sorted(reasons.items(), key=lambda kv: (order.index(kv[0][0]), -kv[1], kv[0][1]))
        summaries.append(
            TenantSummary(
                tenant=tenant,
                total=len(mine),
                counts={outcome: outcomes[outcome] for outcome in OUTCOMES},
                reasons=[(outcome, rule, n) for (outcome, rule), n in ranked],
            )
        )
    return summaries


def render(rows: Sequence[ReportImage], title: str, generated_at: datetime) -> str:
    """The page, complete, as text to be written as UTF-8."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    rows = [_all_visible(row) for row in rows]
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"data_uri": data_uri, "fact": fact}
    script = environment.loader.get_source(environment, "page.js.j2")[0]  # type: ignore[union-attr]
    return environment.get_template("page.html.j2").render(
        title=visible(title),
        generated_at=generated_at,
        rows=rows,
        outcomes=OUTCOMES,
        totals=Counter(row.outcome for row in rows),
        tenants=summarize(rows),
        rules=sorted({reason.rule for row in rows for reason in row.reasons}),
        examples=_examples(rows),
        histogram=_histogram(rows),
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def _all_visible(row: ReportImage) -> ReportImage:
    """The row with every text made visible, so that the template only has to escape."""
    return replace(
        row,
        tenant=visible(row.tenant),
        key=visible(row.key),
        image_id=visible(row.image_id),
        status=visible(row.status),
        category=None if row.category is None else visible(row.category),
        reasons=[ReportReason(visible(r.rule), visible(r.message)) for r in row.reasons],
        facts={visible(name): value for name, value in row.facts.items()},
    )


def data_uri(picture: bytes) -> str:
    """The picture as a data URI. Raises ValueError for anything but JPEG, PNG and WebP."""
    if picture.startswith(b"\xff\xd8"):
        kind = "jpeg"
    elif picture.startswith(b"\x89PNG\r\n\x1a\n"):
        kind = "png"
    elif picture[:4] == b"RIFF" and picture[8:12] == b"WEBP":
        kind = "webp"
    else:
        raise ValueError("a thumbnail must be JPEG, PNG or WebP bytes")
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode()}"


def _examples(rows: Sequence[ReportImage]) -> list[tuple[str, str, int, list[ReportImage]]]:
    """(outcome, rule, images, a few of them) for every reason not to accept that can be shown."""
    groups: dict[tuple[str, str], list[ReportImage]] = {}
    for row in rows:
        if row.outcome != "accept":
            for rule in dict.fromkeys(reason.rule for reason in row.reasons):
                groups.setdefault((row.outcome, rule), []).append(row)
    examples = []
    for (outcome, rule), images in groups.items():
        seen = [image for image in images if image.thumbnail][:EXAMPLES_PER_REASON]
        if seen:
            examples.append((outcome, rule, len(images), seen))
    order = list(OUTCOMES)
    return sorted(examples, key=lambda e: (order.index(e[0]), -e[2], e[1]))


def _histogram(rows: Sequence[ReportImage]) -> list[dict[str, int]]:
    """Images by quality, `HISTOGRAM_BINS` equal bins over 0..100, each by outcome."""
    bins: list[dict[str, int]] = [dict.fromkeys(OUTCOMES, 0) for _ in range(HISTOGRAM_BINS)]
    for row in rows:
        if row.quality is not None:
            index = int(row.quality / 100 * HISTOGRAM_BINS)
            bins[min(HISTOGRAM_BINS - 1, max(0, index))][row.outcome] += 1
    return bins
