"""Log lines: JSON with ids, and nothing that names a person. Real stage, real bytes."""

from __future__ import annotations

import errno
import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog
from PIL import ExifTags, Image

from parjanya_dagster import logs
from parjanya_dagster.errors import TruthUnavailable
from parjanya_dagster.execution.heartbeat import RunHeartbeat
from parjanya_dagster.execution.kept import Kept, Lease
from parjanya_dagster.execution.stages.build import stage_work
from parjanya_dagster.execution.worker import work_off
from parjanya_dagster.platform import Platform
from parjanya_dagster.settings import Settings
from tests.support import world
from tests.support.clock import Clock
from tests.support.lines import to_standard_error
from tests.support.settings import changed

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def lines(platform: Platform) -> Iterator[Lines]:
    output = io.StringIO()
    logs.configure(platform.settings, output)
    yield lambda: [json.loads(line) for line in output.getvalue().splitlines()]
    to_standard_error()


def with_coordinates() -> bytes:
    exif = Image.Exif()
    gps = exif.get_ifd(ExifTags.IFD.GPSInfo)
    gps |= {1: "N", 2: (52.0, 31.0, 12.0), 3: "E", 4: (13.0, 24.0, 18.0)}
    out = io.BytesIO()
    Image.effect_noise((320, 240), 60).convert("RGB").save(out, "JPEG", exif=exif)
    return out.getvalue()


def test_one_line_per_outcome_with_its_ids_and_no_name_or_place(
    platform: Platform, clock: Clock, lines: Lines
) -> None:
    folder = platform.settings.home / "buckets" / "acme" / "incoming"
    folder.mkdir(parents=True)
    (folder / "anna-meier.jpg").write_bytes(with_coordinates())
    (folder / "bert-braun.jpg").write_bytes(b"no image at all")
    platform.sweeper.sweep(clock() + 60, True)
    work_off(
        platform.store,
        stage_work(platform, "validated", "run-1"),
        platform.store.batches(),
        owner="run-1",
        pace=platform.pace,
        clock=clock,
    )
    rows = {row.key: row for row in platform.store.present("acme")}
    good, bad = rows["incoming/anna-meier.jpg"], rows["incoming/bert-braun.jpg"]
    body = platform.store.evidence([good])[good.image_id]["validated"].body
    assert "52.5" in json.dumps(body), "the coordinates were there to leak"
    said = {line["image"]: line for line in lines() if line["event"] == "outcome"}
    assert said.keys() == {good.image_id, bad.image_id}
    one = said[good.image_id]
    assert (one["outcome"], one["stage"], one["run"]) == ("completed", "validated", "run-1")
    assert (one["batch"], one["tenant"], one["fence"]) == (good.batch, "acme", good.fence)
    assert said[bad.image_id]["reason"] == bad.failure_class
    text = json.dumps(lines())
    for private in ("anna", "bert", "52.5", "13.4", "latitude"):
        assert private not in text


@pytest.mark.parametrize("names", [False, True])
def test_file_names_are_written_only_where_the_settings_ask_for_them(
    platform: Platform, names: bool
) -> None:
    output = io.StringIO()
    settings = changed(platform.settings, logs={"file_names": names})
    logs.configure(settings, output)
    log = structlog.get_logger("test")
    log.warning("x", key="incoming/anna.jpg", error="cannot read incoming/tage buch/anna.jpg: EIO")
    log.warning("y", latitude=52.5, coordinates=(1, 2), gps="here")
    to_standard_error()
    assert ("anna" in output.getvalue()) is names
    assert "52.5" not in output.getvalue()
    assert "here" not in output.getvalue()
    first = json.loads(output.getvalue().splitlines()[0])
    assert first["error"].endswith(": EIO")
    assert first["level"] == "warning"
    assert first["timestamp"].endswith("Z")


def test_an_exception_is_one_line_too(platform: Platform, lines: Lines) -> None:
    try:
        raise OSError("no such file: incoming/anna.jpg")
    except OSError:
        structlog.get_logger("test").exception("failed")
    (line,) = lines()
    assert "OSError" in line["exception"]
    assert "anna" not in line["exception"]


def test_a_terminal_gets_readable_lines(platform: Platform) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    output = Terminal()
    logs.configure(platform.settings, output)
    structlog.get_logger("test").info("hello", image="abc")
    to_standard_error()
    with pytest.raises(json.JSONDecodeError):
        json.loads(output.getvalue())
    assert "hello" in output.getvalue()


def test_settings_choose_the_form() -> None:
    assert Settings().logs.format == "auto"


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left"), ValueError("closed")])
def test_a_line_that_cannot_be_written_ends_nothing(
    platform: Platform, clock: Clock, error: Exception
) -> None:
    """A full disk takes lines and Truth away together. The thread that says that a process lives
    goes on with both, or the rows of a living process would be freed."""
    world.arrive(platform.store, 1)
    claims = world.claim(platform.store, owner="run-1", now=clock())
    away: Any = Away()
    logs.configure(platform.settings, Full(error))
    try:
        assert Lease(away, claims, 120.0, clock, 40.0).beat() == 40.0
        kept = Kept(away, "run-1", clock, 120.0)
        assert kept.beat()
        kept.hand_back(claims, "the end")
        RunHeartbeat(away, "run-1", "scored", clock, silence=120.0, stall=1800.0).beat()
    finally:
        to_standard_error()


class Full(io.StringIO):
    """Takes no line."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    def write(self, text: str) -> int:
        raise self._error


class Away:
    """A Truth that does not answer."""

    def __getattr__(self, name: str) -> Any:
        raise TruthUnavailable("The disk is full.")
