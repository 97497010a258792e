"""The comparison of kernels: what moved, by how much, and under which variant."""

from __future__ import annotations

from tools.kernels import flat, moves, table

OWN = {"cat": {"score": 4.0, "boxes#0": 1.0, "boxes#1": 2.0, "hash": "ab"}}


def test_what_is_the_same_everywhere_moved_nowhere() -> None:
    found = moves(OWN, {"plain": OWN})
    assert set(found) == {"score", "boxes", "hash"}
    assert not any(move.images for move in found.values())
    assert "3 of 3 numbers moved nowhere." in table(found, 1)


def test_the_largest_difference_is_told_with_its_variant() -> None:
    others = {
        "near": {"cat": {**OWN["cat"], "score": 4.1}},
        "far": {"cat": {**OWN["cat"], "score": 3.5, "boxes#1": 2.25}},
    }
    found = moves(OWN, others)
    assert (found["score"].largest, found["score"].under) == (0.5, "far")
    assert (found["boxes"].largest, found["boxes"].images) == (0.25, {"cat"})
    assert "| `score` | 0.5 |  | 1 of 1 | far |" in table(found, 1)


def test_what_is_no_number_or_vanishes_is_counted() -> None:
    other = {"cat": {"score": None, "boxes#0": 1.0, "hash": "ac"}}
    found = moves(OWN, {"plain": other})
    assert {path: move.otherwise for path, move in found.items()} == {
        "score": 1,
        "boxes": 1,
        "hash": 1,
    }


def test_every_leaf_has_a_path() -> None:
    body = {"a": {"b": 1}, "c": [{"d": 2}, 3], "e": None}
    assert dict(flat(body)) == {"a.b": 1, "c#0.d": 2, "c#1": 3, "e": None}
