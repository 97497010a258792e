"""diagnose() from facts in a few words: each rule finds what it is for, and nothing in health."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from parjanya_dagster.belief.snapshot import (
    LiveRun,
    Phase,
    RunState,
    SensorSeen,
)
from parjanya_dagster.doctor.facts import BucketSeen, Missing, Troubled
from parjanya_dagster.doctor.findings import KINDS, Boundary, Severity
from parjanya_dagster.truth.models import Heartbeat, ImageRow
from parjanya_dagster.truth.store import Counts
from tests.support.snapshots import NOW, batch, due, failed, pulse, run
from tests.unit.doctor.cases import LOOPS, codes, found, snapshot

ROW = ImageRow(
    image_id="id",
    tenant="acme",
    bucket="acme",
    key="incoming/a.jpg",
    version="v1",
    size=1,
    batch=batch(),
    landed_at=NOW - 900,
    arrived_at=NOW - 900,
    updated_at=NOW - 600,
)


def counts(**columns: Any) -> Counts:
    whole = Counts(
        tenant="acme",
        by_status={"curated": 7},
        by_verdict={"accept": 7},
        by_failure={},
        in_flight=0,
        registered=9,
        departed=2,
    )
    return replace(whole, **columns)


def test_in_health_nothing_is_found() -> None:
    busy = run(batch(), pulse=pulse())
    assert (
        codes(snapshot=snapshot([due(batch())], runs=[busy]), counts=(counts(),), ahead=0.2) == []
    )


@pytest.mark.parametrize(("registered", "words"), [(12, "3 missing"), (8, "1 too many")])
def test_rows_that_are_missing_or_too_many_break_the_law(registered: int, words: str) -> None:
    (one,) = found(counts=(counts(registered=registered),))
    assert (one.code, one.boundary, one.severity) == (
        "rows_missing",
        Boundary.TRUTH,
        Severity.ERROR,
    )
    assert words in one.summary
    assert one.evidence == {"tenant": "acme", "registered": registered, "present": 7, "departed": 2}


def test_rows_that_no_claim_can_reach_are_stranded() -> None:
    assert codes(stranded={"acme": 3}) == ["rows_stranded"]


def test_an_object_without_a_row_is_named_with_how_long_it_lies_there() -> None:
    (one,) = found(
        buckets=(
            BucketSeen(
                tenant="acme",
                bucket="acme",
                objects=10,
                unregistered=1,
                oldest=NOW - 600,
                example="incoming/new.jpg",
            ),
        )
    )
    assert (one.code, one.since) == ("objects_unregistered", NOW - 600)
    assert "incoming/new.jpg" in one.summary


def test_rows_without_objects_are_a_finding_of_their_own() -> None:
    gone = BucketSeen(
        tenant="acme",
        bucket="acme",
        objects=9,
        unregistered=0,
        oldest=None,
        example="",
        absent=2,
        absent_example="incoming/a.jpg",
    )
    (one,) = found(buckets=(gone,))
    assert (one.code, one.evidence["rows_without_object"]) == ("rows_without_object", 2)


def test_an_object_in_another_bucket_is_found_there() -> None:
    (one,) = found(missing=(Missing(ROW, "object", "bolt"),), places_checked=4)
    assert (one.code, one.severity, one.evidence["found_in"]) == (
        "object_elsewhere",
        Severity.ERROR,
        "bolt",
    )


def test_a_missing_object_and_a_missing_preview_are_two_findings() -> None:
    missing = (Missing(ROW, "object", None), Missing(ROW, "preview", None))
    assert sorted(codes(missing=missing, places_checked=9)) == ["object_missing", "preview_missing"]


def test_refused_names_are_a_finding_of_each_tenant() -> None:
    refused = {
        "acme": {"names": 7, "such_as": {"acme/incoming/a\\n.jpg": "Rename the file."}},
        "bolt": {"names": 1, "such_as": {"bolt/incoming/deep/": "Permission denied."}},
        "": {"names": 1, "such_as": {"UPPER/": "It does not name a tenant."}},
    }
    beat = Heartbeat("arrivals", NOW, {"refused": refused})
    nobody, acme, bolt = sorted(
        found(loops={**LOOPS, "arrivals": beat}),
        key=lambda one: str(one.evidence.get("tenant", "")),
    )
    assert (acme.code, acme.evidence["names"]) == ("arrivals_refused", 7)
    assert "Rename the file." in acme.summary
    assert (bolt.code, bolt.evidence["place"]) == ("arrivals_blocked", "bolt/incoming/deep/")
    assert "Permission denied." in bolt.summary
    assert nobody.code == "arrivals_refused"


def test_a_heartbeat_of_another_version_is_no_finding() -> None:
    beat = Heartbeat("arrivals", NOW, {"refused": {"a.jpg": "Rename the file."}})
    assert codes(loops={**LOOPS, "arrivals": beat}) == []


@pytest.mark.parametrize("ahead", [11.0, -11.0])
def test_a_server_with_another_time_is_clock_skew(ahead: float) -> None:
    assert codes(ahead=ahead) == ["clock_skew"]


def test_rows_that_are_due_in_the_far_future_are_a_finding() -> None:
    (one,) = found(late=(replace(ROW, due_at=NOW + 30 * 86_400.0),))
    assert one.code == "due_in_the_future"
    assert "720 h" in one.summary


def test_a_heartbeat_in_the_future_is_clock_skew() -> None:
    future = {**LOOPS, "reconciler": Heartbeat("reconciler", NOW + 60, {})}
    assert codes(loops=future) == ["clock_skew"]


def test_a_loop_that_never_completed_or_fell_silent_is_blind() -> None:
    old = Heartbeat("reconciler", NOW - 3600, {"seconds": 1.0})
    by_code = {one.code: one for one in found(loops={"reconciler": old})}
    assert by_code.keys() == {"reconciler_blind", "arrivals_blind"}
    assert by_code["reconciler_blind"].since == NOW - 3600
    assert by_code["arrivals_blind"].since is None


def test_a_loop_that_takes_long_may_rest_in_proportion() -> None:
    slow = {**LOOPS, "arrivals": Heartbeat("arrivals", NOW - 500, {"seconds": 20.0})}
    assert codes(loops=slow) == []


def test_failing_ticks_count_from_the_third_in_a_row() -> None:
    ticks = SensorSeen(
        name="pending_rows",
        running=True,
        failures=2,
        failing_since=NOW - 60,
        error="TruthUnavailable: away",
    )
    assert codes(sensors=(ticks,)) == []
    (one,) = found(sensors=(replace(ticks, failures=3),))
    assert (one.code, one.since) == ("ticks_failing", NOW - 60)
    assert "TruthUnavailable: away" in one.summary


TICKING = SensorSeen(
    name="pending_rows", running=True, failures=0, failing_since=None, error="", ticked_at=NOW - 5
)


def test_the_daemon_is_named_when_it_gives_no_sign_of_life() -> None:
    assert codes(daemon=NOW - 40, sensors=(TICKING,)) == []
    (one,) = found(daemon=NOW - 61, sensors=(replace(TICKING, ticked_at=NOW - 80),))
    assert (one.code, one.since, one.boundary) == ("daemon_away", NOW - 61, "Belief")
    assert codes(daemon=None, sensors=(replace(TICKING, ticked_at=NOW - 80),)) == []


def test_the_code_location_is_named_when_the_daemon_reaches_none() -> None:
    """The first tick that finds none tells it; where none is made any more, 45 s do."""
    away = replace(TICKING, failures=1, failing_since=NOW - 3, unreachable=True)
    (one,) = found(daemon=NOW - 1, sensors=(away,))
    assert (one.code, one.since, one.boundary) == ("code_location_away", NOW - 3, "Belief")
    assert "code location" in one.summary
    (one,) = found(daemon=NOW - 1, sensors=(replace(TICKING, ticked_at=NOW - 46),))
    assert (one.code, one.since) == ("code_location_away", NOW - 46)


@pytest.mark.parametrize(
    "other",
    [
        {"name": "arrivals"},  # one of two ticks: they are in one location
        {"name": "arrivals", "ticked_at": NOW - 300, "ticking": True},  # a large sweep
    ],
)
def test_one_sensor_that_is_quiet_is_no_code_location_that_is_away(other: dict[str, Any]) -> None:
    quiet = replace(TICKING, ticked_at=NOW - 300)
    assert codes(daemon=NOW - 1, sensors=(quiet, replace(TICKING, **other))) == []


def test_sensors_that_are_all_switched_off_say_nothing_of_the_code_location() -> None:
    off = replace(TICKING, running=False, ticked_at=NOW - 300)
    assert codes(daemon=NOW - 1, sensors=(off,)) == ["sensor_stopped"]


def test_a_sensor_that_is_switched_off_is_a_finding() -> None:
    assert codes(
        sensors=(
            SensorSeen(name="arrivals", running=False, failures=0, failing_since=None, error=""),
        )
    ) == ["sensor_stopped"]


def test_rows_retried_for_the_same_reason_are_counted_together() -> None:
    rows = [
        Troubled(replace(ROW, image_id=str(n), retries=5, retry_since=NOW - 400 - n), why)
        for n, why in enumerate(["S3: a is slow", "S3: b is slow", "GPU: out of memory"])
    ]
    by_rows = {one.evidence["rows"]: one for one in found(troubled=tuple(rows))}
    assert by_rows.keys() == {2, 1}
    assert by_rows[2].since == NOW - 401
    assert by_rows[2].summary.endswith("for the same reason: S3")


def test_a_first_retry_is_no_finding() -> None:
    row = replace(ROW, retries=1, retry_since=NOW - 5)
    assert codes(troubled=(Troubled(row, "S3: slow"),)) == []


def test_rows_that_crash_again_and_again_are_a_finding() -> None:
    rows = [replace(ROW, suspect=True, attempts=n) for n in (1, 3)]
    (one,) = found(troubled=tuple(Troubled(row, "") for row in rows))
    assert (one.code, one.evidence["rows"], one.evidence["attempts"]) == ("rows_crashing", 1, 3)


def test_failures_that_no_image_earned_are_a_finding_with_the_command() -> None:
    row = replace(ROW, failure_class="retry_horizon", failure_reason="S3 is away")
    (one,) = found(ours=(row, row))
    assert one.evidence["rows"] == 2
    assert "replay --failed" in one.next_step


def test_rows_that_are_due_and_that_nobody_asked_for_are_pending_without_intent() -> None:
    (one,) = found(snapshot=snapshot([due(batch(), 7, waited=200)]))
    assert (one.code, one.boundary, one.since) == (
        "pending_without_intent",
        Boundary.INTENT,
        NOW - 200,
    )
    assert one.evidence == {"lane": "embedded", "rows": 7, "batches": 1, "batch": batch()}


def test_rows_that_became_due_a_moment_ago_are_no_finding() -> None:
    assert codes(snapshot=snapshot([due(batch(), waited=20)])) == []


def test_a_run_that_has_the_rows_before_it_is_intent_enough() -> None:
    waiting = run(batch(), state=RunState.QUEUED, age=300)
    assert codes(snapshot=snapshot([due(batch(), waited=500)], runs=[waiting])) == []


def test_rows_behind_a_full_queue_are_held_back_and_not_without_intent() -> None:
    runs = [run(batch("zeta", n), run_id=str(n), state=RunState.QUEUED) for n in range(4)]
    work = [due(batch(), waited=2000), *(due(batch("zeta", n)) for n in range(4))]
    (one,) = found(snapshot=snapshot(work, runs=runs))
    assert (one.code, one.evidence["waiting_runs"]) == ("intent_held_back", 4)


@pytest.mark.parametrize(
    ("one", "code"),
    [
        (run(batch(), state=RunState.QUEUED, age=1000), "queued_too_long"),
        (run(batch(), state=RunState.STARTING, age=70), "starting_too_long"),
        (run(batch(), age=310, pulse=pulse(age=2, progress=310)), "started_without_commits"),
    ],
)
def test_intent_without_progress_says_where_it_stopped(one: LiveRun, code: str) -> None:
    work = [due(batch(), waited=1200)]
    (said,) = found(snapshot=snapshot(work, runs=[one]))
    assert (said.code, said.since, said.evidence["run"]) == (code, one.since, one.run_id)


def test_a_run_whose_process_is_gone_is_dead_and_its_rows_are_without_intent() -> None:
    silent = run(batch(), age=900, pulse=pulse(age=800))
    names = codes(snapshot=snapshot([due(batch(), waited=900)], runs=[silent]))
    assert sorted(names) == ["pending_without_intent", "run_dead"]


def test_a_run_whose_rows_others_finished_works_for_nothing() -> None:
    waiting = run(batch(), state=RunState.QUEUED, age=400)
    assert codes(snapshot=snapshot(keys=[batch()], runs=[waiting])) == ["run_for_nothing"]
    finishing = run(batch(), age=400, pulse=pulse("curated", age=1, phase=Phase.FINISHING))
    assert codes(snapshot=snapshot(keys=[batch()], runs=[finishing])) == []
    replayed = replace(waiting, requested=False)
    assert codes(snapshot=snapshot(keys=[batch()], runs=[replayed])) == []


def test_keys_that_dagster_lacks_are_found_once_they_are_late() -> None:
    late = found(snapshot=snapshot([due(batch(), waited=300)], keys=[]))
    assert {one.code for one in late} == {"keys_missing", "pending_without_intent"}
    assert codes(snapshot=snapshot([due(batch(), waited=30)], keys=[])) == []


def test_runs_that_fail_again_and_again_are_a_crash_loop_while_rows_are_due() -> None:
    dead = [failed(batch(), age=60.0 * n, run_id=f"f{n}") for n in (1, 2, 3)]
    (one,) = found(snapshot=snapshot([due(batch())], dead=dead))
    assert (one.code, one.evidence["failed_runs"], one.evidence["run"]) == ("crash_loop", 3, "f1")
    assert codes(snapshot=snapshot(keys=[batch()], dead=dead)) == []


def test_errors_come_first_and_then_what_has_lasted_longest() -> None:
    order = found(
        counts=(counts(registered=12),),
        buckets=(
            BucketSeen(
                tenant="acme",
                bucket="acme",
                objects=1,
                unregistered=1,
                oldest=NOW - 900,
                example="a",
            ),
        ),
        snapshot=snapshot([due(batch(), waited=200)]),
    )
    assert [one.code for one in order] == [
        "pending_without_intent",
        "rows_missing",
        "objects_unregistered",
    ]


def test_the_runbook_has_a_section_for_each_finding() -> None:
    runbook = (Path(__file__).parents[3] / "docs" / "runbook.md").read_text()
    assert [code for code in KINDS if f"`{code}`" not in runbook] == []
