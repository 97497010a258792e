"""Files of decisions: what each line asks for, or what is wrong with it."""

from __future__ import annotations

import json

from parjanya_dagster.review.files import read_decisions

CSV = """image,verdict,note,seen
abc1,accept,"fine, really",0
abc2,maybe,,
,reject,,
abc3,reject,,two
abc4,undo,,3
"""


def test_csv_with_a_header() -> None:
    read = read_decisions(CSV.encode(), "ana", note="all of them")
    assert [(one.image, one.action, one.note, one.seen) for one in read if not one.wrong] == [
        ("abc1", "accept", "fine, really", 0), ("abc4", "undo", "all of them", 3)]  # fmt: skip
    wrong = {one.line: one.wrong for one in read if one.wrong}
    assert set(wrong) == {3, 4, 5}
    assert "'maybe' is no verdict" in wrong[3]
    assert "names no image" in wrong[4]
    assert "'two'" in wrong[5]
    assert {one.who for one in read} == {"ana"}


def test_json_lines_a_list_and_plain_ids() -> None:
    lines = '\n{"image_id": "a", "action": "reject"}\nnonsense\n[1]\n{"key": "x/é.jpg"}\n'
    read = read_decisions(lines.encode(), "ana", "reject")
    assert [(one.image, one.line, bool(one.wrong)) for one in read] == [
        ("a", 2, False), ("", 3, True), ("", 4, True), ("x/é.jpg", 5, False)]  # fmt: skip
    listed = json.dumps([{"image_id": "a", "reviews": 2, "verdict": "accept"}, 7])
    first, second = read_decisions(listed.encode(), "ana")
    assert (first.image, first.action, first.seen) == ("a", "accept", 2)
    assert second.wrong
    plain = read_decisions(b"\xef\xbb\xbf# mine\na\n\nholiday/b, c.jpg\n", "ana", "accept")
    assert [(one.image, one.action) for one in plain] == [
        ("a", "accept"), ("holiday/b, c.jpg", "accept")]  # fmt: skip


def test_a_file_that_cannot_be_read_is_one_line_that_is_wrong() -> None:
    for data in (b"\xff\xfe\x00", b"[{", b"[1"):
        (only,) = read_decisions(data, "ana", "accept")
        assert only.wrong


def test_a_line_that_says_otherwise_than_the_command_is_refused() -> None:
    (line,) = read_decisions(b"image,verdict\na,reject\n", "ana", "accept")
    assert line.wrong == "The line says reject, and the command accept."


def test_the_same_file_asks_for_the_same_and_another_for_something_else() -> None:
    first, again = (read_decisions(CSV.encode(), "ana") for _ in range(2))
    assert first == again
    assert len({one.request_id for one in first if not one.wrong}) == 2
    assert first[0].request_id != read_decisions(CSV.encode(), "ben")[0].request_id
    other = read_decisions(CSV.encode() + b"abc5,accept,,\n", "ana")
    assert first[0].request_id != other[0].request_id
    (named,) = read_decisions(b'{"image": "a", "request_id": "mine"}', "ana", "accept")
    assert named.request_id == "mine"
