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

import chart_render
import yaml
from helm_python.chart import lint

DEPLOY = Path(__file__).resolve().parent
ROOT = DEPLOY.parent
OUT = ROOT / ".deploy"
BIN = Path(sys.executable).parent
KUBERNETES = "1.34"
CUSTOM = {
    "NodePool",
    "EC2NodeClass",
    "HTTPRoute",
    "ScaledObject",
    "PrometheusRule",
    "ServiceMonitor",
    "ExternalSecret",
}  # of operators, which publish schemas of their own
INFO = 1  # helm's word for what need not be mended


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
    """The chart as each example would install it: linted, against the schemas, and by checkov."""
    chart = _whole_chart()
    for file in chart_render.EXAMPLES:
        site = chart_render.example(file.stem)
        for one in lint(chart, site, strict=True)["messages"]:
            if one["severity"] > INFO:
                yield Objection(
                    "helm", "lint", f"{file.stem}/{Path(one['path']).name}", one["error"]
                )
        yield from _against_schemas(chart_render.render(site, chart))
        built = OUT / f"{file.stem}.yaml"  # what is ours to mend
        built.write_text(yaml.safe_dump_all(chart_render.rendered(file.stem)))
        yield from _checkov("kubernetes", built)


def _whole_chart() -> Path:
    """The chart with Dagster's own in it, where that is at hand: DAGSTER_CHART names its folder.

    Its schema then judges our values, and its objects are judged with ours.
    """
    whole = OUT / "chart"
    shutil.rmtree(whole, ignore_errors=True)
    shutil.copytree(chart_render.CHART, whole)
    if theirs := os.environ.get("DAGSTER_CHART"):
        shutil.copytree(theirs, whole / "charts" / "dagster")
    else:
        print("  Dagster's chart is not at hand (DAGSTER_CHART): our values for it are not judged")
        about = yaml.safe_load((whole / "Chart.yaml").read_text())
        (whole / "Chart.yaml").write_text(yaml.safe_dump(about | {"dependencies": []}))
    return whole


def _against_schemas(objects: list[dict]) -> Iterator[Objection]:
    import kubernetes_validate

    for one in objects:
        if one["kind"] in CUSTOM:
            continue
        try:
            kubernetes_validate.validate(one, KUBERNETES, strict=True)
        except kubernetes_validate.ValidationError as error:
            name = f"{one['kind']}/{one['metadata']['name']}"
            yield Objection("kubernetes-validate", "schema", name, error.message)
    node = BIN.parent / "node"
    shutil.copy(DEPLOY / "custom.mjs", node / "custom.mjs")
    if not (node / "node_modules" / "@kubernetes-models" / "keda").exists():
        raise SystemExit("The operators' schemas are not installed: `make deploy-check` does it.")
    ours = json.dumps([one for one in objects if one["kind"] in CUSTOM])
    for one in json.loads(_output(["node", str(node / "custom.mjs")], stdin=ours)):
        yield Objection("operators", "schema", one["name"], one["said"])


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


STEPS: tuple[Step, ...] = (images, kubernetes, ecs, prometheus, tests)


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
