"""What the page says, from measurements in a few words; and that names cannot become markup."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from starlette.testclient import TestClient

from parjanya_dagster.belief.snapshot import Snapshot
from parjanya_dagster.doctor.facts import Facts
from parjanya_dagster.doctor.findings import Finding, finding
from parjanya_dagster.intent.limits import Limits
from parjanya_dagster.lanes import EMBEDDED
from parjanya_dagster.metrics.exporter import Exporter
from parjanya_dagster.metrics.measure import Measured
from parjanya_dagster.platform import Platform
from parjanya_dagster.truth.models import Heartbeat
from parjanya_dagster.truth.store import Counts
from parjanya_dagster.web.app import create_app, open_desk
from parjanya_dagster.web.overview.view import view
from parjanya_dagster.web.overview.watch import Watch
from parjanya_dagster.web.text import line_points
from tests.support.clock import Clock
from tests.support.snapshots import NOW, batch, due, pulse, run

LOOPS = {name: Heartbeat(name, NOW - 3, {"seconds": 0.1}) for name in ("reconciler", "arrivals")}


def counts(tenant: str = "acme", **columns: Any) -> Counts:
    whole = Counts(
        tenant=tenant,
        by_status={"curated": 7, "failed": 1, "pending_iqa": 2},
        by_verdict={"accept": 5, "reject": 2},
        by_effective={"accept": 5, "reject": 2},
        by_failure={"truncated": 1},
        in_flight=1,
        registered=10,
        departed=0,
    )
    return replace(whole, **columns)


def measured(*found: Finding, **facts: Any) -> Measured:
    snapshot = Snapshot(
        now=NOW,
        due=(due(batch()),),
        keys=(batch(),),
        runs=(run(batch(), pulse=pulse()),),
        failed=(),
        weights={},
    )
    given = {"snapshot": snapshot, "counts": (counts(),), "loops": LOOPS, **facts}
    return Measured(
        facts=Facts(now=NOW, **given), findings=found, lanes=EMBEDDED, limits=Limits(), seconds=0.1
    )


def layers(seen: Measured) -> dict[str, Any]:
    return {layer.name: layer for layer in view(seen)["layers"]}


def test_the_four_layers_show_their_numbers() -> None:
    shown = layers(measured())
    assert list(shown) == ["Truth", "Belief", "Intent", "Execution"]
    assert {layer.tone for layer in shown.values()} == {"good"}
    assert shown["Truth"].value == "10"
    assert dict(shown["Truth"].lines)["decided"] == "7"
    assert dict(shown["Truth"].lines)["missing rows"] == "0"
    assert shown["Belief"].value == "3.0 s"
    assert dict(shown["Intent"].lines)["no run has them before it"] == "0"
    assert shown["Execution"].value == "1"


@pytest.mark.parametrize(
    ("code", "layer", "words"),
    [
        ("rows_missing", "Truth", "Begin with Truth"),
        ("reconciler_blind", "Belief", "Begin with Belief"),
        ("pending_without_intent", "Intent", "Intent is missing"),
        ("crash_loop", "Execution", "Execution cannot realize it"),
        ("drifted", "Execution", "not what was declared"),
    ],
)
def test_a_finding_colours_its_layer_and_answers_the_question(
    code: str, layer: str, words: str
) -> None:
    seen = measured(finding(code, "It is so", NOW - 600))
    shown = layers(seen)
    assert {name for name, one in shown.items() if one.tone == "bad"} == {layer}
    assert words in view(seen)["answer"]
    assert view(seen)["findings"][0]["since"] == "10 min ago"


def test_what_cannot_be_read_is_unknown_and_never_good() -> None:
    seen = measured(snapshot=None)
    seen = replace(seen, unread={"Dagster's runs and partitions": "locked"})
    shown = layers(seen)
    assert view(seen)["state"] == ("unknown", "Cannot tell")
    for name in ("Belief", "Intent", "Execution"):
        assert shown[name].tone == "unknown", name
        assert (shown[name].value, shown[name].lines) == ("—", ()), "neither zero nor never"
    nothing = Measured(
        facts=Facts(now=NOW),
        findings=(),
        lanes=EMBEDDED,
        limits=Limits(),
        seconds=0.1,
        unread={"the heartbeats of Truth": "away"},
    )
    assert {layer.tone for layer in view(nothing)["layers"]} == {"unknown"}
    assert "nothing is lost" in view(nothing)["answer"]
    unread = [one["images"] for one in view(nothing)["verdicts"]]
    unread += [one["waiting"] for one in view(nothing)["flow"]]
    assert set(unread) == {"—"}, "not zero"


def test_large_numbers_and_many_tenants_stay_on_one_screen() -> None:
    many = tuple(
        counts(f"t{n}", by_status={"curated": n * 1000}, registered=n * 1000) for n in range(50)
    )
    shown = view(measured(counts=many))
    assert len(shown["tenants"]) == 8
    assert shown["tenants"][0]["images"] == "49\u202f000"


def test_a_curve_stays_in_its_box() -> None:
    assert line_points([1.0], 600, 46) == ""
    points = [tuple(map(float, one.split(","))) for one in line_points([0, 5, 10], 600, 46).split()]
    assert points[0] == (0.0, 45.0)
    assert points[-1][0] == 600.0
    assert all(0 <= y <= 46 for _, y in points)


def shown_by(seen: Measured, platform: Platform) -> TestClient:
    """The page over a measurement, for the operator."""
    desk = replace(open_desk(platform), watch=Watch(lambda: seen, Clock(), 5.0))
    client = TestClient(create_app(desk, ["testserver"]))
    client.headers["Authorization"] = f"Bearer {desk.keys.token}"
    return client


def test_names_never_become_markup(platform: Platform) -> None:
    evil = finding("crash_loop", "<img src=x onerror=alert(1)>", NOW)
    for path in ("/", "/?part=1"):
        text = shown_by(measured(evil), platform).get(path).text
        assert "<img" not in text
        assert "&lt;img" in text


def test_the_page_allows_no_script_but_its_own_and_no_other_site(platform: Platform) -> None:
    client = shown_by(measured(), platform)
    answer = client.get("/")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "<style" not in answer.text
    assert " style=" not in answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert client.get("/", headers={"host": "evil.example"}).status_code == 400
    assert client.post("/").status_code == 405


def test_many_who_look_cost_one_measurement() -> None:
    clock, taken = Clock(), []

    def measure() -> Measured:
        taken.append(clock())
        return measured()

    watch = Watch(measure, clock, 5.0)
    exporter = Exporter(measure, clock, 5.0)
    for look in (watch.look, exporter.collect):
        taken.clear()
        for _ in range(4):
            look()
        assert len(taken) == 1
        clock.pass_by(5.0)
        look()
        assert len(taken) == 2
        clock.now -= 3600.0  # a clock that is set back must not silence it
        look()
        assert len(taken) == 3


def test_the_rate_is_that_of_the_last_minute() -> None:
    clock = Clock(NOW)
    rows = {"curated": 100}

    def measure() -> Measured:
        one = counts(by_status=dict(rows), registered=rows["curated"])
        seen = measured(counts=(one,))
        return replace(seen, facts=replace(seen.facts, now=clock()))

    watch = Watch(measure, clock, 5.0)
    assert dict(watch.look()["layers"][3].lines)["images per minute"] == "—"
    for _ in range(12):
        clock.pass_by(10.0)
        rows["curated"] += 5
        shown = watch.look()
    assert dict(shown["layers"][3].lines)["images per minute"] == "30"
