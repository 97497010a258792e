"""The HTML report counts every image once and trusts no name."""

from __future__ import annotations

import base64
import hashlib
import io
import re
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest
from PIL import Image

from parjanya_dagster.web.report.page import (
    OUTCOMES,
    ReportImage,
    ReportReason,
    data_uri,
    render,
    summarize,
)
from parjanya_dagster.web.text import fact, visible

NOW = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)
HOSTILE = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>{{ 7 * 7 }}.jpg"


def picture() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 6), "teal").save(buffer, "JPEG")
    return buffer.getvalue()


def image(name: str, tenant: str = "acme", **changes: object) -> ReportImage:
    values = {"status": "curated", "verdict": "accept", "thumbnail": picture()} | changes
    return ReportImage(tenant=tenant, key=name, image_id=f"id-{tenant}-{name}", **values)


class Page(HTMLParser):
    """Every tag with its attributes, and all text outside style and script."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._raw = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._raw = tag in ("style", "script")

    def handle_endtag(self, tag: str) -> None:
        self._raw = False

    def handle_data(self, data: str) -> None:
        if not self._raw:
            self.text += data


def cards(page: Page) -> list[dict[str, str | None]]:
    return [attrs for tag, attrs in page.tags if tag == "article"]


def test_every_image_is_counted_once_under_its_tenant_and_outcome():
    rows = [
        image("a"),
        image("b", verdict="reject", reasons=(ReportReason("too_small", "It is small."),)),
        image("c", verdict="review", reasons=(ReportReason("doubt", "It may be a slide."),)),
        image("d", status="failed", verdict=None,
              reasons=(ReportReason("truncated", "It ends early."),)),
        image("e", status="pending_iqa", verdict=None),
        image("f", tenant="globex"),
    ]  # fmt: skip
    acme, globex = summarize(rows)
    assert acme.counts == {"accept": 1, "reject": 1, "review": 1, "failed": 1, "pending": 1}
    assert (acme.total, globex.total) == (5, 1)
    assert acme.reasons == [
        ("reject", "too_small", 1), ("review", "doubt", 1), ("failed", "truncated", 1),
    ]  # fmt: skip
    assert [c["data-outcome"] for c in cards(Page(render(rows, "t", NOW)))] == [
        "accept", "reject", "review", "failed", "pending", "accept",
    ]  # fmt: skip


def test_an_image_with_two_reasons_of_one_rule_counts_once_for_the_rule():
    twice = (ReportReason("near", "Like x."), ReportReason("near", "Like y."))
    (summary,) = summarize([image("a", verdict="reject", reasons=twice)])
    assert summary.reasons == [("reject", "near", 1)]


def test_curated_without_a_verdict_is_not_reported_as_accepted():
    assert image("a", verdict=None).outcome == "pending"


def test_hostile_text_stays_text_wherever_it_comes_from():
    row = ReportImage(
        tenant=HOSTILE, key=HOSTILE, image_id=HOSTILE, status="failed", verdict=None,
        reasons=(ReportReason(HOSTILE, HOSTILE),), category=HOSTILE, facts={HOSTILE: HOSTILE},
    )  # fmt: skip
    page = Page(render([row], HOSTILE, NOW))
    assert [tag for tag, _ in page.tags].count("script") == 1
    assert not [a for _, attrs in page.tags for a in attrs if a.startswith("on")]
    assert not [tag for tag, _ in page.tags if tag == "img"]
    assert "alert(1)" in page.text
    assert "{{ 7 * 7 }}" in page.text
    (card,) = cards(page)
    assert card["data-tenant"] == HOSTILE


def test_a_name_cannot_hide_or_reorder_its_characters():
    html = render([image("photo\u202egpj.exe\x00\ud800")], "t", NOW)
    assert "photo⟨U+202E⟩gpj.exe⟨U+0000⟩⟨U+D800⟩" in html
    html.encode()
    assert visible("Blüte & キウイ.jpg") == "Blüte & キウイ.jpg"


def test_the_page_needs_nothing_but_itself():
    page = Page(render([image("a")], "t", NOW))
    for tag, attrs in page.tags:
        assert tag not in ("link", "iframe", "object", "embed", "base")
        for name in ("src", "href", "action"):
            if name in attrs:
                assert str(attrs[name]).startswith("data:image/jpeg;base64,")
    assert "url(" not in render([image("a")], "t", NOW)


def test_the_policy_allows_exactly_the_script_that_is_there():
    html = render([image("a")], "t", NOW)
    (script,) = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (policy,) = [a["content"] for tag, a in Page(html).tags if "content" in a and "http-equiv" in a]
    assert f"script-src 'sha256-{digest}'" in str(policy)
    assert "default-src 'none'" in str(policy)


def test_both_themes_are_styled():
    html = render([], "t", NOW)
    assert "prefers-color-scheme: dark" in html
    assert all(f"--{outcome}" in html for outcome in OUTCOMES)


def test_an_empty_report_says_that_there_are_no_images():
    assert "0 images of 0 tenants" in Page(render([], "t", NOW)).text


@pytest.mark.parametrize("quality", [-5.0, 0.0, 100.0, 108.0])
def test_any_quality_falls_into_a_bin(quality):
    assert "<rect" in render([image("a", quality=quality)], "t", NOW)


def test_a_thumbnail_of_another_kind_is_refused():
    with pytest.raises(ValueError, match="JPEG, PNG or WebP"):
        data_uri(b"<svg onload=alert(1)>")


@pytest.mark.parametrize(
    ("value", "text"),
    [(True, "yes"), (1234567, "1,234,567"), (0.123456, "0.1235"), (["a", 1], "a, 1")],
)
def test_facts_read_as_people_write_them(value, text):
    assert fact(value) == text
