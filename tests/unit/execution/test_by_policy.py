"""What a row's policy needs of an engine is what the engine is asked; the rest of it is shared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from gpu_ops.embedded.scorer import EmbeddedScorer
from gpu_ops.endpoint.client import Client, GracePeriods
from gpu_ops.endpoint.enricher import EndpointEnricher, data_url
from gpu_ops.endpoint.questions import kind
from gpu_ops.interface import LABELS
from gpu_ops.vlm.prompts import load
from parjanya_dagster import policy
from parjanya_dagster.errors import PolicyMissing
from parjanya_dagster.execution.previews import Previews
from parjanya_dagster.execution.stages.by_policy import ByPolicy, CannotAsk, fitted, wanted
from parjanya_dagster.execution.stages.infer import Enrich, Score
from parjanya_dagster.execution.worker import StageWork
from parjanya_dagster.platform import Platform
from parjanya_dagster.settings import DEFAULT_PROMPT, Settings
from parjanya_dagster.truth.models import ImageRow
from parjanya_dagster.truth.requests import Reset
from tests.support.clock import Clock
from tests.support.endpoint_stub import MODEL, Reply, Stub
from tests.support.pictures import picture
from tests.support.stages import Engine, House

POLICY = """
name: asks
version: 1
description: What is under test is what it needs.
needs:
  enriched: {{taxonomy: [photo]{prompt}}}
  scored: {{metrics: [{metrics}]}}
"""


def needing(prompt: str = "", metrics: str = "piqe") -> policy.Policy:
    asked = f", prompt: {prompt}" if prompt else ""
    return policy.load(POLICY.format(prompt=asked, metrics=metrics))


class Asked(Engine):
    """Answers with the prompt or the metrics that it was asked with."""

    def __init__(self, asked: Any = "", log: list[Any] | None = None) -> None:
        super().__init__()
        self.prompt = asked
        self.log: list[Any] = [] if log is None else log
        self.identity = replace(Engine.identity, prompt=str(asked))

    def asking(self, prompt: str) -> Asked:
        if prompt == "unknown@1":
            raise ValueError("there is no prompt 'unknown@1'; choose default@1")
        return Asked(prompt, self.log)

    def measuring(self, metrics: Sequence[str]) -> Asked:
        if "lost" in metrics:
            raise RuntimeError("the weights lost.pth cannot be read")
        return Asked(tuple(metrics), self.log)

    def describe(self, images: Sequence[Any], hints: Any = None) -> list[dict[str, Any]]:
        self.log.append((self.prompt, len(images)))
        return [{**body, "prompt": self.prompt} for body in super().describe(images)]


@pytest.fixture
def house(platform: Platform, clock: Clock) -> House:
    house = House(platform, clock)
    for n, tenant in enumerate(("acme", "acme", "bolt", "cyan")):
        house.drop(f"{n}.jpg", picture(n), tenant)
    house.sweep()
    house.validate()
    return house


def work(house: House, stage: str, engine: Any, policy_of: Any) -> StageWork:
    kind = Enrich if stage == "enriched" else Score
    previews = Previews(house.platform.objects)
    return ByPolicy(
        stage,
        lambda fit: kind(fit, previews, house.platform.store, run_id="run-1", clock=house.clock),
        engine,
        policy_of,
    )


def test_each_tenant_is_asked_with_the_prompt_of_its_policy(house: House) -> None:
    prompts = {"acme": needing("kinds@2"), "bolt": needing(), "cyan": needing("kinds@2")}
    engine = Asked("default@1")
    house.run(work(house, "enriched", engine, lambda row: prompts[row.tenant]))
    assert sorted(engine.log) == [("default@1", 1), ("kinds@2", 3)]
    for n, tenant in enumerate(("acme", "acme", "bolt", "cyan")):
        row = house.row(f"{n}.jpg", tenant)
        evidence = house.platform.store.evidence([row])[row.image_id]["enriched"]
        assert evidence.body["prompt"] == ("default@1" if tenant == "bolt" else "kinds@2")
        # The policy that needed the prompt finds it, so a replay does not start here again.
        assert not policy.lacking(prompts[tenant], "enriched", evidence.body)


def test_a_prompt_that_nobody_can_ask_holds_up_its_own_tenant_alone(house: House) -> None:
    prompts = {"acme": needing("unknown@1"), "bolt": needing(), "cyan": needing()}
    house.run(work(house, "enriched", Asked(), lambda row: prompts[row.tenant]))
    for n in (0, 1):
        row = house.row(f"{n}.jpg")
        assert (row.pipeline_status, row.attempts) == ("pending_vlm_enrichment", 0)
        reason = house.platform.store.history(row.image_id)[-1].reason
        assert "The policy needs the prompt 'unknown@1'" in reason
    assert house.row("2.jpg", "bolt").pipeline_status == "pending_iqa"


def test_an_engine_that_asks_nothing_does_not_pretend(house: House) -> None:
    with pytest.raises(CannotAsk, match="the engine test asks nothing"):
        fitted(Engine(), "enriched", "kinds@2")
    assert fitted(engine := Engine(), "enriched", "") is engine


def test_metrics_reach_the_scorer_and_missing_weights_are_no_score() -> None:
    engine = Asked()
    assert fitted(engine, "scored", ("niqe", "piqe")).prompt == ("niqe", "piqe")
    assert fitted(Engine(), "scored", ("niqe",))  # an engine that cannot: the decision says so
    with pytest.raises(CannotAsk, match=r"needs lost: the weights lost\.pth cannot be read"):
        fitted(engine, "scored", ("lost",))
    more = fitted(EmbeddedScorer(), "scored", wanted(needing(metrics="niqe, musiq"), "scored"))
    (body,) = more.score([_flat()])
    assert set(body["metrics"]) == {"piqe", "niqe", "musiq"}
    assert body["metrics"]["musiq"] == {"value": None}


def test_what_was_measured_on_the_source_reaches_the_scorer(house: House) -> None:
    class Told(EmbeddedScorer):
        def score(self, images: Any, hints: Any = None) -> list[dict[str, Any]]:
            told.extend(hints)
            return super().score(images, hints)

    told: list[Any] = []
    fit = fitted(Told(), "scored", ("musiq",))  # which it lacks
    previews = Previews(house.platform.objects)
    score = Score(fit, previews, house.platform.store, run_id="run-1", clock=house.clock)
    known = {"blockiness": 2.5, "block_size": 8.0}
    (body,) = score.look([_flat()], [{"technical": known}])
    assert told == [known]
    assert body["damage"]["blockiness"] == 2.5


def test_evidence_says_which_metrics_its_engine_was_asked_for_and_lacks() -> None:
    """Else a decision could not tell it from evidence that was made for another policy."""
    asks = needing(metrics="niqe, musiq")
    able = EmbeddedScorer()
    fit = fitted(able, "scored", wanted(asks, "scored"))
    (body,) = fit.score([_flat()])
    assert policy.unasked(asks, "scored", body) == ()
    assert policy.unasked(asks, "scored", able.score([_flat()])[0]) == ("niqe", "musiq")
    assert fit.identity != fitted(able, "scored", ("niqe",)).identity
    assert fitted(able, "scored", ("niqe",)).identity == able.measuring(["niqe"]).identity


def test_a_regrade_is_asked_with_the_prompt_of_its_target(house: House) -> None:
    seen: list[str | None] = []

    def policy_of(row: ImageRow) -> policy.Policy:
        seen.append(row.target)
        return needing("kinds@2" if row.target else "")

    store, engine = house.platform.store, Asked()
    house.run(work(house, "enriched", engine, policy_of))
    store.reset(
        store.batches("acme"),
        Reset(stage="enriched", reason="again", run_id="run-0", policy="asks@1"),
        house.clock(),
        "r1",
    )
    house.run(work(house, "enriched", engine, policy_of))
    assert engine.log[-1] == ("kinds@2", 2)
    assert seen[-1] == "asks@1"


def test_a_policy_that_cannot_be_read_is_left_for_the_decision_to_say(house: House) -> None:
    def missing(row: ImageRow) -> policy.Policy:
        raise PolicyMissing

    engine = Asked()
    house.run(work(house, "enriched", engine, missing))
    assert engine.log == [("", 4)]


def test_a_policy_that_needs_nothing_of_a_stage_asks_what_the_settings_say() -> None:
    plain = policy.load("name: plain\nversion: 1\ndescription: Needs nothing.\n")
    assert not wanted(plain, "enriched")
    assert not wanted(plain, "scored")
    assert Settings().vlm.prompt == DEFAULT_PROMPT
    from gpu_ops.vlm import prompts

    assert prompts.DEFAULT == DEFAULT_PROMPT


# --- the engine `openai` in a run: its server is away, or refuses one image ---


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stub]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Stub() as server:
        yield server


def endpoint(stub: Stub, time: Any) -> EndpointEnricher:
    client = Client(stub.url, connections=4, patience=GracePeriods(timeout=60.0, attempts=2),
                    clock=time, pause=lambda _: None)  # fmt: skip
    return EndpointEnricher(client, MODEL, "v1", describe=False)


def test_while_the_server_is_away_rows_wait_and_pay_nothing(house: House, stub: Stub) -> None:
    engine = endpoint(stub, house.clock)
    stub.behave = lambda *_: Reply({}, 503)
    enrich = work(house, "enriched", engine, lambda _: needing())
    for _ in range(6):
        house.run(enrich)
        house.clock.pass_by(7200.0)
    row = house.row("0.jpg")
    assert (row.pipeline_status, row.attempts, row.retries) == ("pending_vlm_enrichment", 0, 6)
    assert "did not answer in 2 attempts; the last: 503" in (
        house.platform.store.history(row.image_id)[-1].reason
    )
    stub.behave = lambda *_: None
    house.run(enrich)
    assert house.row("0.jpg").pipeline_status == "pending_iqa"
    engine.close()


def test_an_image_that_the_server_refuses_fails_in_the_end_and_alone(
    house: House, stub: Stub
) -> None:
    engine = endpoint(stub, house.clock)
    from tests.support.endpoint_stub import mean

    levels = sorted({round(mean({"messages": _message(house, n)})) for n in range(2)})
    stub.behave = lambda _, asked: (
        Reply({"error": "cannot read it"}, 400) if round(mean(asked)) == levels[0] else None
    )
    enrich = work(house, "enriched", engine, lambda _: needing())
    for _ in range(5):
        house.run(enrich)
        house.clock.pass_by(7200.0)
    found = sorted(house.row(f"{n}.jpg").pipeline_status for n in range(2))
    assert found == ["failed", "pending_iqa"]
    engine.close()


def _message(house: House, n: int) -> Any:
    pixels = Previews(house.platform.objects).pixels(house.row(f"{n}.jpg"))
    return kind(MODEL, load(), LABELS, data_url(pixels))["messages"]


def _flat() -> Any:
    import numpy as np

    return np.random.default_rng(1).integers(0, 256, (96, 96, 3), dtype=np.uint8)
