"""Settings that pass without being read as a whole are valid, and say the same places."""

from __future__ import annotations

from pathlib import Path

import pytest

from parjanya_dagster.errors import SettingsInvalid
from parjanya_dagster.settings import Places, read
from parjanya_dagster.settings import plain_values as printed
from parjanya_dagster.settings.names import PATHS
from parjanya_dagster.settings.plain import places_if_plain
from tools.plain_settings import page

HOME = Path("/home/of/an/instance")
VALUES = ("", "0", "1", "15", "16", "59.5", "65536", "-1", "1e3", "1_0", "0.0000001", "999999999",
          "9999999999", "true", "True", "owner", "auto", "transformers", "default@3", "a b",
          "s3://", "postgresql://user@server/db", "é")  # fmt: skip
FILES = (
    "",
    "# a comment\n\nPARJANYA_RUNS__ROWS=7\n  # another\n",
    "PARJANYA_TRUTH__URL=sqlite:////elsewhere/truth.db\nPARJANYA_TRUTH__URL=sqlite:////b.db",
    "PARJANYA_OBJECTS__URL=file:///b\r\n",
    "export PARJANYA_RUNS__ROWS=8\n",
    "PARJANYA_VLM__MODEL='m'\n",
    "PARJANYA_VLM__MODEL=m # of ours\n",
    "PARJANYA_VLM__MODEL=${HOME}\n",
    "PARJANYA_RUNS__ROWS=no\n",
    "PARJANYA_RUNS__ROW=7\n",
    "PARJANYA_HOME=/elsewhere\n",
    "parjanya_truth__url=sqlite:////b.db\n",
    "# \x0bPARJANYA_TRUTH__URL=sqlite:////b.db\n",
    "AWS_REGION=x\n",
    "PARJANYA_RUNS__ROWS\n",
)


def whole(environment: dict[str, str], file: str = "") -> Places | None:
    """The places by all settings. None: they are refused."""
    try:
        return read(HOME, environment, file).places
    except SettingsInvalid:
        return None


def test_what_passes_is_valid_and_says_the_same() -> None:
    passed = 0
    for name in PATHS:
        for value in VALUES:
            plain = places_if_plain(HOME, {name: value, "OTHER": "1"})
            passed += plain is not None
            assert plain in (None, whole({name: value})), (name, value)
    assert passed > 400


@pytest.mark.parametrize("file", FILES)
def test_a_file_that_passes_says_the_same(file: str) -> None:
    assert places_if_plain(HOME, {}, file) in (None, whole({}, file))
    said = {"PARJANYA_TRUTH__URL": "sqlite:////from/a/variable.db"}
    assert places_if_plain(HOME, said, file) in (None, whole(said, file))


def test_usual_settings_pass() -> None:
    given = {"PARJANYA_HOME": "/h", "PARJANYA_TRUTH__URL": "sqlite:////t.db", "HOME": "/root"}
    assert places_if_plain(HOME, given, FILES[1]) == Places(home=HOME, truth="sqlite:////t.db")


@pytest.mark.parametrize(
    "given",
    [
        {"PARJANYA_RUNS__ROW": "7"},
        {"parjanya_runs__rows": "7"},
        {"PARJANYA_TRUTH_URL": "sqlite:////old.db"},
        {"PARJANYA_LANES__LAUNCHER": "ecs"},
        {"PARJANYA_ARRIVALS__QUEUE": "q"},
        {"PARJANYA_ENGINES__DETECTORS": "hats"},
        {"PARJANYA_IDENTITY__IMAGE": "i:1"},
    ],
    ids=lambda given: next(iter(given)),
)
def test_what_is_strange_old_or_told_by_others_is_left_to_all_settings(
    given: dict[str, str],
) -> None:
    assert places_if_plain(HOME, given) is None


def test_the_table_is_what_the_settings_say() -> None:
    assert Path(printed.__file__).read_text() == page(), "python -m tools.plain_settings"
