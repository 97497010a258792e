"""The layout that docs/architecture.md tells: few modules in the root, no file in a circle.

And of the tests: no test module imports another, what they share lies in `tests/support`.
"""

from __future__ import annotations

import ast
from pathlib import Path

import grimp
import pytest

import parjanya_dagster

ROOT = Path(str(parjanya_dagster.__file__)).parent
TESTS = Path(__file__).parents[1]
LOOSE = {"__init__", "definitions", "errors", "lines", "logs", "platform"}


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("parjanya_dagster", cache_dir=None)


def test_the_root_holds_only_what_every_room_needs() -> None:
    assert {path.stem for path in ROOT.glob("*.py")} <= LOOSE


def test_no_module_imports_a_module_that_imports_it_back(graph: grimp.ImportGraph) -> None:
    back = {
        f"{module} <-> {imported}"
        for module in graph.modules
        for imported in graph.find_modules_directly_imported_by(module)
        if module in graph.find_modules_directly_imported_by(imported) and module < imported
    }
    assert back == set()


def test_no_package_imports_a_package_that_imports_it_back(graph: grimp.ImportGraph) -> None:
    """For every package at every depth: its siblings are never tied both ways."""
    packages = {path.parent for path in ROOT.rglob("__init__.py")}
    back = set()
    for package in packages:
        name = ".".join(("parjanya_dagster", *package.relative_to(ROOT).parts))
        siblings = sorted(graph.find_children(name))
        for first in siblings:
            for second in siblings:
                if (
                    first < second
                    and _imports(graph, first, second)
                    and _imports(graph, second, first)
                ):
                    back.add(f"{first} <-> {second}")
    assert back == set()


def _imports(graph: grimp.ImportGraph, importer: str, imported: str) -> bool:
    return graph.direct_import_exists(importer=importer, imported=imported, as_packages=True)


def imported(file: Path) -> set[str]:
    """The modules that a file names in its imports, and what it takes from them."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {one.name for one in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{one.name}" for one in node.names} | {str(node.module)}
    return found


def test_nothing_imports_a_test_module_or_a_conftest() -> None:
    wrong = {
        f"{file.relative_to(TESTS)}: {module}"
        for file in TESTS.rglob("*.py")
        for module in imported(file)
        if module.startswith("tests.")
        and any(part == "conftest" or part.startswith("test_") for part in module.split("."))
    }
    assert wrong == set()


def test_what_is_shared_knows_no_suite() -> None:
    """`tests.support` imports nothing of `tests` but itself."""
    wrong = {
        f"{file.name}: {module}"
        for file in (TESTS / "support").glob("*.py")
        for module in imported(file)
        if module.startswith("tests.") and not module.startswith("tests.support")
    }
    assert wrong == set()
