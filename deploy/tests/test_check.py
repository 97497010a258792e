"""The check itself: an objection is excused by name only, and an idle excuse is an objection."""

from __future__ import annotations

from check import Objection, _merged, _tags, excuse

ONE = Objection("checkov", "CKV_1", "Deployment.login", "said")
OTHER = Objection("checkov", "CKV_1", "Deployment.uploads", "said")


def test_an_exception_excuses_the_resource_it_names() -> None:
    why = {"tool": "checkov", "rule": "CKV_1", "on": "login", "why": "…"}
    assert excuse([ONE, OTHER], [why]) == ([OTHER], [])


def test_an_exception_without_an_objection_is_found() -> None:
    why = {"tool": "checkov", "rule": "CKV_2", "why": "…"}
    assert excuse([ONE], [why]) == ([ONE], ["checkov CKV_2"])


def test_versions_are_read_where_the_chart_and_kustomize_write_them() -> None:
    values = {"image": {"repository": "r/parjanya-cpu", "tag": "1"}, "other": {"tag": "9"}}
    images = [{"name": "x", "newName": "r/parjanya-cpu", "newTag": "2"}]
    assert sorted(_tags([values, images])) == ["1", "2"]


def test_values_are_laid_over_the_charts_own() -> None:
    assert _merged({"a": {"b": 1, "c": 2}}, {"a": {"b": 3}}) == {"a": {"b": 3, "c": 2}}
