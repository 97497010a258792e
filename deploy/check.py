"""`make deploy-check`: what in deploy/ can be checked without a cloud, a cluster or Docker.

What a tool objects to is either mended or named in exceptions.yaml with a reason. A reason whose
objection is gone is an objection itself. Ends with 1 where anything is left.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

DEPLOY = Path(__file__).resolve().parent
ROOT = DEPLOY.parent
OUT = ROOT / ".deploy"
BIN = Path(sys.executable).parent
KUBERNETES = "1.34"
CUSTOM = {"NodePool", "EC2NodeClass"}  # validated by Karpenter's own schemas


@dataclass(frozen=True)
class Objection:
    """What a tool does not like."""

    tool: str
    rule: str
    on: str  # the resource or file
    said: str

    def __str__(self) -> str:
        return f"{self.tool} {self.rule} on {self.on}: {self.said}"


Step = Callable[[], Iterator[Objection]]


def images() -> Iterator[Objection]:
    """The Dockerfiles, by hadolint and checkov."""
    files = sorted((DEPLOY / "images").glob("*.Dockerfile"))
    said = json.loads(_output(["hadolint", "-f", "json", *map(str, files)], ok=(0, 1)))
    for one in said:
        yield Objection("hadolint", one["code"], Path(one["file"]).name, one["message"])
    for file in files:
        yield from _checkov("dockerfile", file)


def kubernetes() -> Iterator[Objection]:
    """Each overlay as it would be applied: built, against the schemas, and by checkov."""
    import kubernetes_validate

    for overlay in sorted((DEPLOY / "kubernetes" / "overlays").iterdir()):
        built = OUT / f"{overlay.name}.yaml"
        built.write_text(_output(["kubectl", "kustomize", str(overlay)]))
        for one in _objects(built):
            if one["kind"] in CUSTOM:
                continue
            try:
                kubernetes_validate.validate(one, KUBERNETES, strict=True)
            except kubernetes_validate.ValidationError as error:
                name = f"{one['kind']}/{one['metadata']['name']}"
                yield Objection("kubernetes-validate", "schema", name, error.message)
        yield from _karpenter(overlay.name, built)
        yield from _checkov("kubernetes", built)


def _karpenter(overlay: str, built: Path) -> Iterator[Objection]:
    modules = BIN.parent / "node" / "node_modules"
    shutil.copy(DEPLOY / "kubernetes" / "karpenter.mjs", BIN.parent / "node" / "karpenter.mjs")
    if not (modules / "@kubernetes-models" / "karpenter").exists():
        raise SystemExit("Karpenter's schemas are not installed: `make deploy-check` does it.")
    ours = [one for one in _objects(built) if one["kind"] in CUSTOM]
    command = ["node", str(BIN.parent / "node" / "karpenter.mjs")]
    for one in json.loads(_output(command, stdin=json.dumps(ours))):
        yield Objection("karpenter", "schema", f"{overlay}/{one['name']}", one["said"])


def chart() -> Iterator[Objection]:
    """The chart's own schema on our values, where the chart is at hand: DAGSTER_CHART names it."""
    folder = os.environ.get("DAGSTER_CHART")
    if not folder:
        print("  the chart is not at hand (DAGSTER_CHART): its schema was not consulted")
        return
    import jsonschema

    values = yaml.safe_load((DEPLOY / "kubernetes" / "helm" / "values.yaml").read_text())
    usual = yaml.safe_load((Path(folder) / "values.yaml").read_text())
    schema = json.loads((Path(folder) / "values.schema.json").read_text())
    for error in jsonschema.Draft7Validator(schema).iter_errors(_merged(usual, values)):
        where = ".".join(map(str, error.absolute_path))
        yield Objection("chart", "schema", where, error.message)


def _merged(base: object, over: object) -> object:
    if isinstance(base, dict) and isinstance(over, dict):
        return {
            key: _merged(base.get(key), over[key]) if key in over else base[key]
            for key in {**base, **over}
        }
    return over


def settings() -> Iterator[Objection]:
    """The values read the settings that the overlays make, by a name that changes with them."""
    values = (DEPLOY / "kubernetes" / "helm" / "values.yaml").read_text()
    named = set(re.findall(r"parjanya-settings[\w-]*", values))
    for overlay in sorted((DEPLOY / "kubernetes" / "overlays").iterdir()):
        objects = yaml.safe_load_all(_output(["kubectl", "kustomize", str(overlay)]))
        made = {one["metadata"]["name"] for one in objects if one["kind"] == "ConfigMap"}
        made = {name for name in made if name.startswith("parjanya-settings")}
        if named != made:
            said = f"helm/values.yaml names {_listed(named)}: write {_listed(made)}"
            yield Objection("settings", "another-name", overlay.name, said)


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names)) or "none"


def versions() -> Iterator[Objection]:
    """One release in everything that names an image on Kubernetes."""
    found: dict[str, set[str]] = {}
    named = re.compile(r"parjanya-(?:cpu|gpu)[:@]([\w.+-]+)")
    for file in sorted((DEPLOY / "kubernetes").rglob("*.yaml")):
        said = yaml.safe_load_all(file.read_text())
        for tag in [*_tags(list(said)), *named.findall(file.read_text())]:
            found.setdefault(tag, set()).add(str(file.relative_to(DEPLOY)))
    if len(found) != 1:
        where = "; ".join(f"{tag} in {', '.join(sorted(files))}" for tag, files in found.items())
        yield Objection("versions", "one-release", "kubernetes", where)


def _tags(value: object) -> Iterator[str]:
    """Tags beside a name: the chart's `repository` and kustomize's `newName`."""
    if isinstance(value, dict):
        for name, tag in (("repository", "tag"), ("newName", "newTag")):
            if "parjanya-" in str(value.get(name, "")):
                yield str(value.get(tag))
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from _tags(one)


def ecs() -> Iterator[Objection]:
    """The stack: synthesized, refused by our own rules, then by cfn-lint and checkov."""
    done = subprocess.run(
        [sys.executable, str(DEPLOY / "ecs" / "app.py")],
        env={**os.environ, "CDK_OUTDIR": str(OUT / "ecs")},
        capture_output=True,
        text=True,
        check=False,
    )
    refused = [line for line in done.stderr.splitlines() if line.startswith("refused: ")]
    for line in refused:
        yield Objection("synth", "refused", "ecs", line.removeprefix("refused: "))
    if done.returncode and not refused:
        yield Objection("synth", "failed", "ecs", done.stderr.strip()[-2000:])
        return
    template = OUT / "ecs" / "Parjanya.template.json"
    said = _output(["cfn-lint", "--format", "json", str(template)], ok=(0, 2, 4, 6, 8, 10, 12, 14))
    for one in json.loads(said or "[]"):
        path = one["Location"]["Path"] or ["template"]
        on = ".".join(map(str, path[:2]))
        yield Objection("cfn-lint", one["Rule"]["Id"], on, one["Message"])
    yield from _checkov("cloudformation", template)


def prometheus() -> Iterator[Objection]:
    """Alert rules and their tests, by promtool."""
    tests = sorted((DEPLOY / "prometheus").glob("*test*.y*ml"))
    if not tests:
        print("  no rules are here yet")
        return
    if shutil.which("promtool") is None:
        raise SystemExit("promtool is missing. Debian and Ubuntu: apt-get install prometheus")
    done = subprocess.run(
        ["promtool", "test", "rules", *map(str, tests)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        yield Objection("promtool", "test", "prometheus", done.stdout + done.stderr)


def tests() -> Iterator[Objection]:
    """The tests of the stack and of its refusals."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c",
         str(DEPLOY / "tests" / "pytest.ini"), str(DEPLOY / "tests")],
        capture_output=True, text=True, check=False, cwd=ROOT,
    )  # fmt: skip
    print("  " + (done.stdout.strip().splitlines() or ["no output"])[-1])
    if done.returncode:
        yield Objection("pytest", "failed", "deploy/tests", done.stdout[-6000:] + done.stderr)


STEPS: tuple[Step, ...] = (images, kubernetes, chart, settings, versions, ecs, prometheus, tests)


def _checkov(framework: str, file: Path) -> Iterator[Objection]:
    command = [
        "checkov", "--framework", framework, "--file", str(file),
        "--output", "json", "--quiet", "--compact", "--skip-download",
    ]  # fmt: skip
    said = json.loads(_output(command, ok=(0, 1)))
    if "results" not in said:  # nothing was found to look at
        yield Objection("checkov", "nothing-checked", file.name, str(said))
        return
    for one in said["results"]["failed_checks"]:
        on = one["resource"].removeprefix(f"{file.parent}/")
        yield Objection("checkov", one["check_id"], on, one["check_name"])


def _objects(file: Path) -> list[dict]:
    return [one for one in yaml.safe_load_all(file.read_text()) if one]


def _output(command: list[str], ok: tuple[int, ...] = (0,), stdin: str | None = None) -> str:
    """What a tool of this environment prints. Ends the check where the tool itself fails."""
    own = BIN / command[0]
    done = subprocess.run(
        [str(own) if own.exists() else command[0], *command[1:]],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode not in ok:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    return done.stdout


def excuse(found: list[Objection], exceptions: list[dict]) -> tuple[list[Objection], list[str]]:
    """What no exception covers, and the exceptions that cover nothing."""
    used = set()
    left = []
    for one in found:
        excuses = [
            n for n, each in enumerate(exceptions)
            if (each["tool"], each["rule"]) == (one.tool, one.rule)
            and re.search(each.get("on", ""), one.on)
        ]  # fmt: skip
        used.update(excuses)
        if not excuses:
            left.append(one)
    idle = [f"{each['tool']} {each['rule']}" for n, each in enumerate(exceptions) if n not in used]
    return left, idle


def main() -> int:
    OUT.mkdir(exist_ok=True)
    found: list[Objection] = []
    for step in STEPS:
        print(f"{step.__name__}: {(step.__doc__ or '').strip().splitlines()[0]}", flush=True)
        found += step()
    exceptions = yaml.safe_load((DEPLOY / "exceptions.yaml").read_text())
    left, idle = excuse(found, exceptions)
    for one in left:
        print(f"OBJECTION {one}")
    for name in idle:
        print(f"OBJECTION exceptions.yaml excuses {name}, which nothing objects to any more")
    if not left and not idle:
        print(f"Nothing is left to object to; {len(found)} objections are excused with a reason.")
    return 1 if left or idle else 0


if __name__ == "__main__":
    sys.exit(main())
