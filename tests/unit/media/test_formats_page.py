from __future__ import annotations

from tests.support.formats_page import PAGE, written


def test_the_page_of_formats_says_what_the_matrix_tests():
    page = PAGE.read_text()

    assert page == written(page), "run: python -m tests.support.formats_page"
