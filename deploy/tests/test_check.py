"""The check itself: an objection is excused by name only, and an idle excuse is an objection."""

from __future__ import annotations

from check import Objection, excuse

ONE = Objection("checkov", "CKV_1", "Deployment.login", "said")
OTHER = Objection("checkov", "CKV_1", "Deployment.uploads", "said")


def test_an_exception_excuses_the_resource_it_names() -> None:
    why = {"tool": "checkov", "rule": "CKV_1", "on": "login", "why": "…"}
    assert excuse([ONE, OTHER], [why]) == ([OTHER], [])


def test_an_exception_without_an_objection_is_found() -> None:
    why = {"tool": "checkov", "rule": "CKV_2", "why": "…"}
    assert excuse([ONE], [why]) == ([ONE], ["checkov CKV_2"])
