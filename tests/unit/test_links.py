"""Every link of the documentation leads somewhere: to a file, and to a heading in it."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"\]\(([^()\s]+(?:\([^()\s]*\)[^()\s]*)*)\)")
FENCE = re.compile(r"^ *(```|~~~).*?^ *\1", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`[^`]*`")
HEADING = re.compile(r"^#{1,6} +(.+?)(?: +#+)?$", re.MULTILINE)
NO_LETTER = re.compile(r"[^\w\- ]")


@cache
def anchors(page: Path) -> frozenset[str]:
    """What GitHub calls the headings of a page."""
    found: list[str] = []
    for heading in HEADING.findall(FENCE.sub("", page.read_text())):
        shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
        name = NO_LETTER.sub("", shown).replace(" ", "-")
        again = found.count(name)
        found.append(f"{name}-{again}" if again else name)
    return frozenset(found)


def broken(page: Path) -> list[str]:
    """The links of a page within the repository that lead nowhere."""
    wrong = []
    for link in LINK.findall(CODE.sub("", FENCE.sub("", page.read_text()))):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            wrong.append(link)
    return wrong


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    assert broken(page) == []


def test_a_link_that_leads_nowhere_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# A `page`, of (two) words\n## Twice\n## Twice\n"
        "[here](#a-page-of-two-words) [again](#twice-1) [itself](page.md#twice)\n"
        "[gone](gone.md) [no heading](#thrice) [elsewhere](https://example.org/#x) `[code](x.md)`\n"
    )
    assert broken(page) == ["gone.md", "#thrice"]
