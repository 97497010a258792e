"""Reads YAML text into plain data, with the line of each field.

Knows nothing of policies. It is stricter than PyYAML: a key given twice is an error (PyYAML keeps
the last one silently), and so are aliases and anything that JSON cannot express (dates).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import yaml

from .errors import PolicyError, Problem

Location = tuple[str | int, ...]  # ("rules", 2, "when", "below")
_PLAIN: Final = frozenset(
    f"tag:yaml.org,2002:{kind}" for kind in ("null", "bool", "int", "float", "str")
)


def read(text: str, source: str) -> tuple[Any, dict[Location, int]]:
    """The document's data and the 1-based line of each location in it. Raises PolicyError."""
    loader = None
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
        if root is None:
            raise PolicyError([Problem(source, None, "", "the document is empty")])
        lines: dict[Location, int] = {}
        return _plain(root, (), loader, lines, source), lines
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = error.problem or "cannot be read"
        line = mark.line + 1 if mark else None
        raise PolicyError([Problem(source, line, "", f"not valid YAML: {problem}")]) from error
    except yaml.YAMLError as error:
        raise PolicyError([Problem(source, None, "", f"not valid YAML: {error}")]) from error
    except RecursionError as error:
        raise PolicyError([Problem(source, None, "", "nested too deeply")]) from error
    finally:
        if loader is not None:
            loader.dispose()


class _Loader(yaml.SafeLoader):
    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):  # an alias can hide a cycle or a flood
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.MarkedYAMLError(
                problem="write it out, aliases are not read", problem_mark=mark
            )
        return super().compose_node(parent, index)


def _plain(
    node: yaml.Node, at: Location, loader: _Loader, lines: dict[Location, int], source: str
) -> Any:
    line = node.start_mark.line + 1
    lines.setdefault(at, line)
    if isinstance(node, yaml.MappingNode):
        mapping: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            here = (*at, key)
            if key in mapping:
                raise PolicyError(
                    [Problem(source, key_node.start_mark.line + 1, field(here), "given twice")]
                )
            lines[here] = key_node.start_mark.line + 1
            mapping[key] = _plain(value_node, here, loader, lines, source)
        return mapping
    if isinstance(node, yaml.SequenceNode):
        return [
            _plain(item, (*at, index), loader, lines, source)
            for index, item in enumerate(node.value)
        ]
    if node.tag not in _PLAIN:
        raise PolicyError(
            [
                Problem(
                    source, line, field(at), f"{node.value!r} is not plain text: put it in quotes"
                )
            ]
        )
    try:
        return loader.construct_object(node)
    except ValueError as error:  # YAML 1.1 takes 0o99-like words for numbers
        message = f"{node.value!r} is not a number: put it in quotes if it is text"
        raise PolicyError([Problem(source, line, field(at), message)]) from error


def field(location: Location) -> str:
    """``("rules", 2, "when")`` as a person writes it: ``rules[2].when``."""
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def line_of(location: Location, lines: Mapping[Location, int]) -> int | None:
    """The line of a location, or of its nearest parent when the field itself is absent."""
    for end in range(len(location), -1, -1):
        if location[:end] in lines:
            return lines[location[:end]]
    return None
