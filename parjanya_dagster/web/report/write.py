"""The HTML report of a home, written to a file."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from parjanya_dagster.objects.store import Objects
from parjanya_dagster.truth.store import Store
from parjanya_dagster.web.report.page import render
from parjanya_dagster.web.report.rows import report_images


def write_report(
    output: Path,
    store: Store,
    objects: Objects,
    now: datetime,
    tenants: Sequence[str] | None = None,
) -> int:
    """Write every image of these tenants, or of all. Returns how many images that is."""
    if tenants is None:
        tenants = [tenant.slug for tenant in store.tenants()]
    images = list(report_images(store, objects, tenants))
    output.write_text(render(images, "Parjanya", now), encoding="utf-8")
    return len(images)
