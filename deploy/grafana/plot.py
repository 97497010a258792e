"""Draw the panels of parjanya.json from a Prometheus, where there is no Grafana to look at.

python deploy/grafana/plot.py http://127.0.0.1:9090 panels.png --minutes 30
"""

from __future__ import annotations

import argparse
import json
import math
import time
import urllib.parse
import urllib.request
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.dates
import matplotlib.pyplot as plt

DASHBOARD = Path(__file__).with_name("parjanya.json")
COLUMNS = 4
STEPS = 180


def curves(server: str, expression: str, start: float, end: float) -> list[dict[str, Any]]:
    """The series of an expression over a span of time."""
    asked = {"query": expression, "start": start, "end": end, "step": (end - start) / STEPS}
    url = f"{server}/api/v1/query_range?{urllib.parse.urlencode(asked)}"
    with urllib.request.urlopen(url, timeout=30) as answer:
        found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
        return found


def with_gaps(
    points: Sequence[tuple[float, str]], step: float
) -> tuple[list[datetime], list[float]]:
    """Times and values, with a break where there was no sample."""
    at: list[datetime] = []
    values: list[float] = []
    before = None
    for seconds, value in points:
        if before is not None and seconds - before > 1.5 * step:
            at.append(datetime.fromtimestamp(before + step, UTC))
            values.append(math.nan)
        at.append(datetime.fromtimestamp(seconds, UTC))
        values.append(float(value))
        before = seconds
    return at, values


def label(legend: str, metric: dict[str, str]) -> str:
    for name, value in metric.items():
        legend = legend.replace("{{" + name + "}}", value)
    return legend.replace("{{", "").replace("}}", "")


def draw(server: str, output: Path, minutes: float, end: float) -> None:
    start = end - 60 * minutes
    panels = [one for one in json.loads(DASHBOARD.read_text())["panels"] if "targets" in one]
    rows = -(-len(panels) // COLUMNS)
    figure, axes = plt.subplots(rows, COLUMNS, figsize=(4.6 * COLUMNS, 2.5 * rows), dpi=90)
    for axis in axes.flat[len(panels) :]:
        axis.set_axis_off()
    for axis, panel in zip(axes.flat, panels, strict=False):
        axis.set_title(panel["title"], fontsize=9, loc="left", fontweight="bold")
        drawn = 0
        for target in panel["targets"]:
            for series in curves(server, target["expr"], start, end):
                at, values = with_gaps(series["values"], (end - start) / STEPS)
                name = label(target["legendFormat"], series["metric"])
                axis.plot(at, values, linewidth=1.4, label=name[:34])
                drawn += 1
        axis.set_xlim(datetime.fromtimestamp(start, UTC), datetime.fromtimestamp(end, UTC))
        axis.set_ylim(bottom=0)
        axis.xaxis.set_major_formatter(matplotlib.dates.DateFormatter("%H:%M"))
        axis.tick_params(labelsize=7)
        axis.grid(alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
        if drawn:
            axis.legend(fontsize=6, frameon=False, loc="upper left")
        else:
            axis.text(0.5, 0.5, "no data", transform=axis.transAxes, ha="center", color="0.5")
    figure.tight_layout()
    figure.savefig(output)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("server")
    parser.add_argument("output", type=Path)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--end", type=float, default=None, help="seconds since the epoch")
    chosen = parser.parse_args()
    draw(chosen.server, chosen.output, chosen.minutes, chosen.end or time.time())
