"""Names from before the groups: read in this release, with a word about the new one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from parjanya_dagster.errors import SettingsInvalid
from parjanya_dagster.settings import read
from parjanya_dagster.settings.names import PATHS
from parjanya_dagster.settings.old_names import BY_LANE, CONSTANT, RENAMED

HOME = Path("/home/of/an/instance")
SPLIT = {"PARJANYA_LANES__LAYOUT": "split"}


def test_every_old_name_has_a_new_one() -> None:
    assert set(RENAMED.values()) <= PATHS.keys()
    assert len(set(RENAMED.values())) == len(RENAMED)
    assert len(RENAMED) + len(BY_LANE) + len(CONSTANT) + 1 == 61  # and PARJANYA_HOME
    assert not (RENAMED.keys() | BY_LANE.keys() | CONSTANT) & PATHS.keys()


def test_an_old_name_is_read_and_the_new_one_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    settings = read(HOME, {"PARJANYA_MODEL": "m"}, "PARJANYA_RUN_ROWS=7\nPARJANYA_LANES=split\n")
    assert (settings.vlm.model, settings.runs.rows) == ("m", 7)
    assert settings.lanes.layout == "split"
    out, error = capsys.readouterr()
    assert out == ""  # where commands write JSON
    assert "parjanya: PARJANYA_MODEL is called PARJANYA_VLM__MODEL now." in error
    assert len(error.splitlines()) == 3


def test_new_names_say_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    read(HOME, {"PARJANYA_VLM__MODEL": "m"}, "PARJANYA_RUNS__ROWS=7\n")
    assert capsys.readouterr() == ("", "")


def test_old_and_new_may_say_the_same_but_not_different_things(
    capsys: pytest.CaptureFixture[str],
) -> None:
    both = {"PARJANYA_MODEL": "m", "PARJANYA_VLM__MODEL": "m"}
    assert read(HOME, both).vlm.model == "m"
    assert capsys.readouterr().err == ""  # somebody knows the new name
    with pytest.raises(SettingsInvalid) as caught:
        read(HOME, {**both, "PARJANYA_MODEL": "n"})
    assert "PARJANYA_MODEL is the old name of PARJANYA_VLM__MODEL" in str(caught.value)


def test_the_environment_wins_over_the_file_under_either_name() -> None:
    assert read(HOME, {"PARJANYA_RUN_ROWS": "7"}, "PARJANYA_RUNS__ROWS=8\n").runs.rows == 7
    assert read(HOME, {"PARJANYA_RUNS__ROWS": "7"}, "PARJANYA_RUN_ROWS=8\n").runs.rows == 7


def test_the_old_notations_by_lane_are_read(capsys: pytest.CaptureFixture[str]) -> None:
    placement = {"gpu": {"cpu": 7, "memory_mib": 26624, "image": "i"}, "cpu": {"cpu": 2.5}}
    settings = read(
        HOME,
        {
            **SPLIT,
            "PARJANYA_PLACEMENT": json.dumps(placement),
            "PARJANYA_LANE_QUEUES": "gpu=work, cpu=other",
            "PARJANYA_LANE_GROUPS": "gpu=machines",
        },
    )
    gpu = settings.lanes.gpu
    assert (gpu.cpu, gpu.memory_mib, gpu.image, gpu.queue) == (7.0, 26624, "i", "work")
    assert (settings.lanes.cpu.cpu, settings.lanes.cpu.queue) == (2.5, "other")
    assert settings.lanes.scaling_groups == {"gpu": "machines"}
    error = capsys.readouterr().err
    assert "PARJANYA_LANE_QUEUES is called PARJANYA_LANES__<LANE>__QUEUE now" in error


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("PARJANYA_PLACEMENT", "{gpu}", "PARJANYA_PLACEMENT does not read JSON by lane"),
        ("PARJANYA_PLACEMENT", "[1]", "PARJANYA_PLACEMENT does not read JSON by lane"),
        ("PARJANYA_PLACEMENT", '{"tpu": {"cpu": 1}}', "PARJANYA_LANES__TPU__CPU is no setting"),
        ("PARJANYA_PLACEMENT", '{"gpu": {"gpuz": 1}}', "Did you mean PARJANYA_LANES__GPU__GPUS"),
        ("PARJANYA_LANE_QUEUES", "work", "does not read lane=name"),
        ("PARJANYA_LANE_QUEUES", "gpu=a,gpu=b", "does not read lane=name"),
        ("PARJANYA_LANE_GROUPS", "tpu=a", "PARJANYA_LANES__TPU__SCALING_GROUP is no setting"),
    ],
)
def test_an_old_notation_that_does_not_read_is_refused(name: str, value: str, why: str) -> None:
    with pytest.raises(SettingsInvalid) as caught:
        read(HOME, {**SPLIT, name: value})
    assert why in str(caught.value)


def test_what_became_a_constant_is_ignored_and_said(capsys: pytest.CaptureFixture[str]) -> None:
    read(HOME, {"PARJANYA_MAX_ATTEMPTS": "9"})
    assert "PARJANYA_MAX_ATTEMPTS is no setting any more" in capsys.readouterr().err
