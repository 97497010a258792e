"""Settings that contradict one another are refused where they are read, with what to set."""

from __future__ import annotations

from pathlib import Path

import pytest

from parjanya_dagster.errors import SettingsInvalid
from parjanya_dagster.settings import Settings, read

CLUSTER = {
    "PARJANYA_LANES__LAYOUT": "split",
    "PARJANYA_LANES__LAUNCHER": "kubernetes",
    "PARJANYA_TRUTH__URL": "postgresql://server/truth",
    "PARJANYA_OBJECTS__URL": "s3://",
    "PARJANYA_ENGINES__ENRICHER": "transformers",
}


def settings(**said: str) -> Settings:
    environment = {f"PARJANYA_{name.upper()}": value for name, value in said.items()}
    given = {name: value for name, value in (CLUSTER | environment).items() if value}
    return read(Path("/home/of/an/instance"), given)


def refused(**said: str) -> str:
    with pytest.raises(SettingsInvalid) as caught:
        settings(**said)
    return str(caught.value)


@pytest.mark.parametrize("launcher", ["kubernetes", "ecs"])
@pytest.mark.parametrize(
    ("url", "why"),
    [("", "is not set"), ("sqlite:////data/truth.db", "is SQLite"), ("sqlite://", "is SQLite")],
)
def test_runs_of_a_cluster_need_a_truth_that_all_share(launcher: str, url: str, why: str) -> None:
    said = refused(lanes__launcher=launcher, truth__url=url)
    for words in ("PARJANYA_TRUTH__URL", why, "a Truth of its own", "right key"):
        assert words in said


def test_a_key_of_the_secret_that_is_nearly_right_is_told_what_was_meant() -> None:
    said = refused(truth__ur="postgresql://server/truth")
    assert "Did you mean PARJANYA_TRUTH__URL?" in said


@pytest.mark.parametrize("url", ["postgresql://server/truth", "dynamodb://truth"])
def test_a_server_is_shared(url: str) -> None:
    assert settings(truth__url=url).truth_url == url


@pytest.mark.parametrize("launcher", ["kubernetes", "ecs"])
@pytest.mark.parametrize(
    "engines",
    [
        {"engines__enricher": "embedded"},
        {"engines__enricher": "embedded-tags", "engines__scorer": "embedded-full"},
        {"engines__enricher": "openai"},  # another machine has the GPU
        {"engines__enricher": "transformers", "engines__device": "cpu"},
    ],
)
def test_a_gpu_that_no_engine_uses_is_not_asked_for(engines: dict[str, str], launcher: str) -> None:
    engines = engines | {"lanes__launcher": launcher}
    said = refused(**engines)
    assert "lane gpu ask for 1 GPU, and nothing in them runs on one" in said
    assert "PARJANYA_LANES__GPU__GPUS=0" in said
    assert settings(**engines, lanes__gpu__gpus="0").lanes.gpu.gpus == 0
    vectors = {"engines__embedder": "transformers", "engines__device": "auto"}
    assert settings(**engines | vectors).lanes.gpu.gpus is None


@pytest.mark.parametrize(
    "engines", [{"engines__enricher": "transformers"}, {"engines__scorer": "pyiqa"}]
)
def test_an_engine_that_needs_a_gpu_gets_one(engines: dict[str, str]) -> None:
    engines = {"engines__enricher": "embedded"} | engines
    assert settings(**engines)
    said = refused(**engines, lanes__gpu__gpus="0")
    assert "PARJANYA_LANES__GPU__GPUS=1" in said


def test_the_lane_that_only_decodes_needs_none() -> None:
    assert "lane cpu ask for 2 GPU" in refused(lanes__cpu__gpus="2")


def test_all_that_is_wrong_is_said_at_once() -> None:
    said = refused(truth__url="", engines__enricher="embedded")
    assert "a Truth of its own" in said
    assert "runs on one" in said


IMAGE = "PARJANYA_IDENTITY__IMAGE"


@pytest.mark.parametrize(
    ("says", "launched"),
    [
        ("parjanya-cpu:1.2.0", "registry:5000/team/parjanya-cpu:1.2.0"),
        ("parjanya-cpu:1.2.0", "registry:5000/team/parjanya-cpu@sha256:00ff"),
        ("parjanya-cpu:1.2.0", ""),
        ("", "registry/parjanya-cpu:1.2.0"),
    ],
)
def test_an_image_that_is_what_it_was_launched_as_starts(says: str, launched: str) -> None:
    environment = {IMAGE: says, "DAGSTER_CURRENT_IMAGE": launched}
    assert read(Path("/home"), environment).identity.image == says


def test_an_image_that_is_told_by_two_voices_does_not_start() -> None:
    """The stale image: v20 was pushed as v23, or a node kept it under that name."""
    environment = {IMAGE: "parjanya-cpu:v20", "DAGSTER_CURRENT_IMAGE": "registry/parjanya-cpu:v23"}
    with pytest.raises(SettingsInvalid) as caught:
        read(Path("/home"), environment)
    for words in ("registry/parjanya-cpu:v23", "parjanya-cpu:v20", "a wrong tag"):
        assert words in str(caught.value)


def test_a_lane_is_scaled_by_one_thing() -> None:
    said = refused(
        engines__enricher="openai",
        lanes__gpu__gpus="0",
        lanes__gpu__scaling_group="gpus",
        lanes__gpu__model_service="parjanya/model",
    )
    assert "unset PARJANYA_LANES__GPU__SCALING_GROUP or PARJANYA_LANES__GPU__MODEL_SERVICE" in said


def test_a_models_service_is_named_with_its_cluster() -> None:
    assert "MODEL_SERVICE" in refused(lanes__gpu__model_service="model")
