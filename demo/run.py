"""The demo: `python -m demo.run`. Real images through a real instance, watched to the end.

Exits 0 only if every image ended in a terminal state, and in the one it must end in where that is
certain (`expected.json` of the sample set).
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from demo import samples
from parjanya_dagster.catalog import Query
from parjanya_dagster.catalog.facets import VERDICTS
from parjanya_dagster.cli.filters import current_catalog
from parjanya_dagster.cli.status import status_table
from parjanya_dagster.doctor.status import status_of
from parjanya_dagster.ingest.copy_files import Upload, upload
from parjanya_dagster.platform import Platform, open_platform
from parjanya_dagster.settings import load
from parjanya_dagster.truth.models import ImageRow
from parjanya_dagster.web.report import Report

PATIENCE = 600.0  # seconds without any progress before the demo gives up
console = Console()


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--home", type=Path, default=Path(".demo"))
    arguments.add_argument("--keep", action="store_true", help="go on with what is in the home")
    chosen = arguments.parse_args()
    if not chosen.keep:
        shutil.rmtree(chosen.home, ignore_errors=True)
    settings = load(chosen.home)
    console.print("Assembling the sample set …")
    expected = _samples(settings.home / "samples")
    command = [sys.executable, "-m", "parjanya_dagster.cli", "up", "--home", str(settings.home)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as instance:
        try:
            url = _announced(instance)
            platform = open_platform(settings)
            _upload(platform, settings.home / "samples", expected)
            _watch(platform, instance, len(expected))
            problems = _show(platform, settings.home, expected)
            console.print(f"The UI is at {url}", style="bold")
            if sys.stdout.isatty() and instance.poll() is None:
                console.print("Ctrl-C stops everything.")
                _until_interrupted(instance)
        except KeyboardInterrupt:
            problems = ["interrupted"]
        finally:
            instance.send_signal(signal.SIGINT)
            instance.wait()
    for problem in problems:
        console.print(f"✗ {problem}", style="red", markup=False)
    if not problems:
        console.print("Every image ended as it must.", style="green")
    return 1 if problems else 0


def _samples(folder: Path) -> list[dict[str, Any]]:
    if not (folder / "expected.json").is_file() and samples.main([str(folder)]) != 0:
        raise SystemExit("The sample set could not be assembled.")
    return list(json.loads((folder / "expected.json").read_text()))


def _announced(instance: subprocess.Popen[str]) -> str:
    """Wait for the instance to say where its UI is."""
    assert instance.stdout is not None
    for line in instance.stdout:
        console.print(line.rstrip(), style="dim", markup=False)
        if line.startswith("The UI is at "):
            return line.removeprefix("The UI is at ").strip()
    raise SystemExit("The instance did not start; its logs are in the home's `logs` folder.")


def _upload(platform: Platform, folder: Path, expected: list[dict[str, Any]]) -> None:
    for tenant in dict.fromkeys(entry["path"].split("/")[0] for entry in expected):
        recorded = platform.sweeper.add_tenant(tenant)
        files = [
            Upload(folder / entry["path"], _key(entry["path"]))
            for entry in expected
            if entry["path"].startswith(f"{tenant}/")
        ]
        for _ in upload(platform.objects, recorded, files):
            pass


def _key(path: str) -> str:
    return "incoming/" + path.split("/", 1)[1]


def _watch(platform: Platform, instance: subprocess.Popen[str], total: int) -> None:
    """Show progress until every image is terminal, or nothing has moved for too long."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("{task.description:<40}"), BarColumn(), MofNCompleteColumn())
    started = moved = time.monotonic()
    before = ""
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("waiting for the first sweep", total=total)
        while True:
            counts = platform.store.counts()
            waiting: dict[str, int] = {}
            for one in counts:
                for name, n in one.by_status.items():
                    waiting[name] = waiting.get(name, 0) + n
            done = waiting.get("curated", 0) + waiting.get("failed", 0)
            now = ", ".join(f"{n} {name}" for name, n in sorted(waiting.items()))
            if now != before:
                moved, before = time.monotonic(), now
                if not console.is_terminal:
                    console.print(f"{moved - started:6.1f} s  {now}", style="dim")
            progress.update(task, completed=done, description=now or "waiting for the first sweep")
            if done == total:
                break
            if instance.poll() is not None or time.monotonic() - moved > PATIENCE:
                break
            time.sleep(0.5)
    console.print(
        f"{done} of {total} images are terminal after {time.monotonic() - started:.0f} s."
    )


def _show(platform: Platform, home: Path, expected: list[dict[str, Any]]) -> list[str]:
    found = status_of(platform.store, None, time.time())
    console.print(status_table(found["tenants"]))
    table = Table(title="Why")
    for column in ("tenant", "outcome", "reason"):
        table.add_column(column)
    table.add_column("images", justify="right")
    report = home / "report.html"
    with current_catalog(platform.store, home) as catalog:
        for tenant in (one["tenant"] for one in found["tenants"]):
            for verdict in VERDICTS[1:]:
                filters = {"tenant": (tenant,), "verdict": (verdict,)}
                counts = catalog.counts(Query(filters=filters), ("rule", "failure"))
                for rule, n in (counts["rule"] + counts["failure"]).most_common():
                    table.add_row(tenant, verdict, rule, str(n))
        writer = Report(catalog=catalog, store=platform.store, objects=platform.objects)
        writer.write(report, Query(), datetime.now(UTC), "Parjanya demo")
    console.print(table)
    console.print(f"The report is {report}", markup=False)
    return list(_problems(platform, expected)) + [
        f"the conservation law of {one['tenant']} reads {one['law']}, not 0"
        for one in found["tenants"]
        if one["law"]
    ]


def _problems(platform: Platform, expected: list[dict[str, Any]]):  # type: ignore[no-untyped-def]
    """Where an image did not become what it must."""
    for entry in expected:
        tenant = entry["path"].split("/")[0]
        rows = platform.store.find(_key(entry["path"]), tenant)
        if not rows:
            yield f"{entry['path']}: was never registered"
            continue
        yield from (f"{entry['path']}: {wrong}" for wrong in _wrong(platform, rows[0], entry))


def _wrong(platform: Platform, row: ImageRow, entry: dict[str, Any]):  # type: ignore[no-untyped-def]
    must = entry["expect"]
    if row.pipeline_status != must["status"]:
        yield f"is {row.pipeline_status} ({row.failure_reason}), must be {must['status']}"
        return
    if row.failure_class != must.get("failure_class", row.failure_class):
        yield f"failed as {row.failure_class}, must be {must['failure_class']}"
    if row.pipeline_status == "failed":
        return
    evidence = platform.store.evidence([row])[row.image_id]
    if "duplicate" in must:
        first = platform.store.find(_key(must["duplicate_of"]), row.tenant)[0]
        if evidence["curated"].body["duplicate_of"] != first.image_id:
            yield f"must be decided as {must['duplicate']} duplicate of {must['duplicate_of']}"
    for side in ("width", "height"):
        if side in must and evidence["validated"].body[side] != must[side]:
            yield f"has {side} {evidence['validated'].body[side]}, must be {must[side]}"


def _until_interrupted(instance: subprocess.Popen[str]) -> None:
    try:
        instance.wait()
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    sys.exit(main())
