"""An instance under a real Prometheus: images flow, the reconciler is blinded, it recovers.

A real `parjanya up`, `parjanya metrics` and `parjanya web`, a real Prometheus with the rules
that are shipped, and Chromium. Only the patience of `ParjanyaBlind` is shortened, from two minutes
to 40 s; the words and the rest of the rule are those of the file. The tests share one instance and
follow one another.
"""

from __future__ import annotations

import json
import re
import signal
import sqlite3
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from parjanya_dagster.instance.home import free_port
from parjanya_dagster.instance.prefork import ENABLED
from parjanya_dagster.web.access import open_keys
from tests.support import command_line
from tests.support.browser import PATIENCE
from tests.support.forking import Program
from tests.support.instance import Instance
from tests.support.pictures import picture
from tests.support.prometheus_server import RULES, Prometheus, expressions
from tests.support.waiting import tail, wait_for_end

IMAGES = {f"{n:02}.jpg": picture(n) for n in range(12)} | {"broken.jpg": picture(13)[:4000]}
NOT_HERE = (  # what a healthy instance on one machine without a GPU does not have
    "parjanya_gpu_seconds_total",
    "parjanya_retries_total",
    "parjanya_findings",
    'outcome="lost"',
)
_SENSOR = """
query { sensorOrError(sensorSelector: {repositoryName: "__repository__",
  repositoryLocationName: "parjanya", sensorName: "pending_rows"}) {
  ... on Sensor { sensorState { id selectorId } } } }
"""
_STOP = """
mutation($id: String!) { stopSensor(id: $id) {
  __typename ... on StopSensorMutationResult { instigationState { status } }
  ... on PythonError { message } } }
"""
_START = """
mutation { startSensor(sensorSelector: {repositoryName: "__repository__",
  repositoryLocationName: "parjanya", sensorName: "pending_rows"}) {
  __typename ... on PythonError { message } } }
"""


class Watched:
    """The instance and everything that watches it."""

    def __init__(self, folder: Path) -> None:
        self.instance = Instance(folder / "home")
        self.metrics_port, self.page_port = free_port(), free_port()
        rules = RULES.read_text()
        shorter = rules.replace("> 120 + 25 *", "> 40 + 25 *")
        assert shorter != rules
        self.prometheus = Prometheus(folder / "prometheus", self.metrics_port, shorter)
        self.helpers: list[Program] = []
        self.folder = folder

    def start(self) -> None:
        self.instance.start()
        self.helpers = [
            self._helper("metrics", "--port", str(self.metrics_port), "--every", "1"),
            self._helper("web", "--port", str(self.page_port), "--every", "1"),
        ]
        self.prometheus.start()
        self.prometheus.until(
            lambda: self.prometheus.query("parjanya_readable == 1"), "the exporter is scraped"
        )

    def _helper(self, *arguments: str) -> Program:
        return command_line.begun(
            *arguments,
            environment=self.instance.environment,
            output=self.folder / f"{arguments[0]}.log",
        )

    def logs(self) -> str:
        return "\n".join(tail(file) for file in sorted(self.folder.glob("*.log")))

    def close(self) -> None:
        for helper in self.helpers:
            helper.terminate()
            wait_for_end(helper, "it ends", self.logs)
        self.prometheus.stop()
        self.instance.close()


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    watched = Watched(tmp_path_factory.mktemp("operated"))
    try:
        watched.start()
        incoming = watched.instance.incoming("acme")
        incoming.mkdir(parents=True)
        for name, data in IMAGES.items():
            (incoming / name).write_bytes(data)
        watched.instance.until(
            lambda: watched.instance.settled({"acme": len(IMAGES)}), "every image is terminal"
        )
        watched.instance.until(watched.instance.idle, "every run has ended")
        yield watched
    finally:
        watched.close()


def value(watched: Watched, expression: str) -> float | None:
    found = watched.prometheus.query(expression)
    return float(found[0]["value"][1]) if found else None


def test_the_services_of_a_start_were_forked(watched: Watched) -> None:
    if not ENABLED:
        pytest.skip("services are not forked here")
    names = {process.name() for process in watched.instance.processes()}
    forked = {"parjanya-code", "parjanya-daemon", "parjanya-webser", "parjanya-desk"}
    assert forked | {"parjanya-standb"} <= names


def test_prometheus_counts_what_truth_says(watched: Watched) -> None:
    images = 'sum(parjanya_images{tenant="acme"})'
    watched.prometheus.until(
        lambda: (
            value(watched, images) == len(IMAGES)
            and value(watched, 'parjanya_images{status="failed"}') == 1
        ),
        "it has scraped the end",
    )
    completed = 'parjanya_outcomes_total{tenant="acme",stage="curated",outcome="completed"}'
    failed = 'parjanya_outcomes_total{tenant="acme",stage="validated",outcome="failed"}'
    watched.prometheus.until(
        lambda: (value(watched, completed), value(watched, failed)) == (12, 1),
        "outcomes are those of Truth",
    )
    assert value(watched, "parjanya_conservation") == 0
    assert (value(watched, "sum(parjanya_intent_emitted_total)") or 0) >= 1
    for stage in ("validated", "enriched", "scored"):
        spent = value(watched, f'parjanya_work_seconds_total{{tenant="acme",stage="{stage}"}}')
        assert spent is not None
        assert spent > 0
    started = value(watched, 'parjanya_run_start_seconds_count{phase="importing"}')
    assert started is not None
    assert started >= 1
    assert value(watched, "parjanya_drifted") == 0


def test_counters_never_fell_while_runs_ended_and_were_folded(watched: Watched) -> None:
    assert value(watched, "sum(resets(parjanya_outcomes_total[10m]))") == 0
    assert value(watched, "sum(resets(parjanya_work_seconds_total[10m]))") == 0
    assert value(watched, "sum(resets(parjanya_intent_emitted_total[10m]))") == 0


def test_every_query_of_the_grafana_dashboard_answers(watched: Watched) -> None:
    wanted = {
        expression: re.sub(r"\[(5m|1h)\]", "[10m]", expression)  # the instance is minutes old
        for _, expression in expressions()
        if not any(name in expression for name in NOT_HERE)
    }
    silent = dict(wanted)

    def all_answer() -> bool:
        for expression, asked in list(silent.items()):
            if watched.prometheus.query(asked):
                del silent[expression]
        return not silent

    watched.prometheus.until(all_answer, f"these answer: {silent}")


def test_each_run_carries_what_it_really_was(watched: Watched) -> None:
    with watched.instance.dagster() as dagster:
        runs = [run for run in dagster.get_runs() if run.job_name == "embedded_lane_job"]
    declared = json.loads(watched.instance.parjanya("declare", "--show", "--json").stdout)
    for run in runs:
        assert run.tags["parjanya/code"] == declared["declared"]["embedded"]["code"]
        assert run.tags["parjanya/scored"].startswith("embedded piqe")


def test_log_lines_of_outcomes_are_json_and_name_no_file(watched: Watched) -> None:
    lines = []
    for log in (watched.instance.home).rglob("*"):
        if log.is_file() and log.suffix in (".log", ".err", ".out"):
            text = log.read_text(errors="replace")
            lines += [one for one in text.splitlines() if '"event":"outcome"' in one]
    said = [json.loads(one) for one in lines]
    ended = [one for one in said if one["stage"] == "curated" and one["outcome"] == "completed"]
    assert {one["image"] for one in ended} == {
        row.image_id
        for row in watched.instance.rows("acme").values()
        if row.pipeline_status == "curated"
    }
    assert all({"batch", "run", "fence", "timestamp", "level"} <= one.keys() for one in said)
    assert not [one for one in lines if ".jpg" in one]
    bad = [one for one in said if one["outcome"] == "failed"]
    assert {one["reason"] for one in bad} == {"truncated"}


def page(watched: Watched, path: str = "", host: str = "127.0.0.1") -> tuple[int, str]:
    request = urllib.request.Request(f"http://127.0.0.1:{watched.page_port}/{path}")
    request.add_header("Host", host)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, ""


def test_another_sites_name_for_this_page_is_refused(watched: Watched) -> None:
    assert page(watched)[0] == 401  # who asks has no token
    assert page(watched, host="evil.example")[0] == 400
    assert page(watched, "healthz", host="10.0.0.7")[0] == 200  # as a load balancer asks


def test_the_overview_shows_the_four_layers_on_one_screen(watched: Watched, browser: Any) -> None:
    seen = browser.new_page(viewport={"width": 1440, "height": 900})
    errors: list[str] = []
    seen.on("pageerror", lambda error: errors.append(str(error)))
    seen.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    token = open_keys(watched.instance.home).token
    seen.goto(f"http://127.0.0.1:{watched.page_port}/?token={token}")
    # A first measurement that takes too long is shown as one that read nothing; the next follows.
    seen.locator("#truth .value").filter(has_text="13").wait_for(timeout=PATIENCE)
    for layer in ("truth", "belief", "intent", "execution"):
        box = seen.locator(f"#{layer}").bounding_box()
        assert box["y"] + box["height"] < 900
    assert "acme" in seen.locator("#tenants").inner_text()
    assert seen.locator("#answer").inner_text() == "Neither: nothing is due."
    first = seen.locator(".clock").inner_text()
    seen.wait_for_function(
        "before => document.querySelector('.clock').innerText !== before",
        arg=first,
        timeout=PATIENCE,
    )
    assert seen.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert not errors, errors
    seen.close()


def test_an_alert_fires_when_the_reconciler_is_blinded_and_clears_when_it_sees(
    watched: Watched, browser: Any
) -> None:
    """Somebody switches the sensor off. Its schedule looks as before; its heartbeat does not."""
    prometheus, instance = watched.prometheus, watched.instance
    prometheus.until(lambda: "ParjanyaBlind" not in prometheus.firing(), "all is well")
    state = instance.graphql(_SENSOR)["sensorOrError"]["sensorState"]
    stopped = instance.graphql(_STOP, id=state["id"])["stopSensor"]
    assert stopped["__typename"] == "StopSensorMutationResult", stopped
    prometheus.until(lambda: "ParjanyaBlind" in prometheus.firing(), "the alert fires")
    loops = {
        one["metric"]["loop"]
        for one in prometheus.query('ALERTS{alertname="ParjanyaBlind",alertstate="firing"}')
    }
    assert loops == {"reconciler"}
    assert "ParjanyaIntentMissing" not in prometheus.firing()
    seen = browser.new_page()
    token = open_keys(watched.instance.home).token
    seen.goto(f"http://127.0.0.1:{watched.page_port}/?token={token}")
    seen.wait_for_selector("#belief.bad", timeout=PATIENCE)
    assert "Belief" in seen.locator("#answer").inner_text()
    seen.close()
    started = instance.graphql(_START)["startSensor"]
    assert started["__typename"] != "PythonError", started
    prometheus.until(lambda: "ParjanyaBlind" not in prometheus.firing(), "it clears")


def test_the_exporter_survives_a_truth_that_goes_away_and_says_so(watched: Watched) -> None:
    """Last of the tests: a table is taken away, and the exporter asked once more."""
    watched.instance.stop()
    exporter = watched.helpers[0]
    with closing(sqlite3.connect(watched.instance.home / "truth.db", timeout=60)) as db, db:
        db.execute("ALTER TABLE heartbeats RENAME TO mislaid")
    watched.prometheus.until(
        lambda: value(watched, 'parjanya_readable{layer="truth"}') == 0, "it says unreadable"
    )
    assert exporter.poll() is None
    watched.prometheus.until(
        lambda: not watched.prometheus.query("parjanya_images"), "what is unknown is not shown"
    )
    exporter.send_signal(signal.SIGTERM)
    assert wait_for_end(exporter, "the exporter ends", watched.logs) == 0
