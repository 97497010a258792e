"""A report counts everything, shows a bounded part, trusts no name and needs nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from parjanya_dagster.catalog import Query
from parjanya_dagster.platform import Platform
from parjanya_dagster.web.report import Report, Written, counted, kind_of
from tests.support.desk_site import DeskSite

NOW = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)
HOSTILE = "\"'><script>alert(1)<img src=x onerror=alert(2)>{{ 7 * 7 }}\u202egpj.jpg"

Write = Callable[..., Written]


class Page(HTMLParser):
    """Every tag with its attributes, and all text outside styles."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._raw = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._raw = tag == "style"

    def handle_data(self, data: str) -> None:
        self.text += "" if self._raw else data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [found for name, found in self.tags if name == tag]


@pytest.fixture
def write(platform: Platform, tmp_path: Path) -> Any:
    """Writes a report over three rejected images and one that is accepted."""
    platform.registry.publish_builtin()
    site = DeskSite(platform)
    site.add("acme", "a.jpg", "b.jpg", HOSTILE, verdict="reject")
    site.add("bolt", "c.jpg", verdict="accept")

    def written(query: Query | None = None, **options: Any) -> Written:
        report = Report(
            catalog=site.desk.catalog, store=platform.store, objects=platform.objects, **options
        )
        return report.write(tmp_path / "report.html", query or Query(), NOW)

    yield written
    site.desk.catalog.close()


def page(folder: Path) -> Page:
    return Page((folder / "report.html").read_text("utf-8"))


def test_a_filtered_view_is_counted_whole_and_shown_to_its_bound(
    write: Write, tmp_path: Path
) -> None:
    written = write(Query(filters={"verdict": ("reject",)}), most=2)
    assert (written.total, written.shown, written.left_out) == (3, 2, 1)
    found = page(tmp_path)
    assert len(found.all("img")) == 2
    assert "1 more are counted and left out" in found.text
    assert "c.jpg" not in found.text
    assert re.search(r"Rejected\s*3", found.text)
    assert "Accepted" not in found.text


def test_it_stays_below_its_size(write: Write, tmp_path: Path) -> None:
    whole = write()
    assert whole.left_out == 0
    small = write(most_bytes=whole.size // 3)
    assert small.left_out > 0
    assert write(most_bytes=1).shown == 0
    assert "The first 0 are shown" in page(tmp_path).text


@pytest.mark.parametrize("pictures", ["embed", "beside", "none"])
def test_pictures_are_in_it_beside_it_or_not_there(
    write: Write, tmp_path: Path, pictures: str
) -> None:
    write(pictures=pictures)
    sources = [str(one["src"]) for one in page(tmp_path).all("img")]
    files = list(tmp_path.glob("report-pictures/*"))
    if pictures == "embed":
        assert len(sources) == 4
        assert all(one.startswith("data:image/jpeg;base64,") for one in sources)
    elif pictures == "beside":
        assert {tmp_path / one for one in sources} == set(files)
        assert len(files) == 4
    else:
        assert sources == []
    assert pictures == "beside" or files == []


def test_hostile_names_stay_names_and_nothing_is_fetched(write: Write, tmp_path: Path) -> None:
    write()
    found = page(tmp_path)
    assert found.all("script") == []
    assert not any(name.startswith("on") for _, attributes in found.tags for name in attributes)
    assert "alert(1)" in found.text
    assert "{{ 7 * 7 }}" in found.text
    assert "⟨U+202E⟩" in found.text
    assert "\u202e" not in found.text
    assert found.all("link") == []
    policy = next(one["content"] for one in found.all("meta") if "http-equiv" in one)
    assert str(policy).startswith("default-src 'none'; img-src 'self' file: data:;")


def test_a_view_without_images_says_so(write: Write, tmp_path: Path) -> None:
    assert write(Query(filters={"verdict": ()})).total == 0
    assert "No image is like this." in page(tmp_path).text


def test_only_what_pages_show_counts_as_a_picture() -> None:
    assert kind_of(b"\xff\xd8\xff") == "jpeg"
    assert kind_of(b"<svg xmlns=") is None
    assert counted({}) == []
