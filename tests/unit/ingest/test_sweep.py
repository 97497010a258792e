"""The sweep: buckets compared with Truth. Whatever lies there is registered once, or is named."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from parjanya_dagster.errors import CloudDenied, ObjectGone, PolicyMissing, StorageUnavailable
from parjanya_dagster.ingest.arrivals import Sweeper
from parjanya_dagster.ingest.departures import THREADS
from parjanya_dagster.ingest.pacing import Pacing
from parjanya_dagster.ingest.results import SweepResult, Unfinished
from parjanya_dagster.objects.local import MARKER
from parjanya_dagster.objects.store import LeftOut, ObjectInfo
from parjanya_dagster.platform import Platform
from parjanya_dagster.truth.models import Arrival, Registered, image_id
from tests.support.clock import NOON, Clock
from tests.support.names import TELLABLE

FOREVER = NOON + 1e9


@pytest.fixture
def buckets(platform: Platform) -> Path:
    return platform.settings.home / "buckets"


@pytest.fixture
def sweeper(platform: Platform) -> Sweeper:
    return platform.sweeper


def drop(buckets: Path, name: str, data: bytes = b"x", tenant: str = "acme") -> Path:
    path = buckets / tenant / "incoming" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def sweep(sweeper: Sweeper, deadline: float = FOREVER) -> SweepResult:
    return sweeper.sweep(deadline)


def states(platform: Platform, name: str, tenant: str = "acme") -> list[str]:
    return [row.object_state for row in platform.store.find(f"incoming/{name}", tenant)]


def test_what_lies_in_a_bucket_is_registered_once(
    platform: Platform, sweeper: Sweeper, buckets: Path
) -> None:
    drop(buckets, "a.jpg")
    drop(buckets, "deep/er/b.jpg")
    first, second = sweep(sweeper), sweep(sweeper)
    assert sum(first.registered.values()) == 2
    assert (second.seen, second.registered) == (2, {})
    assert states(platform, "deep/er/b.jpg") == ["present"]


def test_the_first_arrival_registers_its_tenant_under_the_newest_policy(
    platform: Platform, sweeper: Sweeper, buckets: Path
) -> None:
    drop(buckets, "a.jpg", tenant="new-tenant")
    assert sweep(sweeper).tenants == ["new-tenant"]
    tenant = platform.store.tenant("new-tenant")
    assert tenant is not None
    assert tenant.policy == "default@3"
    assert sweep(sweeper).tenants == []


def test_an_empty_bucket_and_what_lies_outside_incoming_are_nobodys_arrival(
    sweeper: Sweeper, buckets: Path, platform: Platform
) -> None:
    (buckets / "empty" / "incoming").mkdir(parents=True)
    (buckets / "other").mkdir()
    (buckets / "other" / "a.jpg").write_bytes(b"x")
    swept = sweep(sweeper)
    assert (swept.seen, swept.tenants, platform.store.tenants()) == (0, [], [])


@pytest.mark.parametrize("bucket", ["UPPER", "-dash", "under_score", "x", "a" * 64, "with space"])
def test_a_bucket_whose_name_is_no_tenant_is_refused_by_name_and_stops_nobody(
    platform: Platform, sweeper: Sweeper, buckets: Path, bucket: str
) -> None:
    drop(buckets, "a.jpg", tenant=bucket)
    drop(buckets, "a.jpg", tenant="zebra")
    swept = sweep(sweeper)
    assert list(swept.refused) == [f"{bucket}/"]
    assert "does not name a tenant" in swept.refused[f"{bucket}/"]
    assert swept.tenants == ["zebra"]


def test_a_replaced_file_is_another_version_and_the_older_row_says_so(
    platform: Platform, sweeper: Sweeper, buckets: Path
) -> None:
    path = drop(buckets, "a.jpg", b"old")
    sweep(sweeper)
    path.unlink()
    drop(buckets, "a.jpg", b"newer")
    sweep(sweeper)
    assert sorted(states(platform, "a.jpg")) == ["present", "replaced"]


def test_a_deleted_file_departs_and_comes_back(
    platform: Platform, sweeper: Sweeper, buckets: Path, clock: Clock
) -> None:
    path = drop(buckets, "a.jpg")
    sweep(sweeper)
    clock.pass_by(60)
    away = path.rename(buckets / "away")
    assert sweep(sweeper).departed == 1
    assert states(platform, "a.jpg") == ["deleted"]
    clock.pass_by(60)
    away.rename(path)
    sweep(sweeper)
    assert states(platform, "a.jpg") == ["present"]


def test_a_file_that_landed_during_the_sweep_is_not_taken_for_deleted(
    platform: Platform, sweeper: Sweeper, buckets: Path, clock: Clock
) -> None:
    drop(buckets, "a.jpg")
    sweep(sweeper)

    class Behind:
        """A listing that misses what another worker has just registered."""

        def __getattr__(self, name: str):  # type: ignore[no-untyped-def]
            return getattr(platform.objects, name)

        def listing(
            self, bucket: str, prefix: str, after: str = "", left_out: LeftOut | None = None
        ) -> Iterator[ObjectInfo]:
            clock.pass_by(-1)  # the row is newer than the sweep
            return iter(())

    clock.pass_by(-10)
    assert replace(sweeper, objects=Behind()).sweep(FOREVER).departed == 0


def test_a_listing_that_misses_a_file_is_not_believed(
    platform: Platform, sweeper: Sweeper, buckets: Path, clock: Clock
) -> None:
    drop(buckets, "a.jpg")
    sweep(sweeper)
    clock.pass_by(60)

    class Blind:
        def __getattr__(self, name: str):  # type: ignore[no-untyped-def]
            return getattr(platform.objects, name)

        def listing(
            self, bucket: str, prefix: str, after: str = "", left_out: LeftOut | None = None
        ) -> Iterator[ObjectInfo]:
            return iter(())

    assert replace(sweeper, objects=Blind()).sweep(FOREVER).departed == 0
    assert states(platform, "a.jpg") == ["present"]


def test_an_unfinished_file_waits_and_is_registered_when_it_is_whole(
    platform: Platform, sweeper: Sweeper, buckets: Path
) -> None:
    path = drop(buckets, "a.jpg", b"ha")
    with path.open("ab") as file:
        swept = sweep(sweeper)
        assert (swept.unfinished, swept.registered) == (1, {})
        file.write(b"lf")
    assert sum(sweep(sweeper).registered.values()) == 1
    (row,) = platform.store.find("incoming/a.jpg", "acme")
    assert row.size == 4


@pytest.mark.parametrize(
    "name", ["line\nbreak.jpg", "tab\t.jpg", "bell\a.jpg", os.fsdecode(b"not-\xff-utf8.jpg")]
)
def test_a_name_that_cannot_be_told_is_refused_with_what_to_do(
    platform: Platform, sweeper: Sweeper, buckets: Path, name: str
) -> None:
    drop(buckets, name)
    drop(buckets, "good.jpg")
    swept = sweep(sweeper)
    assert sum(swept.registered.values()) == 1
    ((shown, why),) = swept.refused.items()
    shown.encode("utf-8")  # heartbeats and logs can hold it
    assert "Rename" in why


@pytest.mark.parametrize("name", TELLABLE)
def test_a_name_that_people_have_is_taken_in(
    platform: Platform, sweeper: Sweeper, buckets: Path, name: str
) -> None:
    drop(buckets, name)
    swept = sweep(sweeper)
    assert swept.refused == {}
    assert len(platform.store.find(f"incoming/{name}", "acme")) == 1


def test_what_is_no_image_by_its_name_is_set_aside_counted_and_gets_no_row(
    platform: Platform, sweeper: Sweeper, buckets: Path
) -> None:
    for name in ("a.jpg", "a.xmp", "b.json", "clip.mov", ".DS_Store", "Thumbs.db"):
        drop(buckets, name)
    swept = sweep(sweeper)
    assert (sum(swept.registered.values()), swept.set_aside, swept.refused) == (1, 5, {})
    told = sweeper.refusals.body_of_aside()["acme"]
    assert told["kinds"] == {"sidecar": 2, "film": 1, "hidden": 1, "system file": 1}
    assert told["such_as"]["acme/incoming/clip.mov"] == "film"
    assert sweeper.refusals.body() == {}


def test_a_bucket_of_films_alone_is_no_new_tenant(
    platform: Platform, sweeper: Sweeper, buckets: Path
) -> None:
    drop(buckets, "clip.mov", tenant="films")
    assert sweep(sweeper).tenants == []


def test_a_sweep_out_of_time_says_so_and_the_next_one_goes_on(
    platform: Platform, sweeper: Sweeper, buckets: Path, clock: Clock
) -> None:
    for tenant in ("acme", "bolt", "cord"):
        drop(buckets, "a.jpg", tenant=tenant)
    slow = replace(sweeper, clock=lambda: (clock.pass_by(1.0), clock())[1])
    first = slow.sweep(clock() + 12)
    assert not first.complete
    while not (swept := slow.sweep(clock() + 40)).complete:
        assert swept.seen
    assert {tenant.slug for tenant in platform.store.tenants()} == {"acme", "bolt", "cord"}
    assert all(len(platform.store.present(slug)) == 1 for slug in ("acme", "bolt", "cord"))


def test_a_bucket_that_is_away_loses_no_image_and_stops_no_other_tenant(
    platform: Platform, sweeper: Sweeper, buckets: Path, clock: Clock
) -> None:
    drop(buckets, "a.jpg")
    drop(buckets, "b.jpg", tenant="bolt")
    sweep(sweeper)
    clock.pass_by(60)
    (buckets / "acme").rename(buckets / ".acme-moved-away")
    drop(buckets, "c.jpg", tenant="bolt")
    swept = sweep(sweeper)
    assert (swept.departed, sum(swept.registered.values())) == (0, 1)
    assert "is not there" in swept.refused["acme/"]
    assert states(platform, "a.jpg") == ["present"]
    clock.pass_by(60)
    (buckets / ".acme-moved-away").rename(buckets / "acme")
    assert sweep(sweeper).refused == {}


def test_an_empty_folder_where_a_bucket_was_is_not_believed(
    platform: Platform, sweeper: Sweeper, buckets: Path, clock: Clock
) -> None:
    """The mount point of a volume that is away, or a folder that a write made again."""
    drop(buckets, "a.jpg")
    sweep(sweeper)
    clock.pass_by(60)
    (buckets / "acme").rename(buckets.parent / "unmounted")
    (buckets / "acme" / "incoming").mkdir(parents=True)
    with pytest.raises(StorageUnavailable, match="has lost its marker"):
        sweep(sweeper)
    assert states(platform, "a.jpg") == ["present"]


def test_another_bucket_in_the_place_of_a_known_one_is_not_believed(
    platform: Platform, sweeper: Sweeper, buckets: Path, clock: Clock
) -> None:
    drop(buckets, "a.jpg")
    sweep(sweeper)
    clock.pass_by(60)
    (buckets / "acme").rename(buckets.parent / "unmounted")
    drop(buckets, "b.jpg")
    platform.objects.mark("acme")
    with pytest.raises(StorageUnavailable, match="parjanya tenant adopt acme"):
        sweep(sweeper)
    assert states(platform, "a.jpg") == ["present"]
    assert states(platform, "b.jpg") == []


def test_a_bucket_from_before_markers_is_adopted_when_it_holds_what_truth_knows(
    platform: Platform, sweeper: Sweeper, buckets: Path, clock: Clock
) -> None:
    drop(buckets, "a.jpg")
    sweep(sweeper)
    forget_bucket(platform, buckets)
    assert sweep(sweeper).refused == {}
    assert platform.store.known_buckets()["acme"].identity == platform.objects.identity("acme")


def test_a_bucket_from_before_markers_that_holds_nothing_known_is_not_adopted(
    platform: Platform, sweeper: Sweeper, buckets: Path, clock: Clock
) -> None:
    path = drop(buckets, "a.jpg")
    sweep(sweeper)
    clock.pass_by(60)
    forget_bucket(platform, buckets)
    path.unlink()
    with pytest.raises(StorageUnavailable, match="holds none of 1 images"):
        sweep(sweeper)
    assert states(platform, "a.jpg") == ["present"]


def forget_bucket(platform: Platform, buckets: Path) -> None:
    """As a home is that never heard of markers."""
    (buckets / "acme" / MARKER).unlink()
    with platform.store.engine.begin() as connection:  # type: ignore[attr-defined]
        connection.exec_driver_sql("delete from known_buckets")


def many(buckets: Path, images: int = 60) -> list[Path]:
    return [drop(buckets, f"{number}.jpg") for number in range(images)]


def test_a_sudden_mass_departure_is_held_and_then_believed(
    platform: Platform, sweeper: Sweeper, buckets: Path, clock: Clock
) -> None:
    paths = many(buckets)
    sweep(sweeper)
    clock.pass_by(60)
    for path in paths[:40]:
        path.unlink()
    swept = sweep(sweeper)
    assert (swept.departed, swept.held) == (0, {"acme": 40})
    hold = platform.store.departure_holds()["acme"]
    assert (hold.missing, hold.present) == (40, 60)
    clock.pass_by(23 * 3600)
    assert sweep(sweeper).departed == 0
    clock.pass_by(3600)
    assert sweep(sweeper).departed == 40
    assert platform.store.departure_holds() == {}
    assert states(platform, "0.jpg") == ["deleted"]


def test_a_mass_departure_that_comes_back_is_forgotten(
    platform: Platform, sweeper: Sweeper, buckets: Path, clock: Clock
) -> None:
    many(buckets)
    sweep(sweeper)
    clock.pass_by(60)
    (buckets / "acme" / "incoming").rename(buckets / "acme" / "moved")
    assert sweep(sweeper).held == {"acme": 60}
    (buckets / "acme" / "moved").rename(buckets / "acme" / "incoming")
    assert sweep(sweeper).held == {}
    assert platform.store.departure_holds() == {}
    assert states(platform, "0.jpg") == ["present"]


def test_a_mass_departure_that_a_person_confirms_is_believed_at_once(
    platform: Platform, sweeper: Sweeper, buckets: Path, clock: Clock
) -> None:
    paths = many(buckets)
    sweep(sweeper)
    clock.pass_by(60)
    for path in paths:
        path.unlink()
    sweep(sweeper)
    hold = platform.store.departure_holds()["acme"]
    platform.store.hold_departures(replace(hold, confirmed_at=clock()))
    assert sweep(sweeper).departed == 60


def test_departures_for_which_there_was_no_time_are_recorded_by_the_next_sweep(
    platform: Platform, sweeper: Sweeper, buckets: Path, clock: Clock
) -> None:
    paths = many(buckets, 150)
    sweeper = replace(sweeper, share=1.0)
    sweep(sweeper)
    clock.pass_by(60)
    for path in paths:
        path.unlink()
    first = sweep(sweeper, deadline=0.0)
    while first.stopped:
        first = sweeper.sweep(0.0, start=first.stopped)
    assert set(states(platform, "0.jpg") + states(platform, "149.jpg")) == {"deleted"}


def test_slow_storage_costs_departures_one_look_beyond_their_time(
    platform: Platform, sweeper: Sweeper, buckets: Path, clock: Clock
) -> None:
    paths = many(buckets, 150)
    sweep(sweeper)
    for path in paths:
        path.unlink()
    looks: list[str] = []

    class Slow:
        def head(self, bucket: str, key: str) -> ObjectInfo:
            looks.append(key)
            clock.pass_by(1.0)
            return platform.objects.head(bucket, key)

    slow = replace(sweeper.departures, objects=Slow())  # type: ignore[arg-type]
    ids = [row.image_id for row in platform.store.present("acme")]
    departed, left = slow.record(ids, clock() + 5.0, lambda: None)
    assert len(looks) == departed == 150 - len(left) == THREADS


@pytest.mark.parametrize("error", [StorageUnavailable, ObjectGone])
def test_a_bucket_that_does_not_answer_stops_no_other_tenant(
    platform: Platform, sweeper: Sweeper, buckets: Path, clock: Clock, error: type[Exception]
) -> None:
    for tenant in ("acme", "bolt"):
        drop(buckets, "a.jpg", tenant=tenant)
    sweep(sweeper)
    clock.pass_by(60)
    for tenant in ("acme", "bolt"):
        drop(buckets, "b.jpg", tenant=tenant)

    class Away:
        """The first tenant's bucket is away; the second one's is a real folder."""

        def __getattr__(self, name: str):  # type: ignore[no-untyped-def]
            return getattr(platform.objects, name)

        def listing(
            self, bucket: str, prefix: str, after: str = "", left_out: LeftOut | None = None
        ) -> Iterator[ObjectInfo]:
            if bucket == "acme":
                raise error("The bucket does not answer.")
            yield from platform.objects.listing(bucket, prefix)

    swept = replace(sweeper, objects=Away()).sweep(FOREVER)
    assert sum(swept.registered.values()) == 1
    assert swept.refused == {"acme/": "The bucket does not answer."}
    assert swept.departed == 0
    assert states(platform, "a.jpg") == ["present"]


def test_storage_that_is_away_as_a_whole_is_an_error_and_not_an_empty_sweep(
    platform: Platform, sweeper: Sweeper, buckets: Path, clock: Clock
) -> None:
    drop(buckets, "a.jpg")
    sweep(sweeper)
    clock.pass_by(60)
    buckets.rename(buckets.with_name("unmounted"))
    with pytest.raises(StorageUnavailable):
        sweep(sweeper)
    assert states(platform, "a.jpg") == ["present"]


def test_a_suspended_tenants_files_are_left_alone(
    platform: Platform, sweeper: Sweeper, buckets: Path
) -> None:
    tenant = sweeper.add_tenant("acme")
    platform.store.put_tenant(replace(tenant, slug="bolt", bucket="bolt", status="suspended"))
    drop(buckets, "a.jpg", tenant="bolt")
    assert sweep(sweeper).seen == 0


def test_the_identity_of_an_arrival_depends_on_bucket_key_and_version_alone(
    platform: Platform, sweeper: Sweeper, buckets: Path
) -> None:
    drop(buckets, "a.jpg")
    sweep(sweeper)
    head = platform.objects.head("acme", "incoming/a.jpg")
    assert platform.store.get(image_id("acme", "incoming/a.jpg", head.version)) is not None


class Pages:
    """A bucket whose listing takes a second for every object."""

    def __init__(self, platform: Platform, clock: Clock) -> None:
        self._objects, self._clock = platform.objects, clock
        self.listed: list[str] = []

    def __getattr__(self, name: str):  # type: ignore[no-untyped-def]
        return getattr(self._objects, name)

    def listing(
        self, bucket: str, prefix: str, after: str = "", left_out: LeftOut | None = None
    ) -> Iterator[ObjectInfo]:
        for info in self._objects.listing(bucket, prefix, after):
            self._clock.pass_by(1.0)
            self.listed.append(f"{bucket}/{info.key}")
            yield info


def test_a_sweep_goes_on_where_the_last_one_stopped_and_comes_to_the_end(
    platform: Platform,
    sweeper: Sweeper,
    buckets: Path,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("parjanya_dagster.ingest.arrivals.CHUNK", 3)
    for tenant in ("acme", "bolt", "cord"):
        sweeper.add_tenant(tenant)
        for number in range(10):
            drop(buckets, f"{number % 3}/{number}.jpg", tenant=tenant)
    pages = Pages(platform, clock)
    bounded = replace(sweeper, objects=pages)
    clock.pass_by(60)
    stops, swept = [], bounded.sweep(clock() + 5.0)
    while not swept.complete:
        stops.append(swept.stopped)
        swept = bounded.sweep(clock() + 5.0, start=swept.stopped)
    assert len(stops) >= 4
    assert all(len(platform.store.present(slug)) == 10 for slug in ("acme", "bolt", "cord"))
    assert len(set(pages.listed)) == 30
    assert len(pages.listed) < 45  # nothing is listed from its beginning again and again


def test_departures_are_seen_by_sweeps_that_go_on_from_each_other(
    platform: Platform,
    sweeper: Sweeper,
    buckets: Path,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("parjanya_dagster.ingest.arrivals.CHUNK", 3)
    paths = [drop(buckets, f"{number}.jpg") for number in range(10)]
    sweep(sweeper)
    clock.pass_by(60)
    for path in (paths[0], paths[9]):
        path.unlink()
    bounded = replace(sweeper, objects=Pages(platform, clock))
    departed, swept = 0, bounded.sweep(clock() + 2.0)
    assert not swept.complete
    while not swept.complete:
        departed += swept.departed
        swept = bounded.sweep(clock() + 2.0, start=swept.stopped)
    assert departed + swept.departed == 2
    assert len(platform.store.present("acme")) == 8


def test_a_process_that_died_between_two_sweeps_departs_nothing_by_half_a_listing(
    platform: Platform,
    sweeper: Sweeper,
    buckets: Path,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("parjanya_dagster.ingest.arrivals.CHUNK", 3)
    for number in range(10):
        drop(buckets, f"{number}.jpg")
    sweep(sweeper)
    clock.pass_by(60)
    stopped = replace(sweeper, objects=Pages(platform, clock)).sweep(clock() + 2.0).stopped
    assert stopped is not None

    class Doubtful:
        """Asked again, it would say that nothing is there."""

        def __getattr__(self, name: str):  # type: ignore[no-untyped-def]
            return getattr(platform.objects, name)

        def head(self, bucket: str, key: str) -> ObjectInfo:
            raise ObjectGone

    born_again = replace(sweeper, objects=Doubtful(), under_way={})
    assert born_again.sweep(FOREVER, start=stopped).departed == 0
    assert platform.store.sweeps() == {}


def test_a_sweep_outlives_its_process_and_what_it_missed_before_departs_at_its_end(
    platform: Platform,
    sweeper: Sweeper,
    buckets: Path,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("parjanya_dagster.ingest.arrivals.CHUNK", 3)
    paths = [drop(buckets, f"{number}.jpg") for number in range(10)]
    sweep(sweeper)
    clock.pass_by(60)
    paths[0].unlink()
    pages = Pages(platform, clock)
    swept = replace(sweeper, objects=pages).sweep(clock() + 1.0)
    departed = 0
    while not swept.complete:  # a new process each time
        assert platform.store.sweeps()["acme"].missing == 1
        again = replace(sweeper, objects=pages, under_way={}, watched={})
        swept = again.sweep(clock() + 1.0, start=swept.stopped)
        departed += swept.departed
    assert departed == 1
    assert len(set(pages.listed)) == 9
    assert len(pages.listed) < 18  # each goes on where the one before stopped
    assert platform.store.sweeps() == {}


def test_a_sweep_that_was_left_for_a_day_begins_anew(
    platform: Platform,
    sweeper: Sweeper,
    buckets: Path,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("parjanya_dagster.ingest.arrivals.CHUNK", 3)
    for number in range(10):
        drop(buckets, f"{number}.jpg")
    sweep(sweeper)
    pages = Pages(platform, clock)
    stopped = replace(sweeper, objects=pages).sweep(clock() + 1.0).stopped
    clock.pass_by(86_401)
    replace(sweeper, objects=pages, under_way={}).sweep(FOREVER, start=stopped)
    assert pages.listed.count("acme/incoming/0.jpg") == 2


def test_more_than_is_kept_is_held_as_a_whole_and_departs_as_a_whole(
    platform: Platform,
    sweeper: Sweeper,
    buckets: Path,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Memory is that of a few, however many are missing."""
    monkeypatch.setattr("parjanya_dagster.ingest.arrivals.CHUNK", 4)
    monkeypatch.setattr("parjanya_dagster.ingest.under_way.KEPT", 5)
    paths = many(buckets)
    sweep(sweeper)
    clock.pass_by(60)
    for path in paths[:40]:
        path.unlink()
    assert sweep(sweeper).held == {"acme": 40}
    assert sweep(sweeper).departed == 0
    hold = platform.store.departure_holds()["acme"]
    platform.store.hold_departures(replace(hold, confirmed_at=clock()))
    swept = sweeper.sweep(0.0)  # stops as often as it can
    departed = swept.departed
    while not swept.complete:
        swept = sweeper.sweep(0.0, start=swept.stopped)
        departed += swept.departed
    assert departed == 40
    assert platform.store.departure_holds() == platform.store.sweeps() == {}
    assert len(platform.store.present("acme")) == 20


def test_what_a_process_believed_gone_its_successor_judges_anew(
    platform: Platform,
    sweeper: Sweeper,
    buckets: Path,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("parjanya_dagster.ingest.under_way.KEPT", 5)
    paths = many(buckets)
    sweep(sweeper)
    clock.pass_by(60)
    for path in paths:
        path.unlink()
    sweep(sweeper)
    hold = platform.store.departure_holds()["acme"]
    platform.store.hold_departures(replace(hold, confirmed_at=clock()))
    swept = sweeper.sweep(0.0)
    while not swept.departed:
        swept = sweeper.sweep(0.0, start=swept.stopped)
    platform.store.hold_departures(hold)  # the person takes it back, and the process dies
    born_again = replace(sweeper, under_way={}, watched={})
    assert born_again.sweep(FOREVER, start=swept.stopped).held == {"acme": 60 - swept.departed}


def test_a_large_bucket_that_broke_off_once_goes_on_there(
    platform: Platform,
    sweeper: Sweeper,
    buckets: Path,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("parjanya_dagster.ingest.arrivals.CHUNK", 3)
    paths = [drop(buckets, f"{number}.jpg") for number in range(10)]
    drop(buckets, "a.jpg", tenant="bolt")
    sweep(sweeper)
    clock.pass_by(60)
    paths[1].unlink()

    class Torn(Pages):
        def listing(
            self, bucket: str, prefix: str, after: str = "", left_out: LeftOut | None = None
        ) -> Iterator[ObjectInfo]:
            for info in super().listing(bucket, prefix, after):
                if len(self.listed) == 6:
                    raise StorageUnavailable("SlowDown")
                yield info

    torn = Torn(platform, clock)
    bounded = replace(sweeper, objects=torn)
    assert list(bounded.sweep(FOREVER).refused) == ["acme/"]
    assert bounded.sweep(FOREVER).departed == 1
    assert torn.listed.count("acme/incoming/0.jpg") == 1


def test_a_bucket_that_lists_in_no_order_is_taken_in_and_nothing_departs(
    platform: Platform, sweeper: Sweeper, buckets: Path, clock: Clock
) -> None:
    paths = [drop(buckets, f"{number}.jpg") for number in range(4)]
    sweep(sweeper)
    clock.pass_by(60)
    paths[0].unlink()
    drop(buckets, "new.jpg")

    class Backwards:
        def __getattr__(self, name: str):  # type: ignore[no-untyped-def]
            return getattr(platform.objects, name)

        def listing(
            self, bucket: str, prefix: str, after: str = "", left_out: LeftOut | None = None
        ) -> Iterator[ObjectInfo]:
            yield from reversed(list(platform.objects.listing(bucket, prefix, after)))

    swept = replace(sweeper, objects=Backwards()).sweep(FOREVER)
    assert (sum(swept.registered.values()), swept.departed) == (1, 0)
    assert "in no order" in swept.refused["acme/"]
    assert sweep(sweeper).departed == 1


def test_a_first_bucket_that_never_answers_does_not_keep_sweeps_from_the_others(
    platform: Platform, sweeper: Sweeper, buckets: Path, clock: Clock
) -> None:
    for tenant in ("acme", "bolt"):
        sweeper.add_tenant(tenant)
        drop(buckets, "a.jpg", tenant=tenant)

    class Hangs:
        def __getattr__(self, name: str):  # type: ignore[no-untyped-def]
            return getattr(platform.objects, name)

        def listing(
            self, bucket: str, prefix: str, after: str = "", left_out: LeftOut | None = None
        ) -> Iterator[ObjectInfo]:
            if bucket == "acme":
                clock.pass_by(30.0)
                raise StorageUnavailable("timed out")
            yield from platform.objects.listing(bucket, prefix, after)

    slow = replace(sweeper, objects=Hangs())
    first = slow.sweep(clock() + 10.0)
    assert (first.stopped is not None, list(first.refused)) == (True, ["acme/"])
    second = slow.sweep(clock() + 10.0, start=first.stopped)
    assert second.complete
    assert sum(second.registered.values()) == 1


def test_a_confirmation_covers_what_was_confirmed_and_no_later_loss(
    platform: Platform, sweeper: Sweeper, buckets: Path, clock: Clock
) -> None:
    paths = many(buckets, 100)
    sweep(sweeper)
    clock.pass_by(60)
    for path in paths[:21]:
        path.unlink()
    assert sweep(sweeper).held == {"acme": 21}
    hold = platform.store.departure_holds()["acme"]
    platform.store.hold_departures(replace(hold, confirmed_at=clock()))
    (buckets / "acme" / "incoming").rename(buckets / "acme" / "moved")
    assert sweep(sweeper).held == {"acme": 100}
    assert states(platform, "99.jpg") == ["present"]


def test_a_hold_that_grew_old_while_nobody_looked_is_watched_first(
    platform: Platform, sweeper: Sweeper, buckets: Path, clock: Clock
) -> None:
    many(buckets)
    sweep(sweeper)
    clock.pass_by(60)
    (buckets / "acme" / "incoming").rename(buckets / "acme" / "moved")
    assert sweep(sweeper).held == {"acme": 60}
    clock.pass_by(36 * 3600)  # the machine slept
    restarted = replace(sweeper, under_way={}, watched={})
    assert restarted.sweep(FOREVER).departed == 0
    clock.pass_by(3600)
    assert restarted.sweep(FOREVER).departed == 60


def test_a_sweep_that_stopped_at_a_bucket_that_then_went_away_goes_on_with_the_others(
    sweeper: Sweeper, buckets: Path, clock: Clock
) -> None:
    for tenant in ("acme", "zulu"):
        drop(buckets, "a.jpg", tenant=tenant)
    sweep(sweeper)
    clock.pass_by(60)
    (buckets / "zulu").rename(buckets.parent / "unmounted")
    resumed = sweeper.sweep(FOREVER, start=Unfinished(turn="zulu"))
    assert resumed.complete
    assert "zulu/" in resumed.refused
    drop(buckets, "b.jpg")
    assert sum(sweeper.sweep(FOREVER).registered.values()) == 1


def test_what_was_listed_before_a_listing_failed_is_taken_in(
    platform: Platform, sweeper: Sweeper, buckets: Path
) -> None:
    drop(buckets, "a.jpg")

    class Torn:
        def __getattr__(self, name: str) -> object:
            return getattr(platform.objects, name)

        def listing(
            self, bucket: str, prefix: str, after: str = "", left_out: LeftOut | None = None
        ) -> Iterator[ObjectInfo]:
            yield from platform.objects.listing(bucket, prefix)
            raise StorageUnavailable("Cannot list the folder behind it.")

    torn = replace(sweeper, objects=Torn())  # type: ignore[arg-type]
    torn.add_tenant("acme")
    with pytest.raises(StorageUnavailable):
        torn.sweep(FOREVER)
    assert states(platform, "a.jpg") == ["present"]


# --- one tenant's fault stops nobody else ---------------------------------------------------------


def test_a_new_folder_without_a_policy_to_pin_stops_no_other_tenant(
    platform: Platform, sweeper: Sweeper, buckets: Path
) -> None:
    drop(buckets, "a.jpg", tenant="zebra")
    sweep(sweeper)

    def missing() -> str:
        raise PolicyMissing("No policy called 'house' is published.")

    drop(buckets, "a.jpg", tenant="acme")
    drop(buckets, "b.jpg", tenant="zebra")
    swept = replace(sweeper, new_policy=missing).sweep(FOREVER)
    assert sum(swept.registered.values()) == 1
    assert swept.refused == {"acme/": "No policy called 'house' is published."}


def test_a_key_that_no_index_could_hold_is_refused_by_name_and_stops_no_other(
    platform: Platform, sweeper: Sweeper, buckets: Path
) -> None:
    deep = "/".join(["d" * 200] * 6)
    for name in (f"{deep}/a.jpg", "b.jpg"):
        drop(buckets, name)
    swept = sweep(sweeper)
    assert sum(swept.registered.values()) == 1
    ((name, why),) = swept.refused.items()
    assert name.startswith("acme/incoming/ddd")
    assert "S3 allows 1024" in why
    assert sweeper.refusals.body()["acme"]["names"] == 1


def test_one_arrival_that_truth_cannot_hold_stops_no_other_of_its_batch(
    platform: Platform, sweeper: Sweeper, buckets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(9):
        drop(buckets, f"{number}.jpg")
    store, register = type(platform.store), type(platform.store).register

    def refusing(self: Any, arrivals: Sequence[Arrival], now: float) -> list[Registered]:
        if any(arrival.key.endswith("5.jpg") for arrival in arrivals):
            raise ValueError("index row size 3232 exceeds btree version 4 maximum 2704")
        return register(self, arrivals, now)

    monkeypatch.setattr(store, "register", refusing)
    swept = sweep(sweeper)
    assert sum(swept.registered.values()) == 8
    assert "exceeds btree" in swept.refused["acme/incoming/5.jpg"]


def unreadable(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Make a folder unreadable, also for root. Returns what makes it readable again."""
    scan, off = os.scandir, [False]

    def scandir(path: str) -> Any:
        if not off[0] and Path(path) == folder:
            raise PermissionError(errno.EACCES, "Permission denied")
        return scan(path)

    monkeypatch.setattr("os.scandir", scandir)
    return lambda: off.__setitem__(0, True)


def test_an_unreadable_folder_hides_no_sibling_and_departs_nothing(
    platform: Platform,
    sweeper: Sweeper,
    buckets: Path,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("a/1.jpg", "b/2.jpg", "b/deep/3.jpg", "c/4.jpg"):
        drop(buckets, name)
    sweep(sweeper)
    clock.pass_by(60)
    (buckets / "acme" / "incoming" / "c" / "4.jpg").unlink()
    drop(buckets, "c/5.jpg")
    heal = unreadable(buckets / "acme" / "incoming" / "b", monkeypatch)
    # Even where what lies in there seems to be gone: nobody could look.
    monkeypatch.setattr(
        "parjanya_dagster.ingest.departures.Departures._version_there", lambda *_: None
    )
    swept = sweep(sweeper)
    assert (sum(swept.registered.values()), swept.departed) == (1, 1)
    assert list(swept.refused) == ["acme/incoming/b/"]
    assert "Permission denied" in swept.refused["acme/incoming/b/"]
    assert states(platform, "b/2.jpg") == states(platform, "b/deep/3.jpg") == ["present"]
    heal()
    assert sweep(sweeper).refused == {}
    assert sweeper.refusals.body() == {}


def test_new_buckets_that_may_not_be_listed_keep_no_known_tenant_waiting(
    platform: Platform, sweeper: Sweeper, buckets: Path
) -> None:
    drop(buckets, "a.jpg")
    sweep(sweeper)
    drop(buckets, "b.jpg")

    def denied() -> list[str]:
        raise CloudDenied("s3:ListAllMyBuckets")

    swept = replace(sweeper, candidates=denied).sweep(FOREVER)
    assert sum(swept.registered.values()) == 1
    assert swept.refused == {"new buckets/": "s3:ListAllMyBuckets"}


# --- each tenant at its own pace ------------------------------------------------------------------


def test_a_large_bucket_is_looked_through_in_slices_beside_the_others(
    platform: Platform,
    sweeper: Sweeper,
    buckets: Path,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("parjanya_dagster.ingest.arrivals.CHUNK", 3)
    for number in range(30):
        drop(buckets, f"{number:02}.jpg")
    drop(buckets, "a.jpg", tenant="zebra")
    paced = replace(sweeper, objects=Pages(platform, clock))
    swept = paced.sweep(FOREVER, pacing=Pacing(slice=5.0))
    assert len(platform.store.present("acme")) == 6
    assert len(platform.store.present("zebra")) == 1
    assert swept.stopped is not None
    assert swept.stopped.tenants == ("acme",)


def test_many_large_buckets_have_their_turns_one_after_another(
    platform: Platform,
    sweeper: Sweeper,
    buckets: Path,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("parjanya_dagster.ingest.arrivals.CHUNK", 3)
    slugs = [f"large-{letter}" for letter in "abcd"] + ["zebra"]
    for slug in slugs:
        sweeper.add_tenant(slug)
        for number in range(30 if slug != "zebra" else 1):
            drop(buckets, f"{number:02}.jpg", tenant=slug)
    paced, pacing = replace(sweeper, objects=Pages(platform, clock)), Pacing(slice=5.0)
    swept, sweeps = paced.sweep(clock() + 10.0, pacing=pacing), 1
    while not platform.store.present("zebra"):
        swept = paced.sweep(clock() + 10.0, start=swept.stopped, pacing=pacing)
        sweeps += 1
        assert sweeps <= 4  # two of them have a slice in each
    while not swept.complete:
        swept = paced.sweep(clock() + 10.0, start=swept.stopped, pacing=pacing)
        sweeps += 1
        assert sweeps < 40
    assert [len(platform.store.present(slug)) for slug in slugs] == [30, 30, 30, 30, 1]


def test_what_lies_there_is_present_though_the_storages_clock_went_back(
    sweeper: Sweeper, platform: Platform, buckets: Path, clock: Clock
) -> None:
    """A version that was seen while that clock was ahead seems to have landed last."""
    drop(buckets, "a.jpg")
    sweep(sweeper)
    lies = platform.store.find("incoming/a.jpg", "acme")[0]
    ahead = Arrival(
        tenant="acme",
        bucket=lies.bucket,
        key=lies.key,
        version="ahead",
        size=lies.size + 1,
        landed_at=lies.landed_at + 30 * 86400,
    )
    platform.store.register([ahead], clock())
    assert platform.store.get(lies.image_id).object_state == "replaced"  # type: ignore[union-attr]
    for _ in range(2):
        clock.pass_by(60)
        sweep(sweeper)
    found = {row.version: row.object_state for row in platform.store.find(lies.key, "acme")}
    assert found == {lies.version: "present", "ahead": "deleted"}
