"""A policy with other thresholds, in its author's own words: comments and layout stay.

What was written is read back. Where that is not what was meant, the document is written anew.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import yaml

from .errors import PolicyError
from .movable import movable
from .versions import Policy, load

Thresholds = Mapping[str, tuple[float, float | None]]
"""Rule id -> the threshold of its movable comparison, and its review_from or None."""

Places = Mapping[str, int | None]
"""Rule id -> where its movable comparison is, in an `all_of`."""

_Edit = tuple[int, int, str]  # replace text[start:end] by this


def with_thresholds(policy: Policy, name: str, version: int, thresholds: Thresholds) -> Policy:
    """The policy under another name and version with these thresholds. Nothing is published.

    Raises PolicyError where the result is no valid policy.
    """
    places = {rule.id: movable(rule) for rule in policy.document.rules if rule.id in thresholds}
    content = _changed(policy.content(), name, version, thresholds, places)
    source = f"{name}@{version}.yaml"
    try:
        edited = load(_edited(policy.text, name, version, thresholds, places) + "\n", source=source)
        if edited.content() == content:
            return edited
    except (PolicyError, yaml.YAMLError, LookupError):
        pass
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=90)
    return load(text, source=source)


def _changed(
    content: dict[str, Any], name: str, version: int, thresholds: Thresholds, places: Places
) -> dict[str, Any]:
    content = copy.deepcopy(content) | {"name": name, "version": version}
    for rule in content["rules"]:
        if rule["id"] in thresholds:
            threshold, review_from = thresholds[rule["id"]]
            when = rule["when"]
            if when.get("all_of"):
                when = when["all_of"][places[rule["id"]]]
            when[_operator(when)] = threshold
            when.pop("review_from", None)
            if review_from is not None:
                when["review_from"] = review_from
    return content


def _operator(when: Mapping[str, Any]) -> str:
    (operator,) = (key for key in when if key in ("below", "above", "at_least", "at_most"))
    return str(operator)


def _edited(text: str, name: str, version: int, thresholds: Thresholds, places: Places) -> str:
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if not isinstance(root, yaml.MappingNode):
        raise LookupError("the text is no mapping")
    edits = [_set(root, "name", name), _set(root, "version", str(version))]
    for rule in _child(root, "rules").value:
        rule_id = _child(rule, "id").value
        if rule_id in thresholds:
            when = _child(rule, "when")
            if any(key.value == "all_of" for key, _ in when.value):
                when = _child(when, "all_of").value[places[rule_id]]
            edits += _rule_edits(text, when, *thresholds[rule_id])
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    return text.rstrip("\n")


def _rule_edits(
    text: str, when: yaml.MappingNode, threshold: float, review_from: float | None
) -> Iterator[_Edit]:
    keys = {key.value: number for number, (key, _) in enumerate(when.value)}
    operator = _operator(keys)
    yield _set(when, operator, _spelled(threshold))
    if "review_from" in keys and review_from is not None:
        yield _set(when, "review_from", _spelled(review_from))
    elif "review_from" in keys:
        at = keys["review_from"]
        key, value = when.value[at]
        before = when.value[at - 1][1].end_mark.index if at else key.start_mark.index
        after = value.end_mark.index if at else when.value[1][0].start_mark.index
        yield before, after, ""
    elif review_from is not None:
        key, value = when.value[keys[operator]]
        apart = ", " if when.flow_style else "\n" + " " * key.start_mark.column
        end = value.end_mark.index
        yield end, end, f"{apart}review_from: {_spelled(review_from)}"


def _child(node: yaml.MappingNode, name: str) -> Any:
    for key, value in node.value:
        if key.value == name:
            return value
    raise KeyError(name)


def _set(node: yaml.MappingNode, name: str, new: str) -> _Edit:
    value = _child(node, name)
    return value.start_mark.index, value.end_mark.index, new


def _spelled(number: float) -> str:
    """As YAML 1.1 reads it: 1e-05 would be text."""
    return format(Decimal(repr(number)), "f").removesuffix(".0")
