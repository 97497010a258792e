"""Friday evening everything is scaled to zero, the control plane too. Uploads go on. Then Monday.

Two things go wrong elsewhere: what was announced on Friday has expired by Monday, and the monitor
that reads zero from a dead exporter says that all is well.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from parjanya_dagster.metrics.families import families
from parjanya_dagster.metrics.measure import Measured, measure
from parjanya_dagster.platform import Platform
from parjanya_dagster.settings import Settings
from tests.incidents.steps import HOUR, ask_doctor, rows, statuses, upload
from tests.simulation.house import House

GAP = 62 * HOUR  # Friday 18:00 to Monday 08:00


def seen(house: House, folder: Path) -> Measured:
    platform = Platform(Settings(home=folder), house.store, house.buckets, house.clock)  # type: ignore[arg-type]
    return measure(platform, house.dagster, lambda: ())


def value(measured: Measured, name: str, **labels: str) -> float | None:
    found = [
        sample.value
        for family in families(measured)
        for sample in family.samples
        if sample.name == f"parjanya_{name}" and labels.items() <= sample.labels.items()
    ]
    return sum(found) if found else None


def test_on_monday_the_gap_is_seen_and_every_image_of_the_weekend_is_worked_off(
    house: House, tmp_path: Path
) -> None:
    upload(house, "acme", 3)
    house.sweep()
    house.dagster.apply(house.tick())
    while run := house.dagster.launch():
        house.dagster.start(run)
    for process in house.dagster.processes:
        house.step(process, size=2)
        house.dagster.died(process, noticed=False)  # Friday 18:00: nodes and control plane go
    for hour in range(int(GAP / HOUR)):
        house.clock.pass_by(HOUR)
        if hour % 10 == 0:
            upload(house, "acme", 1, first=100 + hour)  # and nobody takes note
    found = ask_doctor(house)
    assert "reconciler_blind" in found
    assert "objects_unregistered" in found
    before = seen(house, tmp_path)
    assert (value(before, "heartbeat_age_seconds", loop="reconciler") or 0) >= GAP
    assert value(before, "images", tenant="acme") == 3
    house.sweep()  # Monday: the sweep compares the bucket with the rows, whatever was announced
    house.settle()
    assert len(rows(house)) == 3 + 7
    assert statuses(house) == {"curated"}
    assert max(row.attempts for row in rows(house)) <= 1
    after = seen(house, tmp_path)
    assert value(after, "conservation") == 0
    assert "reconciler_blind" not in ask_doctor(house)


def test_a_quiet_weekend_is_not_a_blind_one(house: House, tmp_path: Path) -> None:
    """Nobody uploads, everybody looks: no alert wakes anybody."""
    upload(house, "acme", 2)
    house.sweep()
    house.settle()
    end = house.clock() + GAP
    while house.clock() < end:
        house.clock.pass_by(HOUR)
        house.sweep()
        house.dagster.apply(house.tick())
        house.store.beat("arrivals", house.clock(), {"seconds": 0.1})
        assert ask_doctor(house).keys() <= {"preview_missing"}  # the model writes none
    measured = seen(house, tmp_path)
    assert value(measured, "uncovered_oldest_seconds", lane="embedded") == 0
    assert (value(measured, "heartbeat_age_seconds", loop="reconciler") or 0) < 120


def test_what_cannot_be_read_is_absent_and_never_zero(house: House, tmp_path: Path) -> None:
    upload(house, "acme", 2)
    house.sweep()
    house.dagster.readable = False
    measured = seen(house, tmp_path)
    assert value(measured, "readable", layer="belief") == 0
    assert value(measured, "readable", layer="truth") == 1
    assert value(measured, "images", tenant="acme") == 2
    for name in ("runs", "due", "uncovered", "partition_keys", "queue_full"):
        assert value(measured, name) is None, name


def test_a_truth_that_is_away_leaves_only_that_it_is_away(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from parjanya_dagster.errors import TruthUnavailable

    def away(*_: object, **__: object) -> None:
        raise TruthUnavailable

    upload(house, "acme", 2)
    house.sweep()
    house.tick()
    for name in ("heartbeats", "counts", "due"):
        monkeypatch.setattr(house.store, name, away)
    measured = seen(house, tmp_path)
    samples = {s.name for family in families(measured) for s in family.samples}
    assert samples == {"parjanya_readable", "parjanya_measuring_seconds"}
    assert value(measured, "readable", layer="truth") == 0
