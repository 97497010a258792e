"""Pages rendered with typst: screenshots, slides, posters, infographics, cards, banners.

The pages are data (`pages/pages.yaml`), the layouts are templates (`pages/*.typ`). The same seed
gives the same pixels.
"""

from __future__ import annotations

import importlib
import inspect
import json
import random
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from demo.photographs import Photograph

PAGES = Path(__file__).parent / "pages"


@dataclass(frozen=True)
class Page:
    """One rendered page; `data` is PNG bytes."""

    name: str
    tenant: str
    kind: str
    data: bytes


def rendered_pages(
    photographs: Mapping[str, Photograph], work: Path, seed: int = 7
) -> Iterator[Page]:
    """Render every page of `pages.yaml`, in order. `work` is an empty folder of the caller's."""
    import typst
    import yaml

    for template in PAGES.glob("*.typ"):
        shutil.copy(template, work)
    document = yaml.safe_load((PAGES / "pages.yaml").read_text())
    fonts = typst.Fonts(include_system_fonts=False, font_paths=_font_folders())
    for entry in document["pages"]:
        data = _page_data(document["defaults"] | entry, random.Random(f"{seed} {entry['name']}"))
        if "photo" in entry:
            photograph = photographs[entry["photo"]]
            data["photo"] = photograph.name + photograph.suffix
            (work / data["photo"]).write_bytes(photograph.data)
        png = typst.compile(
            str(work / f"{entry['template']}.typ"),
            root=str(work),
            font_paths=fonts,
            format="png",
            ppi=float(entry["ppi"]),
            sys_inputs={"data": json.dumps(data)},
        )
        yield Page(entry["name"], entry["tenant"], entry["kind"], png)


def _font_folders() -> list[str]:
    folders = []
    for package, folder in (
        ("font_roboto", "files"),
        ("font_lato", "files"),
        ("font_fredoka_one", "files"),
        ("matplotlib", "mpl-data/fonts/ttf"),
    ):
        spec = find_spec(package)
        if spec is None or spec.origin is None:
            raise ModuleNotFoundError(
                f"{package} is missing: install the demo's packages with "
                "`pip install 'parjanya[demo]'`"
            )
        folders.append(str(Path(spec.origin).parent / folder))
    return folders


def _page_data(entry: dict[str, Any], rng: random.Random) -> dict[str, Any]:
    """What a template reads: the entry with its shorthands written out."""
    data = dict(entry)
    data["width"], data["height"] = entry["size"]
    if "series" in entry:
        data["values"] = _series(rng, *entry["series"])
    if "source" in entry and entry.get("layout") == "editor":
        data["code"] = _highlighted(entry["source"], entry["style"], entry["first"], 34)
        data["files"] = [_tree_row(row) for row in entry["files"]]
    if "lines" in entry:
        data["rows"] = [_terminal_row(line, entry["ink"]) for line in entry["lines"]]
    if "table" in entry:
        data["cells"] = _cells(rng, *entry["table"])
    for key, fields in (
        ("messages", ("who", "time", "text")),
        ("cards", ("label", "value", "change")),
        ("columns", ("title", "text")),
        ("steps", ("title", "text")),
        ("programme", ("time", "what", "who")),
        ("figures", ("value", "label")),
    ):
        if key in entry:
            data[key] = [dict(zip(fields, row, strict=True)) for row in entry[key]]
    for card in data.get("cards", ()):
        card["up"] = card["change"].startswith("+")
    if entry.get("layout") in ("dashboard", "phone"):
        data["rows"] = [{"name": name, "value": value} for name, value in entry["rows"]]
    if "sides" in entry:
        data["sides"] = [
            {
                "title": title,
                "facts": [{"value": v, "label": label} for v, label in facts],
                "values": _series(rng, 7, trend),
            }
            for title, facts, trend in entry["sides"]
        ]
    return data


def _series(rng: random.Random, n: int, trend: float) -> list[float]:
    """`n` values in 0.08..1 that wander around a line of slope `trend` over the whole width."""
    values, drift = [], 0.0
    for i in range(n):
        drift = 0.6 * drift + rng.uniform(-0.12, 0.12)
        values.append(min(1.0, max(0.08, 0.5 + trend * (i / max(1, n - 1) - 0.5) + drift)))
    return values


def _cells(rng: random.Random, header: list[Any], names: list[str]) -> list[list[str]]:
    rows = [[str(h) for h in header]]
    for name in names:
        rows.append([name, *(f"{rng.randrange(120, 98_000) / 10:,.1f}" for _ in header[1:])])
    return rows


def _terminal_row(line: str, ink: str) -> dict[str, str]:
    color = {"+": "#4ade80", "!": "#f87171", "$": "#7dd3fc"}.get(line[:1], ink)
    return {"text": line[2:] if line[:1] in ("+", "!") else line or " ", "color": color}


def _tree_row(row: str) -> dict[str, Any]:
    name = row.strip()
    return {
        "depth": (len(row) - len(row.lstrip())) // 2,
        "folder": name.startswith("v "),
        "open": name.endswith("*"),
        "name": name.removeprefix("v ").removesuffix("*"),
    }


def _highlighted(module: str, style: str, first: int, n: int) -> list[list[dict[str, str]]]:
    """Lines `first`..`first+n` of a standard-library module as coloured tokens."""
    from pygments.lexers import PythonLexer
    from pygments.styles import get_style_by_name

    colors = get_style_by_name(style)
    source = inspect.getsource(importlib.import_module(module))
    lines: list[list[dict[str, str]]] = [[]]
    for kind, text in PythonLexer().get_tokens(source):
        color = "#" + (colors.style_for_token(kind)["color"] or "808080")
        for i, part in enumerate(text.split("\n")):
            if i:
                lines.append([])
            if part:
                lines[-1].append({"text": part, "color": color})
    return lines[first - 1 : first - 1 + n]
