"""What a thread that an earlier test left may write does not come between a command's JSON."""

from __future__ import annotations

import threading

import pytest

from parjanya_dagster.lines import get_logger


def test_a_line_is_not_on_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    stray = threading.Thread(target=lambda: get_logger("test").warning("lease_not_extended"))
    stray.start()
    stray.join()
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "lease_not_extended" in printed.err
