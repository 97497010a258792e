"""Policy versions: read from YAML, checked, hashed, and never changed."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib import resources
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from .canonical import content_hash
from .checks import disagreements
from .document import Document
from .errors import PolicyChanged, PolicyError, Problem, UnknownPolicy
from .reading import Location, line_of, read
from .reading import field as written

_REF: Final = re.compile(r"([a-z][a-z0-9-]{0,62})@([1-9][0-9]{0,8})")
_SHIPPED: Final = "parjanya_dagster.policy.published"


@dataclass(frozen=True)
class Policy:
    """One immutable version of a policy."""

    document: Document
    hash: str  # "sha256:<hex>" over the canonical JSON of the document
    source: str = field(default="<text>", compare=False)  # where it was read, for people
    text: str = field(default="", compare=False, repr=False)  # as its author wrote it

    @property
    def name(self) -> str:
        return self.document.name

    @property
    def version(self) -> int:
        return self.document.version

    @cached_property
    def ref(self) -> str:
        """``name@version``, as tenants pin it."""
        return f"{self.name}@{self.version}"

    @cached_property
    def paths(self) -> tuple[str, ...]:
        """Every evidence path that the rules read, each once."""
        return tuple(dict.fromkeys(p for rule in self.document.rules for p in rule.paths))

    @cached_property
    def sorted_paths(self) -> tuple[str, ...]:
        return tuple(sorted(self.paths))

    @cached_property
    def textual_paths(self) -> frozenset[str]:
        """Those in which words are looked for."""
        rules = self.document.rules
        return frozenset(p for r in rules for c in r.comparisons if c.textual for p in c.paths)

    @cached_property
    def stages(self) -> frozenset[str]:
        """The stages whose evidence is looked at to decide, duplicates included."""
        stages = {path.split(".")[0] for path in self.paths}
        if self.document.needs.taste is not None:  # it is read from all that was recorded
            stages |= {"validated", "enriched", "scored"}
        stages.discard("taste")
        if self.document.confidence.enriched is not None:
            stages.add("enriched")
        if self.document.duplicates.exact != "ignore" or self.near_distance is not None:
            stages.add("validated")
        return frozenset(stages)

    @cached_property
    def required(self) -> dict[str, tuple[str, ...]]:
        """Per stage, the paths inside its evidence that must be there to decide by this policy."""
        needs, duplicates = self.document.needs, self.document.duplicates
        paths_of: dict[str, list[str]] = {"validated": list(needs.validated)}
        if duplicates.exact != "ignore":
            paths_of["validated"].append("sha256")
        if self.near_distance is not None:
            paths_of["validated"].append("likeness.views")
        if needs.enriched is not None:
            labels = [f"probabilities.{label}" for label in needs.enriched.taxonomy]
            paths_of["enriched"] = [*labels, *needs.enriched.fields]
            if labels:
                paths_of["enriched"] += ["category", "confidence", "distinguishes"]
        if needs.scored is not None:
            paths_of["scored"] = [*(f"metrics.{m}.value" for m in needs.scored.metrics), "quality"]
        return {stage: tuple(dict.fromkeys(paths)) for stage, paths in paths_of.items() if paths}

    @cached_property
    def asking(self) -> frozenset[str]:
        """The stages whose engine must have been asked something that this policy names."""
        needs = self.document.needs
        asked = {
            "enriched": needs.enriched is not None and needs.enriched.prompt is not None,
            "scored": needs.scored is not None and bool(needs.scored.metrics),
        }
        return frozenset(stage for stage, named in asked.items() if named)

    @property
    def asks_again(self) -> bool:
        """Whether people's verdicts under other policies lapse once this one has decided."""
        return self.document.people == "ask_again"

    @cached_property
    def near_distance(self) -> int | None:
        """How far a search for near duplicates looks, in bits of 64. None: there is no search."""
        near = self.document.duplicates.near
        if near is None or near.verdict == "ignore":
            return None
        return near.distance if near.review_from is None else near.review_from

    def content(self) -> dict[str, Any]:
        """The document as plain data, without what was left at its default."""
        return self.document.model_dump(mode="json", by_alias=True, exclude_defaults=True)


def load(path_or_text: Path | str, *, source: str | None = None) -> Policy:
    """A policy from a file, or from YAML text (a string with a line break in it).

    Raises PolicyError naming file, line and field of everything that is wrong with it.
    """
    if isinstance(path_or_text, str) and "\n" in path_or_text:
        return _parse(path_or_text, source or "<text>")
    path = Path(path_or_text)
    name = source or str(path)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        problem = Problem(name, None, "", f"cannot be read: {error.strerror or error}")
        raise PolicyError([problem]) from error
    except ValueError as error:
        raise PolicyError([Problem(name, None, "", "is not UTF-8 text")]) from error
    policy = _parse(text, name)
    if "@" in path.stem and path.stem != policy.ref:
        raise PolicyError([Problem(name, 1, "", f"holds {policy.ref}: rename the file or mend it")])
    return policy


def _parse(text: str, source: str) -> Policy:
    data, lines = read(text, source)

    def problem(at: Location, message: str) -> Problem:
        return Problem(source, line_of(at, lines), written(at), message)

    if not isinstance(data, dict):
        raise PolicyError([problem((), "a policy is a mapping: start with `name: …`")])
    try:
        # Strict mode takes a JSON array for a tuple, but not a Python list.
        document = Document.model_validate_json(json.dumps(data))
    except ValidationError as error:
        # A union reports each of its members: the first word on a field is enough. So is the word
        # on a part, where its whole is only wrong because of the part.
        messages: dict[Location, str] = {}
        for detail in error.errors(include_url=False, include_context=False):
            messages.setdefault(_known(detail["loc"], data), _plainly(detail))
        wholes = {at[:end] for at in messages for end in range(len(at))}
        kept = [problem(at, message) for at, message in messages.items() if at not in wholes]
        raise PolicyError(kept) from error
    if problems := [problem(at, message) for at, message in disagreements(document)]:
        raise PolicyError(problems)
    content = document.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return Policy(document, content_hash(content), source, text)


def _known(location: Location, data: Any) -> Location:
    """The part of pydantic's location that the author can see, with at most one absent field.

    What follows is pydantic's own: the member of a union that it tried.
    """
    for depth, part in enumerate(location):
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return location[: depth + isinstance(data, dict)]
    return location


def _plainly(detail: ErrorDetails) -> str:
    if detail["type"] == "extra_forbidden":
        return "no such field: mend its name or take it out"
    if detail["type"] == "missing":
        return "is required"
    location = detail["loc"]
    if location and location[-1] in ("bool", "int", "float", "str"):
        return "must be true or false, a number, or text"
    message = detail["msg"].removeprefix("Value error, ").replace("Input should", "must")
    return message[:1].lower() + message[1:]


def parse_ref(ref: str) -> tuple[str, int]:
    """``"default@2"`` → ``("default", 2)``. Raises UnknownPolicy on anything else."""
    match = _REF.fullmatch(ref)
    if match is None:
        raise UnknownPolicy(f"{ref!r} is not a policy: write name@version, as in default@2")
    return match[1], int(match[2])


@cache
def _shipped() -> dict[str, Policy]:
    files = [f for f in resources.files(_SHIPPED).iterdir() if f.name.endswith(".yaml")]
    policies = [
        _parse(f.read_text(encoding="utf-8"), f"policies/{f.name}")
        for f in sorted(files, key=lambda f: f.name)
    ]
    return {policy.ref: policy for policy in sorted(policies, key=lambda p: (p.name, p.version))}


def builtin() -> dict[str, Policy]:
    """The policies that ship, by ref, oldest version of a name first."""
    return dict(_shipped())


def newest(name: str = "default", among: Mapping[str, Policy] | None = None) -> Policy:
    """The highest version of a name, of the shipped policies or of those given."""
    versions = [p for p in (builtin() if among is None else among).values() if p.name == name]
    if not versions:
        raise UnknownPolicy(f"no policy is called {name!r}")
    return max(versions, key=lambda policy: policy.version)


def refuse_changed(policy: Policy, published: Mapping[str, str]) -> None:
    """Raises PolicyChanged when this version was published with other content.

    ``published`` maps a ref to the hash it was published with.
    """
    if published.get(policy.ref, policy.hash) != policy.hash:
        raise PolicyChanged(
            f"{policy.source}: {policy.ref} is published with other content: "
            f"restore it, or publish this as {policy.name}@{policy.version + 1}"
        )
