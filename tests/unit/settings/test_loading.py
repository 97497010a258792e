"""Settings are read by their names. A name that is none is an error; no error tells a secret."""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest

from gpu_ops.detectors import NAMES
from gpu_ops.engines import OVERLAY
from parjanya_dagster.errors import SettingsInvalid
from parjanya_dagster.lanes import BY_NAME
from parjanya_dagster.settings import ENV_FILE, Settings, load, read
from parjanya_dagster.settings.groups import DETECTORS, Lanes
from parjanya_dagster.settings.names import PATHS

HOME = Path("/home/of/an/instance")
SECRET = "sk-verysecret"


def refused(environment: dict[str, str] | None = None, file: str = "") -> str:
    with pytest.raises(SettingsInvalid) as caught:
        read(HOME, environment or {}, file)
    everything = "".join(traceback.format_exception(caught.value))
    assert SECRET not in everything
    return str(caught.value)


def test_a_nested_name_is_the_setting_of_a_group() -> None:
    settings = read(
        HOME,
        {"PARJANYA_VLM__MODEL": "m", "PARJANYA_RUNS__ROWS": "7", "OTHER": "1"},
        "# a comment\nexport PARJANYA_RUNS__ROWS=8\n\nPARJANYA_VLM__DESCRIBE='false'\n",
    )
    assert (settings.vlm.model, settings.runs.rows, settings.vlm.describe) == ("m", 7, False)
    assert read(HOME, {"parjanya_runs__rows": "9"}).runs.rows == 9


def test_of_each_lane_the_same_things_can_be_said_in_one_notation() -> None:
    settings = read(
        HOME,
        {
            "PARJANYA_LANES__LAYOUT": "split",
            "PARJANYA_LANES__GPU__MEMORY_MIB": "60000",
            "PARJANYA_LANES__GPU__QUEUE": "gpu-work",
            "PARJANYA_LANES__CPU__SCALING_GROUP": "cpus",
        },
    )
    assert settings.lanes.by_name["gpu"].memory_mib == 60_000
    assert settings.lanes.queues == {"gpu": "gpu-work"}
    assert settings.lanes.scaling_groups == {"cpu": "cpus"}


def test_every_lane_that_there_is_has_settings() -> None:
    lanes = {lane.name for layout in BY_NAME.values() for lane in layout}
    assert lanes <= Lanes.model_fields.keys()
    assert {f"PARJANYA_LANES__{lane.upper()}__QUEUE" for lane in lanes} <= PATHS.keys()


def test_a_lane_that_the_layout_has_not_is_refused_with_those_it_has() -> None:
    said = refused({"PARJANYA_LANES__GPU__IMAGE": "i"})
    assert "no lane gpu in the layout 'embedded'; its lanes are embedded" in said


@pytest.mark.parametrize(
    ("slip", "meant"),
    [
        ("PARJANYA_VLM_MODEL", "PARJANYA_VLM__MODEL"),
        ("PARJANYA_VLM__MODLE", "PARJANYA_VLM__MODEL"),
        ("PARJANYA_MODLE", "PARJANYA_VLM__MODEL"),  # near an old name
        ("PARJANYA_LANES__GPU__MEMORY", "PARJANYA_LANES__GPU__MEMORY_MIB"),
        ("PARJANYA_TRUTH__URL__", "PARJANYA_TRUTH__URL"),
        ("parjanya_runs__lese", "PARJANYA_RUNS__LEASE"),
    ],
)
def test_a_name_that_is_no_setting_suggests_the_nearest(slip: str, meant: str) -> None:
    wanted = f"no setting. Did you mean {meant}?"
    assert wanted in refused({slip: SECRET})
    said = refused(file=f"{slip}={SECRET}\n")
    assert wanted in said
    assert ENV_FILE in said


def test_a_name_like_no_other_is_sent_to_the_page() -> None:
    assert "PARJANYA_QQQQ is no setting. docs/settings.md" in refused({"PARJANYA_QQQQ": "1"})


def test_a_line_of_the_file_that_would_do_nothing_is_refused() -> None:
    assert "AWS_REGION is no setting" in refused(file=f"AWS_REGION={SECRET}\n")


@pytest.mark.parametrize(
    "line",
    ["PARJANYA_ENDPOINT__KEY", f"PARJANYA_ENDPOINT__KEY {SECRET}", f'PARJANYA_VLM__MODEL="{SECRET}',
     SECRET, f"{SECRET}=x", "= x"],
)  # fmt: skip
def test_a_malformed_line_is_named_by_its_number_alone(line: str) -> None:
    said = refused(file=f"# what follows is wrong\nPARJANYA_RUNS__ROWS=7\n{line}\n")
    assert f"{ENV_FILE}: line 3 does not read NAME=value" in said


def test_variables_that_others_read_are_left_to_them() -> None:
    others = {
        "PARJANYA_RUN_TASK_DEFINITION": "arn",
        # What Kubernetes says of the Services `parjanya` and `parjanya-uploads`.
        "PARJANYA_SERVICE_HOST": "10.0.0.1",
        "PARJANYA_SERVICE_PORT": "3030",
        "PARJANYA_PORT": "tcp://10.0.0.1:3030",
        "PARJANYA_UPLOADS_SERVICE_HOST": "10.0.0.2",
        "PARJANYA_UPLOADS_SERVICE_PORT_HTTP": "80",
        "PARJANYA_UPLOADS_PORT_80_TCP": "tcp://10.0.0.2:80",
        "PARJANYA_UPLOADS_PORT_80_TCP_PROTO": "tcp",
    }
    assert read(HOME, others) == Settings(home=HOME)


def test_values_are_repeated_where_they_are_no_secret() -> None:
    said = refused(
        {"PARJANYA_RUNS__ROWS": "many", "PARJANYA_ENGINES__SCORER": "best", "PARJANYA_RUN": "x"}
    )
    assert "PARJANYA_RUN is no setting" in said  # names first: the values may follow from them
    said = refused({"PARJANYA_RUNS__ROWS": "many", "PARJANYA_ENGINES__SCORER": "best"})
    for words in ("PARJANYA_RUNS__ROWS", "'many'", "PARJANYA_ENGINES__SCORER", "'best'"):
        assert words in said


def test_no_error_tells_the_key_of_the_endpoint() -> None:
    key = {"PARJANYA_ENDPOINT__KEY": SECRET}
    refused(key | {"PARJANYA_ENDPOINT__CONNECTIONS": "none"})
    refused(key | {"PARJANYA_ARRIVALS__QUEUE": "q"})  # an error of all settings together
    refused(key | {"PARJANYA_ENDPOINT_KEY": "another"})
    refused({"PARJANYA_ENDPOINT__KEYS": SECRET})
    assert SECRET not in repr(read(HOME, key))


def test_a_queue_needs_a_place_for_dead_letters() -> None:
    said = refused({"PARJANYA_ARRIVALS__QUEUE": "q"})
    assert "PARJANYA_ARRIVALS__QUEUE needs PARJANYA_ARRIVALS__DEAD_LETTERS" in said


def test_settings_that_are_made_in_a_program_read_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARJANYA_RUNS__ROWS", "7")
    assert Settings(home=tmp_path).runs.rows == 2000
    assert load(tmp_path).runs.rows == 7


@pytest.mark.parametrize("broken", ["not UTF-8", "a folder"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, broken: str) -> None:
    file = tmp_path / ENV_FILE
    file.mkdir() if broken == "a folder" else file.write_bytes(b"\xff\xfe\n")
    with pytest.raises(SettingsInvalid, match=r"parjanya\.env cannot be read"):
        load(tmp_path)


def test_detectors_are_named_in_a_list_and_one_that_there_is_not_is_refused() -> None:
    assert sorted(DETECTORS) == sorted([*NAMES, OVERLAY])
    listed = read(HOME, {"PARJANYA_ENGINES__DETECTORS": " language , faces,faces "})
    assert listed.engines.wanted == ("faces", "language")
    said = refused({"PARJANYA_ENGINES__DETECTORS": "faces,ages"})
    assert "no detector 'ages'. Choose from faces, language, nsfw, overlay" in said
