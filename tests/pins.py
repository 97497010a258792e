"""`python -m tests.pins`: do the pins of constraints.txt satisfy pyproject.toml, all of them?

Checks what the project asks for in every extra, and what each pinned package asks for in turn, as
far as it is installed here. Exits 1 and names each requirement that a pin breaks or that has none.
"""

from __future__ import annotations

import sys
import tomllib
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]


def read_pins(text: str) -> dict[str, Version]:
    """name -> version of each `name==version` line."""
    pairs = (line.split("==") for line in text.splitlines() if "==" in line)
    return {canonicalize_name(name): Version(version) for name, version in pairs}


def declared(pyproject: str) -> list[Requirement]:
    """Everything the project asks for, over all extras."""
    project = tomllib.loads(pyproject)["project"]
    extras = project["optional-dependencies"].values()
    return [Requirement(text) for texts in (project["dependencies"], *extras) for text in texts]


def broken(pyproject: str, constraints: str) -> list[str]:
    """What the pins do not satisfy, one sentence each."""
    pins = read_pins(constraints)
    problems: list[str] = []
    seen: set[tuple[str, str]] = set()
    waiting = [("pyproject.toml", one) for one in declared(pyproject)]
    while waiting:
        asker, wanted = waiting.pop()
        name = canonicalize_name(wanted.name)
        extra = ",".join(sorted(wanted.extras))
        if name == "parjanya" or (wanted.marker and not _applies(wanted)):
            continue
        if name not in pins:
            problems.append(f"{asker} asks for {wanted}, which has no pin")
        elif not wanted.specifier.contains(pins[name], prereleases=True):
            problems.append(f"{asker} asks for {wanted}, the pin is {pins[name]}")
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        try:
            deeper = [Requirement(text) for text in requires(wanted.name) or ()]
        except PackageNotFoundError:
            continue
        waiting += [(name, one) for one in deeper if _wanted_by(one, wanted.extras)]
    return sorted(set(problems))


def _applies(wanted: Requirement) -> bool:
    return wanted.marker is None or wanted.marker.evaluate({"extra": ""})


def _wanted_by(wanted: Requirement, extras: set[str]) -> bool:
    if wanted.marker is None:
        return True
    if any(wanted.marker.evaluate({"extra": extra}) for extra in extras or {""}):
        wanted.marker = None
        return True
    return False


def main() -> int:
    problems = broken((ROOT / "pyproject.toml").read_text(), (ROOT / "constraints.txt").read_text())
    for problem in problems:
        print(problem)
    print(f"{len(problems)} broken pins." if problems else "The pins satisfy pyproject.toml.")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
