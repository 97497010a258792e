"""Real volumes that go away, come back, or are exchanged: no healthy image ends because of it.

A volume is a tmpfs, bound to where the buckets lie. Mounting needs root and CAP_SYS_ADMIN;
elsewhere these tests are skipped with the reason.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from parjanya_dagster.errors import StorageUnavailable
from parjanya_dagster.platform import Platform
from tests.support.clock import Clock
from tests.support.pictures import picture
from tests.support.stages import House

IMAGES = 30  # more than may depart at once without a question
STEP = 3  # hours between two looks


class Volume:
    """A file system of its own, bound to a mount point and away from it."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.mounted: list[Path] = []
        place.mkdir()
        _mount("-t", "tmpfs", "-o", "size=64m", "tmpfs", str(place))

    def mount(self, point: Path) -> None:
        _mount("--bind", str(self.place), str(point))
        self.mounted.append(point)

    def unmount(self) -> None:
        subprocess.run(["umount", str(self.mounted.pop())], check=True)

    def remove(self) -> None:
        while self.mounted:
            self.unmount()
        subprocess.run(["umount", str(self.place)], check=True)


def _mount(*arguments: str) -> None:
    try:
        done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no command `mount` here")
    if done.returncode:
        pytest.skip(f"this user may not mount: {done.stderr.strip()}")


@pytest.fixture
def volumes(tmp_path: Path) -> Iterator[list[Volume]]:
    made: list[Volume] = []
    try:
        for name in ("ours", "another"):
            made.append(Volume(tmp_path / name))
        yield made
    finally:
        for volume in made:
            volume.remove()


@pytest.fixture(params=["one bucket", "all buckets"])
def point(request: pytest.FixtureRequest, platform: Platform) -> Path:
    """Where the volume is mounted: a tenant's bucket, or the folder of all."""
    buckets = platform.settings.home / "buckets"
    point = buckets / "acme" if request.param == "one bucket" else buckets
    point.mkdir(exist_ok=True)
    return point


@pytest.fixture
def house(platform: Platform, clock: Clock, volumes: list[Volume], point: Path) -> House:
    """A tenant's images on a volume: most of them decided, and one under way."""
    volumes[0].mount(point)
    house = House(platform, clock)
    for number in range(IMAGES):
        house.drop(f"{number:02}.jpg", picture(number % 3))
    house.sweep()
    house.all()
    house.drop("late.jpg", picture(4))
    house.sweep()
    return house


def hours_pass(house: House, hours: int) -> None:
    """Sweeps and work go on all the time, whatever lies there."""
    for _ in range(hours // STEP):
        with suppress(StorageUnavailable):  # the sensor's tick fails, and the next one looks again
            house.sweep()
        house.all()
        house.clock.pass_by(STEP * 3600)


def ended(house: House) -> dict[str, str]:
    """The images that count as gone, or that failed."""
    rows = [row for batch in house.platform.store.batches() for row in _rows(house, batch)]
    assert len(rows) == IMAGES + 1
    return {
        row.key: f"{row.object_state} {row.pipeline_status} {row.failure_class or ''}"
        for row in rows
        if row.object_state != "present" or row.pipeline_status == "failed"
    }


def _rows(house: House, batch: str) -> list:  # type: ignore[type-arg]
    return house.platform.store.rows([batch])


def everything_goes_on(house: House) -> None:
    """The volume is back: what waited is decided, what is deleted departs, what lands arrives."""
    hours_pass(house, 30)
    assert ended(house) == {}
    assert house.row("late.jpg").pipeline_status == "curated"
    house.drop("new.jpg", picture(5))
    (house.buckets / "acme" / "incoming" / "00.jpg").unlink()
    hours_pass(house, STEP)
    assert house.row("new.jpg").pipeline_status == "curated"
    (gone,) = house.platform.store.find("incoming/00.jpg", "acme")
    assert gone.object_state == "deleted"


def test_a_volume_that_is_away_for_two_days_ends_no_image(
    house: House, volumes: list[Volume], point: Path
) -> None:
    volumes[0].unmount()
    hours_pass(house, 48)
    assert ended(house) == {}
    volumes[0].mount(point)
    everything_goes_on(house)


def test_another_volume_in_its_place_ends_no_image(
    house: House, volumes: list[Volume], point: Path
) -> None:
    volumes[0].unmount()
    volumes[1].mount(point)
    other = House(house.platform, house.clock)
    other.drop("stranger.jpg", picture(6))  # somebody writes to the wrong volume
    hours_pass(house, 48)
    assert ended(house) == {}
    volumes[1].unmount()
    volumes[0].mount(point)
    everything_goes_on(house)


def test_a_volume_that_goes_and_comes_within_a_second_changes_nothing(
    house: House, volumes: list[Volume], point: Path
) -> None:
    for _ in range(3):
        volumes[0].unmount()
        house.validate()
        volumes[0].mount(point)
        house.sweep()
    assert ended(house) == {}
    everything_goes_on(house)
