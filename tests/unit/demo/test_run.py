"""What the demo shows at its end, over a home whose images are decided."""

from __future__ import annotations

from demo.run import _show
from parjanya_dagster.platform import Platform


def test_the_end_of_the_demo_writes_its_report(decided: Platform) -> None:
    home = decided.settings.home
    assert _show(decided, home, []) == []
    assert "Parjanya demo" in (home / "report.html").read_text()
