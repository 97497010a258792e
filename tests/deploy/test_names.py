"""What is deployed names settings, commands and a table that the code has."""

from __future__ import annotations

import json
import re
from itertools import takewhile
from typing import Any, get_args

from typer.main import get_command

from parjanya_dagster.cli.main import app
from parjanya_dagster.settings.groups import Engines
from parjanya_dagster.settings.names import OTHERS, PATHS
from parjanya_dagster.truth.dynamo.schema import table
from tests.deploy.objects import DEPLOY, SITES, objects, of


def test_settings_that_are_given_are_settings() -> None:
    known = PATHS.keys() | OTHERS
    for site in SITES:
        said = re.findall(r"PARJANYA_\w+", str(objects(site)))
        assert set(said) <= known, site
    stack = (DEPLOY / "ecs" / "stack").glob("*.py")
    for file in stack:
        assert set(re.findall(r"\"(PARJANYA_\w+)\"", file.read_text())) <= known, file


def test_engines_that_use_a_gpu_are_engines() -> None:
    said = re.findall(
        r'"PARJANYA_ENGINES__(\w+)": "(\w+)"', (DEPLOY / "ecs" / "refusals.py").read_text()
    )
    assert {field for field, _ in said} == {"ENRICHER", "SCORER"}
    for field, engine in said:
        assert engine in get_args(Engines.model_fields[field.lower()].annotation)


def test_commands_that_are_run_are_commands() -> None:
    said = {
        *(
            tuple(takewhile(str.isidentifier, one["args"]))  # options follow
            for made in [*of("Deployment", "team").values(), *of("Job", "team").values()]
            for kind in ("initContainers", "containers")
            for one in made["spec"]["template"]["spec"].get(kind, [])
            if one.get("args", [""])[0] == "parjanya"
        ),
        ("parjanya", "doctor"),
        ("parjanya", "preflight"),
        ("parjanya", "migrate"),
        ("parjanya", "tenant", "add"),
    }
    for command in said:
        place: Any = get_command(app)
        for word in command[1:]:
            place = place.commands[word]
    for name in ("doctor", "preflight"):
        params = get_command(app).commands[name].params
        assert "--quick" in [option for one in params for option in one.opts]


def test_the_stack_makes_the_table_that_migrating_would() -> None:
    assert json.loads((DEPLOY / "ecs" / "table.json").read_text()) == table("parjanya")
